"""Callback addresses Daraja accepts, and the addresses it calls from."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.mpesa.urls import FORBIDDEN_WORDS, CallbackKind, Sources, callback_url, is_callable

FORBIDDEN = re.compile("|".join(FORBIDDEN_WORDS), re.IGNORECASE)
BASE = "https://pay.example.com"


@pytest.mark.parametrize("kind", list(CallbackKind))
@pytest.mark.parametrize(
    "hash_", ["user123", "my-Mpesa", "query.exec", "sqlsqlcmdexe", "SAFARICOM"]
)
def test_no_address_holds_a_forbidden_word_and_the_hash_survives(
    kind: CallbackKind, hash_: str
) -> None:
    url = callback_url(BASE, kind, hash_, "00ff")
    assert not FORBIDDEN.search(url)
    parts = urlsplit(url)
    assert unquote(parts.path) == kind.alias + hash_
    assert parts.query == "key=00ff"


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyzMPESA0123456789._~-", min_size=1, max_size=128))
def test_any_hash_a_client_may_choose_survives(hash_: str) -> None:
    """MPWS-C15 names these characters."""
    url = callback_url(BASE, CallbackKind.PUSH, hash_, "ab")
    assert not FORBIDDEN.search(url)
    assert unquote(urlsplit(url).path) == CallbackKind.PUSH.alias + hash_


def test_a_base_that_production_would_refuse_gets_the_documented_path() -> None:
    url = callback_url("http://127.0.0.1:3000/mpesa", CallbackKind.PUSH, "h1", "ab")
    assert url == "http://127.0.0.1:3000/mpesa/api/v1/mpesa/stk/callback/h1?key=ab"


def test_every_kind_has_paths_of_its_own() -> None:
    paths = [path for kind in CallbackKind for path in (kind.documented, kind.alias)]
    assert len(paths) == len(set(paths))


def test_a_key_that_could_hold_a_forbidden_word_is_our_own_mistake() -> None:
    with pytest.raises(ValueError, match="hexadecimal"):
        callback_url(BASE, CallbackKind.PUSH, "h", "xsqlx")


@pytest.mark.parametrize(
    ("base", "good"),
    [
        ("https://pay.example.com", True),
        ("http://pay.example.com", False),
        ("https://pay.example.com/mpesa", False),
        ("https://safaricom-pay.example.com", False),
    ],
)
def test_a_base_is_checked_at_a_live_start(base: str, good: bool) -> None:
    assert is_callable(base) is good


def test_known_sources_are_allowed_and_others_are_not() -> None:
    sources = Sources()
    assert sources.allows("196.201.214.200")
    assert sources.allows("::ffff:196.201.212.138")
    for address in ("196.201.214.201", "127.0.0.1", "::1", "", "nonsense", "196.201.214.200:80"):
        assert not sources.allows(address)


def test_networks_may_be_listed() -> None:
    assert Sources(["10.0.0.0/8", "::1"]).allows("10.1.2.3")
    assert not Sources([]).allows("10.1.2.3")
    with pytest.raises(ValueError, match="does not appear"):
        Sources(["everywhere"])
