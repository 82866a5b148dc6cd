"""Registration, login and password reset over HTTP (FN-01..FN-04, FN-19; XS-08b)."""

import re
from pathlib import Path

from tests.protocols.nexuspay.house import (
    CODE,
    PASSWORD,
    WRONG,
    House,
    new_email,
    new_phone,
    refused,
)

ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


async def test_a_person_registers_by_email_and_logs_in_with_a_code(house: House) -> None:
    """FN-01."""
    email, phone = new_email(), new_phone()
    answer = await house.register(email, phone)
    body = answer.json()
    assert answer.status_code == 201
    assert body["data"].pop("registrationId")
    assert body == {
        "success": True,
        "message": "Registration initiated. Please verify your email.",
        "data": {"verificationMethod": "email", "email": email},
    }
    [mail] = await house.messages(email)
    assert (mail["channel"], mail["code"]) == ("email", CODE)
    answer = await house.post("/auth/register/verify/email", {"email": email, "otp": CODE})
    verified = answer.json()
    assert (answer.status_code, verified["message"]) == (200, "Email verified successfully!")
    assert set(verified["data"]) == {"token", "walletAddress", "email", "phoneNumber"}
    assert (verified["data"]["email"], verified["data"]["phoneNumber"]) == (email, phone)
    assert ADDRESS.fullmatch(verified["data"]["walletAddress"])
    answer = await house.post("/auth/login", {"email": email, "password": PASSWORD})
    assert answer.json() == {
        "success": True,
        "message": "Please verify your login with the code sent to your email.",
        "data": {"email": email},
    }
    answer = await house.post("/auth/login/verify", {"email": email, "otp": CODE})
    logged_in = answer.json()
    assert (answer.status_code, logged_in["message"]) == (200, "Login successful!")
    assert logged_in["data"] == {**verified["data"], "token": logged_in["data"]["token"]}
    assert logged_in["data"]["token"].count(".") == 2


async def test_a_registration_with_both_needs_both_codes(house: House) -> None:
    """FN-02, NXPY-C06: the first answer has the same members, without token and address."""
    email, phone = new_email(), new_phone()
    answer = await house.register(email, phone, "both")
    data = answer.json()["data"]
    assert answer.json()["message"] == (
        "Registration initiated. Please verify your email and phone number."
    )
    assert (data["email"], data["phoneNumber"]) == (email, phone)
    answer = await house.post("/auth/register/verify/email", {"email": email, "otp": CODE})
    expected = {"token": None, "walletAddress": None, "email": email, "phoneNumber": phone}
    assert answer.json()["data"] == expected
    answer = await house.post("/auth/register/verify/phone", {"phoneNumber": phone, "otp": CODE})
    assert answer.json()["message"] == "Phone number verified successfully!"
    assert answer.json()["data"]["token"]
    assert ADDRESS.fullmatch(answer.json()["data"]["walletAddress"])


async def test_a_registration_by_phone_says_so(house: House) -> None:
    """NXPY-C05."""
    email, phone = new_email(), new_phone()
    body = (await house.register(email, phone, "phone")).json()
    assert body["message"] == "Registration initiated. Please verify your phone number."
    assert set(body["data"]) == {"registrationId", "verificationMethod", "phoneNumber"}
    [sms] = await house.messages(phone)
    assert sms["channel"] == "sms"
    answer = await house.post("/auth/register/verify/email", {"email": email, "otp": CODE})
    refused(answer, 400, "INVALID_OTP")
    answer = await house.post("/auth/register/verify/phone", {"phoneNumber": phone, "otp": CODE})
    assert answer.json()["data"]["token"]


async def test_codes_are_refused_by_their_reason(house: House) -> None:
    """FN-03: wrong, late, after five wrong ones, twice."""
    email = new_email()
    path = "/auth/register/verify/email"
    await house.register(email, new_phone())
    refused(await house.post(path, {"email": email, "otp": WRONG}), 400, "INVALID_OTP")
    await house.advance(301)
    refused(await house.post(path, {"email": email, "otp": CODE}), 400, "OTP_EXPIRED")
    await house.register(email, new_phone())
    for _ in range(5):
        refused(await house.post(path, {"email": email, "otp": WRONG}), 400, "INVALID_OTP")
    refused(await house.post(path, {"email": email, "otp": CODE}), 400, "INVALID_OTP")
    await house.advance(60)
    await house.register(email, new_phone())
    assert (await house.post(path, {"email": email, "otp": CODE})).status_code == 200
    refused(await house.post(path, {"email": email, "otp": CODE}), 400, "INVALID_OTP")


async def test_wrong_credentials_are_401_with_one_text(house: House) -> None:
    """FN-03, NXPY-C09: unknown e-mail and wrong password cannot be told apart."""
    person = await house.person(password=PASSWORD)
    wrong = await house.post("/auth/login", {"email": person.email, "password": "WrongPassword1"})
    nobody = await house.post("/auth/login", {"email": new_email(), "password": PASSWORD})
    first, second = (refused(answer, 401, "INVALID_CREDENTIALS") for answer in (wrong, nobody))
    assert (first["message"], first["error"]) == (second["message"], second["error"])
    assert await house.messages(person.email) == []


async def test_whoever_is_registered_cannot_register_again(house: House) -> None:
    """FN-03, X-C03; contract: a phone verified by somebody else too."""
    person = await house.person()
    refused(await house.register(person.email, new_phone()), 400, "USER_EXISTS")
    refused(await house.register(new_email(), person.phone), 400, "USER_EXISTS")


async def test_a_registration_that_makes_no_sense_is_400(house: House) -> None:
    """FN-03, NXPY-C07."""
    changes: list[dict[str, object]] = [
        {"verifyWith": "fax"},
        {"verifyWith": None},
        {"email": "nobody"},
        {"email": 5},
        {"phoneNumber": "0712345678"},
        {"phoneNumber": "+12"},
        {"password": "short"},
        {"password": "x" * 129},
    ]
    for change in changes:
        body = {
            "email": new_email(),
            "phoneNumber": new_phone(),
            "password": PASSWORD,
            "verifyWith": "email",
            **change,
        }
        refused(await house.post("/auth/register", body), 400, "VALIDATION_ERROR")


async def test_an_unfinished_registration_logs_in_with_a_new_code_instead(house: House) -> None:
    """NXPY-C09."""
    email = new_email()
    await house.register(email, new_phone())
    answer = await house.post("/auth/login", {"email": email, "password": PASSWORD})
    refused(answer, 403, "NOT_VERIFIED")
    assert len(await house.messages(email)) == 2
    answer = await house.post("/auth/login", {"email": email, "password": "WrongPassword1"})
    refused(answer, 401, "INVALID_CREDENTIALS")


async def test_a_password_reset_kills_tokens_and_sockets(house: House) -> None:
    """FN-04, XS-09."""
    person = await house.person(password=PASSWORD)
    asked = await house.post("/auth/password-reset/request", {"email": person.email})
    nobody = new_email()
    unknown = await house.post("/auth/password-reset/request", {"email": nobody})
    for answer, email in ((asked, person.email), (unknown, nobody)):
        assert answer.json() == {
            "success": True,
            "message": "Password reset instructions sent to your email.",
            "data": {"email": email},
        }
    assert await house.messages(nobody) == []
    new = {"email": person.email, "otp": CODE, "newPassword": "NewSecurePassword123"}
    async with house.socket(person.token) as socket:
        answer = await house.post("/auth/password-reset", new)
        assert answer.json() == {
            "success": True,
            "message": "Password reset successful. You can now login with your new password.",
        }
        assert await socket.close_code() == 4401
    refused(await house.post("/auth/password-reset", new), 400, "INVALID_OTP")
    old = {"email": person.email, "password": PASSWORD}
    refused(await house.post("/auth/login", old), 401, "INVALID_CREDENTIALS")
    answer = await house.post("/auth/login", {**old, "password": "NewSecurePassword123"})
    assert answer.status_code == 200
    async with house.socket() as socket:
        assert (await socket.authenticate(person.token))["type"] == "auth_error"


async def test_a_reset_ends_a_login_under_way(house: House) -> None:
    """A password that was right before the reset does not open the account after it."""
    person = await house.person(password=PASSWORD)
    await house.post("/auth/login", {"email": person.email, "password": PASSWORD})
    await house.post("/auth/password-reset/request", {"email": person.email})
    new = {"email": person.email, "otp": CODE, "newPassword": "NewSecurePassword123"}
    assert (await house.post("/auth/password-reset", new)).status_code == 200
    answer = await house.post("/auth/login/verify", {"email": person.email, "otp": CODE})
    refused(answer, 400, "INVALID_OTP")


async def test_the_sandbox_user_logs_in_as_documented(house: House) -> None:
    """FN-19, NXPY-273..275."""
    email = "test@example.com"
    await house.post("/auth/login", {"email": email, "password": "TestPassword123"})
    answer = await house.post("/auth/login/verify", {"email": email, "otp": CODE})
    assert answer.json()["data"]["walletAddress"] == "0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7"


async def test_the_fixed_code_means_nothing_where_codes_are_random(
    dsn: str, tmp_path: Path
) -> None:
    """NXPY-276."""
    async with House.serving(dsn, tmp_path, SANDBOX_RANDOM_CODES="1") as house:
        email = new_email()
        await house.register(email, new_phone())
        [mail] = await house.messages(email)
        path = "/auth/register/verify/email"
        if mail["code"] != CODE:
            refused(await house.post(path, {"email": email, "otp": CODE}), 400, "INVALID_OTP")
        answer = await house.post(path, {"email": email, "otp": mail["code"]})
        assert answer.status_code == 200
