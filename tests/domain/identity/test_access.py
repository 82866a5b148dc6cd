"""JWTs: one issuer, one algorithm, the application's clock (X-C04)."""

import base64
import json
import secrets

import jwt
import pytest

from domain.identity import AccessTokens, Claims, Denied

SECRET = b"s" * 32
NOW = 1_706_400_000


@pytest.fixture
def tokens():
    return AccessTokens(SECRET, secrets.token_bytes)


def sign(claims, key=SECRET, algorithm="HS256"):
    return jwt.encode(claims, key, algorithm=algorithm)


def claims(**changes):
    values = {"sub": "7", "iat": NOW, "exp": NOW + 10, "jti": "a", "tv": 0, "amr": ["pwd"]}
    values.update(changes)
    return {name: value for name, value in values.items() if value is not None}


def test_a_token_says_who_until_when_and_how(tokens):
    read = tokens.read(tokens.issue(12345, 3, ("pwd", "otp"), NOW), NOW)
    assert isinstance(read, Claims)
    assert (read.user_id, read.token_version, read.amr) == (12345, 3, ("pwd", "otp"))
    assert (read.issued_at_s, read.expires_at_s) == (NOW, NOW + 86_400)


def test_the_header_is_the_documented_one(tokens):
    """NXPY-003."""
    assert tokens.issue(1, 0, (), NOW).startswith("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.")


def test_two_tokens_are_never_the_same(tokens):
    assert tokens.issue(1, 0, (), NOW) != tokens.issue(1, 0, (), NOW)


def test_expiry_follows_the_clock_that_is_passed_in(tokens):
    """FC-28: 24 hours by the application's clock, whatever the wall says."""
    token = tokens.issue(1, 0, (), NOW)
    assert isinstance(tokens.read(token, NOW + 86_399), Claims)
    assert tokens.read(token, NOW + 86_400) is Denied.EXPIRED


def test_a_token_from_the_future_of_the_wall_clock_is_good(tokens):
    far = 4_000_000_000
    assert isinstance(tokens.read(tokens.issue(1, 0, (), far), far), Claims)


def test_foreign_unsigned_and_tampered_tokens_open_nothing(tokens):
    """FC-02."""
    good = tokens.issue(1, 0, (), NOW)
    head, body, signature = good.split(".")
    payload = json.loads(base64.urlsafe_b64decode(body + "=="))
    payload["sub"] = "2"
    forged = base64.urlsafe_b64encode(json.dumps(payload).encode()).rstrip(b"=").decode()
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    for token in (
        sign(claims(), key=b"x" * 32),
        f"{head}.{forged}.{signature}",
        f"{none}.{body}.",
        f"{none}.{body}.{signature}",
        sign(claims(), key=b"s" * 64, algorithm="HS512"),
        "a.b.c",
        "not a token",
        "\ud800.b.c",
        "é.ü.ö",
        good + "x" * 2048,
    ):
        assert tokens.read(token, NOW) is Denied.INVALID
    assert tokens.read("", NOW) is Denied.MISSING


@pytest.mark.parametrize(
    "change",
    [
        {"sub": None},
        {"sub": "0x7"},
        {"sub": "-7"},
        {"sub": "٧"},
        {"sub": "9" * 19},
        {"exp": None},
        {"exp": True},
        {"exp": "9999999999"},
        {"exp": 9999999999.5},
        {"iat": None},
        {"tv": None},
        {"tv": "0"},
        {"tv": False},
        {"jti": None},
        {"amr": "pwd"},
        {"amr": [1]},
    ],
)
def test_a_signed_token_with_other_claims_is_none_of_ours(tokens, change):
    assert tokens.read(sign(claims(**change)), NOW) is Denied.INVALID


def test_claims_nobody_asked_for_do_not_matter(tokens):
    assert isinstance(tokens.read(sign(claims(aud="else", nbf=NOW + 99)), NOW), Claims)


def test_a_short_secret_is_refused():
    with pytest.raises(ValueError, match="32 bytes"):
        AccessTokens(b"short", secrets.token_bytes)
