"""One identity on several surfaces at once (XS-02, XS-08b), by their own clients."""

from itertools import count
from typing import Any, Final

import httpx
import pyotp

from tests.flows.client import World

AMARKTAI: Final = "/amarktai/api"
NEXUSPAY: Final = "/nexuspay/api"
PASSWORD: Final = "SecurePassword123"
_MINUTE_S: Final = 61  # the windows of everybody's rate limits are over
_STEP_S: Final = 60  # no code of an authenticator is valid any more
_people: Final = count(1)


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _login(world: World, email: str, code: str = "", password: str = PASSWORD) -> Any:
    body = {"email": email, "password": password, **({"totp_code": code} if code else {})}
    return await world.http.post(f"{AMARKTAI}/auth/login", json=body)


async def _nexuspay(world: World, path: str, **body: str) -> httpx.Response:
    return await world.http.post(f"{NEXUSPAY}/auth/{path}", json=body)


async def test_a_second_factor_enrolled_at_amarktai_protects_the_cashier(world: World) -> None:
    """XS-02."""
    person = await world.user(password=PASSWORD)
    assert person.email is not None
    async with world.cashier(person) as socket:
        asked = {"method": "totp", "purpose": "withdrawal"}
        assert await socket.refused("verification_request", **asked) == "2FA not enabled"
        headers = _bearer(person.token)
        enrolled = await world.http.post(f"{AMARKTAI}/auth/2fa/enroll", headers=headers)
        authenticator = pyotp.TOTP(enrolled.json()["secret"])

        async def fresh() -> str:
            return authenticator.at(await world.advance(_STEP_S))

        body = {"totp_code": await fresh()}
        proved = await world.http.post(f"{AMARKTAI}/auth/2fa/verify", json=body, headers=headers)
        assert proved.status_code == 200, proved.text
        chosen = await socket.ask("verification_request", purpose="withdrawal")
        assert chosen["method"] == "totp", "chosen by itself from now on"

        code = await fresh()
        verified = await socket.ask("verify_totp", code=code, purpose="withdrawal")
        assert len(verified["verification_token"]) == 64
        assert (await _login(world, person.email, code)).status_code == 401, "it was used"

        code = await fresh()
        assert (await _login(world, person.email, code)).status_code == 200
        text = await socket.refused("verify_totp", code=code, purpose="withdrawal")
        assert text == "invalid TOTP code", "and the other way round"


async def test_an_unproved_identity_is_taken_over_with_everything_it_has(world: World) -> None:
    """XS-08b."""
    email, phone = f"taken{next(_people)}@example.com", f"+25470{next(_people):07d}"
    await world.advance(_MINUTE_S)
    body = {"email": email, "password": "TypedByAStranger1", "first_name": "Eve", "last_name": "X"}
    stranger = (await world.http.post(f"{AMARKTAI}/auth/register", json=body)).json()
    old = _bearer(stranger["token"])
    bot = {
        "name": "Alpha Trader",
        "exchange": "luno",
        "trading_mode": "paper",
        "risk_mode": "balanced",
        "initial_capital": 1000,
    }
    made = await world.http.post(f"{AMARKTAI}/bots", json=bot, headers=old)
    assert made.status_code == 201, made.text

    order = {"email": email, "phoneNumber": phone, "password": PASSWORD, "verifyWith": "both"}
    assert (await _nexuspay(world, "register", **order)).status_code == 201
    first = await _nexuspay(world, "register/verify/email", email=email, otp="123456")
    assert first.json()["data"]["token"] is None, "one of two (NXPY-C06)"
    last = await _nexuspay(world, "register/verify/phone", phoneNumber=phone, otp="123456")
    token = last.json()["data"]["token"]

    assert (await world.http.get(f"{AMARKTAI}/bots", headers=old)).status_code == 401
    for password, status in (("TypedByAStranger1", 401), (PASSWORD, 200)):
        assert (await _login(world, email, password=password)).status_code == status
    kept = await world.http.get(f"{AMARKTAI}/bots", headers=_bearer(token))
    assert [one["id"] for one in kept.json()["bots"]] == [made.json()["bot"]["id"]]
    async with world.cashier(token) as socket:
        assert socket.greeting["data"]["user_id"] == stranger["user"]["id"]
        deposit = await socket.ask(
            "deposit_request", amount=1000, local_currency="KES", service="mpesa"
        )
        assert deposit["phone_number"] == f"{phone[1:7]}***{phone[-3:]}"
        await socket.event("deposit_completed")
    again = await _nexuspay(world, "register", **order)
    assert (again.status_code, again.json()["error"]["code"]) == (400, "USER_EXISTS")
    await world.check_books()
