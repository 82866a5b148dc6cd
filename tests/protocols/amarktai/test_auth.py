"""Accounts, login and the second factor, with a real client (FA-01, FA-02, XS-02, XS-08)."""

import base64
import json
import zlib
from typing import Any

import pyotp
import pytest

from tests.protocols.amarktai.house import PASSWORD, House, new_email, refused

REGISTER = {"password": PASSWORD, "first_name": "John", "invite_code": "optional_invite_code"}


async def registered(house: House, email: str) -> dict[str, Any]:
    answer = await house.post("/auth/register", REGISTER | {"email": email})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_registration_logs_in_and_login_shows_less(house: House) -> None:
    """FA-01.1-2; AMKT-006, AMKT-023."""
    email = new_email()
    body = await registered(house, email.upper())
    assert body["user"] == {
        "id": body["user"]["id"],
        "email": email,
        "first_name": "John",
        "currency": "ZAR",
        "system_mode": "testing",
        "two_factor_enabled": False,
    }
    assert set(body) == {"token", "user"}
    assert body["user"]["id"].isdigit()
    login = await house.post("/auth/login", {"email": email, "password": PASSWORD})
    assert login.status_code == 200
    assert set(login.json()) == {"token", "user"}
    assert login.json()["user"] == {
        "id": body["user"]["id"],
        "email": email,
        "first_name": "John",
    }
    for token in (body["token"], login.json()["token"]):
        assert (await house.get("/system/mode", token)).status_code == 200


async def test_the_second_factor_from_enrolment_to_replay(house: House) -> None:
    """FA-01.3-6, AMKT-C05, C07, C08, C09, C44."""
    email = new_email()
    token = (await registered(house, email))["token"]
    login = {"email": email, "password": PASSWORD}
    text = refused(
        await house.post("/auth/2fa/verify", {"totp_code": "123456"}, token),
        400,
        "VALIDATION_ERROR",
    )
    assert text == "2FA enrolment not started"
    enrolled = (await house.post("/auth/2fa/enroll", token=token)).json()
    secret = enrolled["secret"]
    assert set(enrolled) == {"success", "secret", "provisioning_uri", "qr_code"}
    uri = f"otpauth://totp/Amarktai:{email}?secret={secret}&issuer=Amarktai"
    assert enrolled["provisioning_uri"] == uri
    assert_is_png(enrolled["qr_code"])
    assert (await house.post("/auth/login", login)).status_code == 200
    now = (await house.sandbox("clock", {"advance_seconds": 0}))["now"]
    code = code_at(secret, now)
    wrong = f"{(int(code) + 1) % 1_000_000:06d}"
    answer = await house.post("/auth/2fa/verify", {"totp_code": wrong}, token)
    assert refused(answer, 400, "VALIDATION_ERROR") == "Invalid TOTP code"
    assert (await house.post("/auth/login", login)).status_code == 200
    answer = await house.post("/auth/2fa/verify", {"totp_code": code}, token)
    assert answer.json() == {"success": True, "message": "2FA enabled successfully"}
    answer = await house.post("/auth/2fa/enroll", token=token)
    assert refused(answer, 400, "VALIDATION_ERROR") == "2FA already enabled"
    answer = await house.post("/auth/login", login)
    assert refused(answer, 401, "AUTH_REQUIRED") == "2FA code required"
    answer = await house.post("/auth/login", login | {"totp_code": wrong})
    assert refused(answer, 401, "AUTH_INVALID") == "Invalid 2FA code"
    # The code that enabled it is used up (X-C06).
    refused(await house.post("/auth/login", login | {"totp_code": code}), 401, "AUTH_INVALID")
    await house.advance(60)
    now = (await house.sandbox("clock", {"advance_seconds": 0}))["now"]
    later = login | {"totp_code": code_at(secret, now)}
    assert (await house.post("/auth/login", later)).status_code == 200
    refused(await house.post("/auth/login", later), 401, "AUTH_INVALID")


def code_at(secret: str, now: str) -> str:
    from datetime import datetime

    return pyotp.TOTP(secret).at(datetime.fromisoformat(now))


def assert_is_png(uri: str) -> None:
    """A whole PNG: every chunk's checksum is right (whether it scans is segno's)."""
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    png = base64.b64decode(data, validate=True)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    at, names = 8, []
    while at < len(png):
        length = int.from_bytes(png[at : at + 4])
        chunk = png[at + 4 : at + 8 + length]
        names.append(chunk[:4])
        assert zlib.crc32(chunk) == int.from_bytes(png[at + 8 + length : at + 12 + length])
        at += 12 + length
    assert names[0] == b"IHDR"
    assert names[-1] == b"IEND"


async def test_five_wrong_codes_drop_a_pending_secret(house: House) -> None:
    """AMKT-C44."""
    token = (await registered(house, new_email()))["token"]
    await house.post("/auth/2fa/enroll", token=token)
    for _ in range(5):
        answer = await house.post("/auth/2fa/verify", {"totp_code": "abcdef"}, token)
        assert refused(answer, 400, "VALIDATION_ERROR") == "Invalid TOTP code"
    answer = await house.post("/auth/2fa/verify", {"totp_code": "abcdef"}, token)
    assert refused(answer, 400, "VALIDATION_ERROR") == "2FA enrolment not started"


async def test_ten_wrong_passwords_in_a_quarter_of_an_hour_are_enough(house: House) -> None:
    """AMKT-C05."""
    email = new_email()
    await registered(house, email)
    for _ in range(10):
        answer = await house.post("/auth/login", {"email": email, "password": "wrong"})
        assert refused(answer, 401, "AUTH_INVALID") == "Invalid credentials"
    right = {"email": email, "password": PASSWORD}
    refused(await house.post("/auth/login", right), 429, "RATE_LIMIT")
    await house.advance(15 * 60)
    assert (await house.post("/auth/login", right)).status_code == 200


async def test_a_taken_e_mail_is_refused(house: House) -> None:
    """X-C03."""
    email = new_email()
    await registered(house, email)
    answer = await house.post("/auth/register", REGISTER | {"email": email})
    assert refused(answer, 400, "VALIDATION_ERROR") == "Email already registered"


@pytest.mark.parametrize(
    "change",
    [
        {"email": 1},
        {"email": "nobody"},
        {"email": None},
        {"password": "short"},
        {"password": "x" * 129},
        {"password": 12345678},
        {"first_name": ""},
        {"first_name": "   "},
        {"first_name": "x" * 101},
        {"first_name": ["John"]},
        {"first_name": "a\x00b"},
        {"invite_code": 5},
    ],
)
async def test_a_registration_with_a_wrong_member_is_422(house: House, change: Any) -> None:
    """AMKT-C04, AMKT-C45."""
    body = REGISTER | {"email": new_email()} | change
    refused(await house.post("/auth/register", body), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize("missing", ["email", "password", "first_name"])
async def test_a_registration_without_a_member_is_422(house: House, missing: str) -> None:
    """AMKT-002..004."""
    body = {**REGISTER, "email": new_email()}
    del body[missing]
    assert missing in refused(await house.post("/auth/register", body), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize("body", [b"{", b"", b"[]", b'"x"', b"null", b"\xff", b"[" * 50_000])
async def test_what_is_no_json_object_is_400(house: House, body: bytes) -> None:
    """AMKT-C04."""
    refused(await house.post("/auth/login", body), 400, "VALIDATION_ERROR")


async def test_tokens_that_are_none_are_told_from_none(house: House) -> None:
    """FA-02, AMKT-C06."""
    refused(await house.get("/bots"), 401, "AUTH_REQUIRED")
    refused(await house.get("/bots", "garbage"), 401, "AUTH_INVALID")
    person = await house.person()
    head, payload, sign = person.token.split(".")
    forged = json.loads(base64.urlsafe_b64decode(payload + "=="))
    forged["sub"] = "12345"
    swapped = base64.urlsafe_b64encode(json.dumps(forged).encode()).rstrip(b"=").decode()
    refused(await house.get("/bots", f"{head}.{swapped}.{sign}"), 401, "AUTH_INVALID")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').rstrip(b"=").decode()
    refused(await house.get("/bots", f"{none}.{payload}."), 401, "AUTH_INVALID")
    await house.advance(86_401)
    refused(await house.get("/bots", person.token), 401, "AUTH_INVALID")


async def test_a_reset_elsewhere_ends_a_hijackers_token_and_factor(house: House) -> None:
    """XS-08, X-C02: what was registered and enrolled before the mailbox was proved is gone."""
    email = new_email()
    token = (await registered(house, email))["token"]
    enrolled = (await house.post("/auth/2fa/enroll", token=token)).json()
    now = (await house.sandbox("clock", {"advance_seconds": 0}))["now"]
    code = code_at(enrolled["secret"], now)
    assert (await house.post("/auth/2fa/verify", {"totp_code": code}, token)).status_code == 200
    nexus = "/nexuspay/api/auth"
    await house.http.post(f"{nexus}/password-reset/request", json={"email": email})
    answer = await house.http.post(
        f"{nexus}/password-reset",
        json={"email": email, "otp": "123456", "newPassword": "AnotherPassword1"},
    )
    assert answer.status_code == 200, answer.text
    refused(await house.get("/bots", token), 401, "AUTH_INVALID")
    login = {"email": email, "password": "AnotherPassword1"}
    assert (await house.post("/auth/login", login)).status_code == 200
