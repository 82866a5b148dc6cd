"""Secrets at rest."""

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.crypto import SecretBox, SecretUnreadable, derive_key

KEY = derive_key(b"master" * 6, "secrets")


def box(key=KEY):
    return SecretBox(key, secrets.token_bytes)


@given(st.text(max_size=200), st.text(max_size=20))
def test_what_is_sealed_opens_again(secret, context):
    assert box().open(box().seal(secret, context), context) == secret


def test_a_sealed_secret_does_not_show_it_and_is_never_the_same_twice():
    one, two = (box().seal("JBSWY3DPEHPK3PXP", "totp:7") for _ in "ab")
    assert one != two
    assert b"JBSWY3DPEHPK3PXP" not in one


def test_another_key_another_row_or_a_changed_byte_opens_nothing():
    sealed = box().seal("secret", "totp:7")
    with pytest.raises(SecretUnreadable):
        box(derive_key(b"other" * 8, "secrets")).open(sealed, "totp:7")
    with pytest.raises(SecretUnreadable):
        box().open(sealed, "totp:8")
    for broken in (
        b"",
        b"\x01",
        sealed[:-1],
        b"\x02" + sealed[1:],
        sealed[:14] + b"x" + sealed[15:],
    ):
        with pytest.raises(SecretUnreadable):
            box().open(broken, "totp:7")


def test_keys_for_different_uses_are_different():
    keys = {derive_key(b"master" * 6, label) for label in ("codes", "secrets", "jwt")}
    assert len(keys) == 3
    assert all(len(key) == 32 for key in keys)


def test_a_key_of_the_wrong_size_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        SecretBox(b"short", secrets.token_bytes)
