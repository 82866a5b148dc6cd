"""Canonical forms of addresses, and how much of them is shown."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.identity.contact import (
    mask_email,
    mask_middle,
    mask_tail,
    normalise_email,
    normalise_phone,
)


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("Test@Example.COM", "test@example.com"),
        ("  a.b+tag@mail.example.co.ke ", "a.b+tag@mail.example.co.ke"),
        ("x@y.io", "x@y.io"),
    ],
)
def test_an_email_is_unique_without_case(written, canonical):
    """X-C03."""
    assert normalise_email(written) == canonical


@pytest.mark.parametrize(
    "written",
    [
        "",
        "user",
        "user@",
        "@example.com",
        "user@localhost",
        "a b@example.com",
        "a..b@example.com",
        ".a@example.com",
        "user@-x.com",
        "user@exa_mple.com",
        "straße@example.com",
        "user@exámple.com",
        "user@example.com\r\nBcc: all@example.com",
        "user@example.com>",
        "a" * 65 + "@example.com",
        "a@" + "b." * 130 + "com",
        "\u212aelvin@example.com",  # the Kelvin sign, which lower() turns into k
    ],
)
def test_what_is_no_email_is_refused(written):
    """NXPY-C07, AMKT-C45; header injection included."""
    assert normalise_email(written) is None


@pytest.mark.parametrize(
    "written",
    ["+254712345890", "254712345890", "00254712345890", "0712345890", "+254 712-345-890"],
)
def test_every_documented_spelling_of_a_phone_is_the_same_phone(written):
    assert normalise_phone(written) == "+254712345890"


@pytest.mark.parametrize(
    "written",
    ["", "+", "12", "254", "phone", "+25471234589012345", "+٢٥٤٧١٢٣٤٥٨٩٠", "1-800-FLOWERS"],
)
def test_what_cannot_be_a_phone_is_refused(written):
    assert normalise_phone(written) is None


@given(st.text(max_size=40))
def test_normalising_never_raises_and_is_idempotent(text):
    for normalise in (normalise_email, normalise_phone):
        once = normalise(text)
        assert once is None or normalise(once) == once


def test_masks_show_what_the_documents_show():
    """CASH-C13, FC-06, CASH-047."""
    assert mask_tail("+254712345890") == "***5890"
    assert mask_middle("+254712345890") == "254712***890"
    assert mask_middle("254712345678") == "254712***678"
    assert mask_email("abcdef@example.com") == "ab***@example.com"


def test_a_short_number_is_not_shown_whole():
    assert mask_middle("123456789") == "***789"
    assert mask_email("a@example.com") == "a***@example.com"
