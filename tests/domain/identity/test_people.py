"""Tokens, passwords, and what the first proof of a mailbox ends."""

import pytest

from domain.identity import IssuedToken, Method, Person, Profile, Purpose, token_hash
from domain.identity.passwords import acceptable
from domain.identity.person import prove_email


@pytest.mark.parametrize(
    "token", ["", "deadbeef", "A" * 64, "g" * 64, "a" * 63, "a" * 65, "a" * 63 + "\n"]
)
def test_what_cannot_be_a_token_has_no_hash(token):
    """FC-10.2."""
    assert token_hash(token) is None


def test_a_token_is_looked_up_by_a_hash_that_does_not_show_it():
    token = "ab" * 32
    assert len(token_hash(token)) == 32
    assert bytes.fromhex(token) != token_hash(token)


def test_secrets_are_in_no_repr():
    issued = IssuedToken("ab" * 32, Purpose.WITHDRAWAL, Method.TOTP)
    person = Person(
        profile=Profile(user_id=7, object_id="0" * 24), password_hash="$argon2", totp_secret="SEED"
    )
    assert "abab" not in repr(issued)
    assert "argon" not in repr(person)
    assert "SEED" not in repr(person)


@pytest.mark.parametrize(
    ("password", "good"),
    [
        ("x" * 7, False),
        ("x" * 8, True),
        ("é" * 128, True),
        ("x" * 129, False),
        ("longenough\ud800", False),
    ],
)
def test_a_password_has_8_to_128_characters(password, good):
    """NXPY-C07, AMKT-C45."""
    assert acceptable(password) is good


def person(**profile):
    return Person(
        profile=Profile(user_id=7, object_id="0" * 24, email="v@example.com", **profile),
        totp_secret="hijackers",
        totp_pending="too",
    )


def test_the_first_proof_of_a_mailbox_ends_what_came_before_it():
    """X-C02, XS-08: old tokens are dead, a TOTP secret enrolled earlier is gone."""
    proved = prove_email(person(token_version=4, totp_enabled=True), 99)
    assert proved.profile.email_verified
    assert proved.profile.email_proved_at_us == 99
    assert proved.profile.token_version == 5
    assert not proved.profile.totp_enabled
    assert proved.totp_secret is None
    assert proved.totp_pending is None


def test_a_later_proof_changes_nothing():
    before = person(token_version=4, totp_enabled=True, email_verified=True)
    assert prove_email(before, 99) is before
