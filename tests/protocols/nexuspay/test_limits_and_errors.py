"""Rate limits with their headers, and the standard error body wherever it is due (FN-18)."""

from pathlib import Path

import httpx
import trio

from tests.protocols.nexuspay.house import (
    CODE,
    PASSWORD,
    WITHIN_S,
    House,
    new_bill,
    new_email,
    refused,
)
from tests.protocols.nexuspay.mpesa import operations

_NAMES = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")


async def test_authentication_is_limited_to_ten_a_minute_by_address(house: House) -> None:
    """FN-03, NXPY-255: the 11th request is 429 with the three headers; the next window works."""
    body = {"email": new_email(), "password": PASSWORD}
    for left in range(9, -1, -1):
        answer = await house.post("/auth/login", body)
        assert answer.status_code == 401
        assert [answer.headers[name] for name in _NAMES[:2]] == ["10", str(left)]
    answer = await house.post("/auth/login", body)
    refused(answer, 429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["X-RateLimit-Remaining"] == "0"
    now = await house.advance(0)
    assert 0 < int(answer.headers["X-RateLimit-Reset"]) - now.timestamp() <= 61
    assert 0 < int(answer.headers["Retry-After"]) <= 60
    await house.advance(61)
    assert (await house.post("/auth/login", body)).status_code == 401


async def test_every_answer_has_the_three_headers(house: House) -> None:
    """NXPY-258..260: 200, 400, 401, 404, 405 alike; a reset is whole seconds."""
    answers = {
        200: await house.post("/auth/password-reset/request", {"email": new_email()}),
        400: await house.post("/auth/login", b"{"),
        401: await house.post("/auth/login", {"email": new_email(), "password": PASSWORD}),
        404: await house.get("/nothing/here"),
        405: await house.get("/auth/login"),
    }
    for status, answer in answers.items():
        assert answer.status_code == status
        assert all(answer.headers[name].isdigit() for name in _NAMES), status
    refused(answers[400], 400, "VALIDATION_ERROR")
    refused(answers[404], 404, "NOT_FOUND")
    refused(answers[405], 405, "VALIDATION_ERROR")


async def test_browsers_may_read_the_headers(house: House) -> None:
    """X-C25."""
    answer = await house.post("/auth/login", {"email": new_email()}, Origin="https://shop.example")
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert "X-RateLimit-Remaining" in answer.headers["Access-Control-Expose-Headers"]
    preflight = await house.http.options(
        "/nexuspay/api/auth/login",
        headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"},
    )
    assert preflight.status_code == 204


async def test_the_host_header_reaches_the_surface_without_its_prefix(house: House) -> None:
    """contract.md, "One port, five surfaces"."""
    answer = await house.http.post(
        "/api/auth/password-reset/request",
        json={"email": "a@example.com"},
        headers={"Host": "api.nexuspay.app"},
    )
    assert answer.json()["data"] == {"email": "a@example.com"}


async def test_queries_and_transactions_are_limited_by_person(house: House) -> None:
    """FN-18, NXPY-256, NXPY-257: the 61st GET and the 31st POST in a minute are 429."""
    ann, bob = await house.person(), await house.person()
    for _ in range(60):
        assert (await ann.get("/transactions/history")).status_code == 200
    answer = await ann.get("/transactions/history")
    refused(answer, 429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["X-RateLimit-Limit"] == "60"
    assert (await bob.get("/transactions/history")).status_code == 200
    for _ in range(30):
        refused(await ann.post("/token/pay", {}), 400, "VALIDATION_ERROR")
    answer = await ann.post("/token/pay", {})
    refused(answer, 429, "RATE_LIMIT_EXCEEDED")
    assert answer.headers["X-RateLimit-Limit"] == "30"
    await house.advance(61)
    assert (await ann.get("/transactions/history")).status_code == 200


async def test_no_money_moves_on_a_password_alone_where_a_code_is_required(
    dsn: str, tmp_path: Path
) -> None:
    """X-C05: 403 to tokens of a login without a code, on what moves money and nowhere else."""
    async with House.serving(dsn, tmp_path, NEXUSPAY_REQUIRE_OTP="1") as house:
        person = await house.person(password=PASSWORD, balances={"arbitrum:USDC": "5"})
        made = await house.http.post(
            "/amarktai/api/auth/login", json={"email": person.email, "password": PASSWORD}
        )
        person.token = made.json()["token"]
        home = {"businessId": "b", "amount": "1", "walletAddress": person.address}
        for path in ("/token/sendToken", "/token/pay", "/mpesa/withdraw", "/mpesa/pay-with-crypto"):
            refused(await person.post(path, {}), 403, "FORBIDDEN")
        refused(await person.post("/business/transfer-funds", home), 403, "FORBIDDEN")
        assert (await person.get("/transactions/history")).status_code == 200
        login = {"email": person.email, "password": PASSWORD}
        assert (await house.post("/auth/login", login)).status_code == 200
        answer = await house.post("/auth/login/verify", {"email": person.email, "otp": CODE})
        person.token = answer.json()["data"]["token"]
        body = {"amount": "100", "phone": person.phone}
        assert (await person.post("/mpesa/withdraw", body)).status_code == 200


async def test_a_key_in_flight_is_answered_409(house: House) -> None:
    """contract, "Idempotency over REST": nothing is begun twice, and the first answer stands."""
    person, bill = await house.person(balances={"polygon:USDC": "10"}), new_bill()
    rule = {"target": bill, "operation": "b2b", "outcome": "success", "delay_seconds": 2}
    await house.sandbox("mpesa", rule)
    body = {
        "amount": 500,
        "cryptoAmount": 3.75,
        "targetType": "till",
        "targetNumber": bill,
        "chain": "polygon",
        "tokenType": "USDC",
    }
    answers: list[httpx.Response] = []

    async def pay() -> None:
        path = "/mpesa/pay-with-crypto"
        answers.append(await person.post(path, body, Idempotency_Key="in-flight"))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pay)
        with trio.fail_after(WITHIN_S):
            while not await operations(house, target=bill):
                await trio.sleep(0.05)
        await pay()
        refused(answers[0], 409, "REQUEST_IN_PROGRESS")
        assert "Idempotent-Replayed" not in answers[0].headers
    assert answers[1].status_code == 200, answers[1].text
    await pay()
    assert answers[2].json() == answers[1].json()
    assert len(await operations(house, target=bill)) == 1
    await house.check_books()


async def test_the_headers_count_down_and_the_window_is_fixed(house: House) -> None:
    """NXPY-258..260, NXPY-C40: one reset for the whole window, a class of its own for each."""
    person = await house.person()
    answers = [await person.get("/transactions/history") for _ in range(3)]
    assert [answer.headers["X-RateLimit-Remaining"] for answer in answers] == ["59", "58", "57"]
    assert len({answer.headers["X-RateLimit-Reset"] for answer in answers}) == 1
    changing = await person.post("/token/pay", {})
    assert changing.headers["X-RateLimit-Limit"] == "30"
    assert changing.headers["X-RateLimit-Remaining"] == "29"
    forbidden = await person.get("/admin/users")
    assert forbidden.status_code == 403
    assert forbidden.headers["X-RateLimit-Limit"] == "60"
