"""M-Pesa pays a bill whose tokens were given back: an operator says who bears it (FN-13)."""

from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest
import trio

from tests.flows.commands import command
from tests.flows.conftest import serving
from tests.protocols.nexuspay.house import House, Person
from tests.protocols.nexuspay.mpesa import balances, operations
from tests.protocols.nexuspay.test_history import history

PAY: Final = "/mpesa/pay-with-crypto"
WITHIN_S: Final = 20.0
DECIDED: Final = (409, {"error": "not under review"})
_bills = count(900_100)


@pytest.fixture
async def house(server: str) -> AsyncIterator[House]:
    async with House.visiting(urlsplit(server).port or 0) as house:
        yield house


async def ask(who: Person, till: str) -> httpx.Response:
    """Order 500 shillings to a till for 3.75 USDC, under the till's number as key."""
    body = {
        "amount": 500,
        "cryptoAmount": 3.75,
        "targetType": "till",
        "targetNumber": till,
        "chain": "polygon",
        "tokenType": "USDC",
    }
    return await who.post(PAY, body, Idempotency_Key=till)


async def pay(house: House, who: Person, outcome: str) -> tuple[httpx.Response, Any]:
    """Pay a till of its own, which is over when this returns; the answer, and what reached
    M-Pesa, which does `outcome`."""
    till, answers = str(next(_bills)), []
    await house.sandbox("mpesa", {"target": till, "operation": "b2b", "outcome": outcome})

    async def send() -> None:
        answers.append(await ask(who, till))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send)
        with trio.fail_after(WITHIN_S):
            while not (found := await operations(house, target=till)):
                await trio.sleep(0.05)
        while not answers and outcome == "no_callback":
            await trio.sleep(0.3)
            await house.advance(11)
    return answers[0], found[0]


async def contested(house: House, who: Person, outcome: str = "insufficient") -> tuple[str, Any]:
    """The reference of such a bill that M-Pesa pays after all, and what M-Pesa knows of it."""
    answer, operation = await pay(house, who, outcome)
    assert answer.status_code == 500, answer.text
    assert answer.json()["error"]["code"] == "PAYMENT_FAILED_ROLLED_BACK"
    assert await balances(who) == {"USDC": "10.00"}
    ref = answer.json()["data"]["transactionId"]
    called = {"conversation": operation["conversation"], "outcome": "success"}
    await house.sandbox("mpesa/callback", called)
    with trio.fail_after(WITHIN_S):
        while not await reviews(house, ref):
            await trio.sleep(0.05)
    [paid] = await operations(house, target=operation["target"])
    return ref, paid


async def admin(house: House) -> dict[str, str]:
    made = await house.sandbox("token", {"user": "admin@example.com"})
    return {"Authorization": f"Bearer {made['token']}"}


async def reviews(house: House, ref: str) -> list[Any]:
    """What `GET /ops/reviews` lists under one reference."""
    answer = await house.http.get("/ops/reviews", headers=await admin(house))
    assert answer.status_code == 200, answer.text
    return [row for row in answer.json()["reviews"] if row["reference"] == ref]


async def rule(house: House, ref: str, decision: str) -> tuple[int, Any]:
    body = {"decision": decision, "note": "the till was asked"}
    answer = await house.http.post(f"/ops/reviews/{ref}", json=body, headers=await admin(house))
    return answer.status_code, answer.json()


async def payer(house: House) -> Person:
    return await house.person(balances={"polygon:USDC": "10"})


async def shown(who: Person) -> dict[str, Any]:
    """Their one transaction in the history."""
    row: dict[str, Any]
    [row] = (await history(who))["transactions"]
    return row


async def test_late_success_waits_for_an_operator_and_moves_no_balance(house: House) -> None:
    """FN-13 step 4: the reconciliation queue; the transaction has failed, as its owner was told."""
    who = await payer(house)
    ref, paid = await contested(house, who)
    [row] = await reviews(house, ref)
    assert row == {
        "reference": ref,
        "kind": "payment",
        "user_id": who.id,
        "amount": 3.75,
        "currency": "USDC",
        "reasons": [
            f"paid out after its money was given back: 500.00 KES, receipt {paid['receipt']}",
            row["reasons"][1],
        ],
        "requested_at": row["requested_at"],
    }
    assert row["reasons"][1].startswith("it had failed: ")
    assert await balances(who) == {"USDC": "10.00"}
    row = await shown(who)
    assert (row["status"], row["portfolio"]["impact"]) == ("failed", "neutral")
    retried = await (await house.admin()).put(
        f"/admin/transactions/{ref}/status", {"status": "pending"}
    )
    assert retried.status_code == 400, "it was paid: trying again would pay it twice"
    await house.check_books()


async def test_approved_the_tokens_are_charged_once(house: House) -> None:
    who = await payer(house)
    ref, paid = await contested(house, who)
    async with house.socket(who.token) as socket:
        status, made = await rule(house, ref, "approve")
        told = await socket.next()
    assert status == 200
    assert made == {
        "reference": ref,
        "kind": "payment",
        "decision": "approve",
        "status": "completed",
        "note": "the till was asked",
        "decided_by": made["decided_by"],
    }
    assert (told["type"], told["data"]["status"]) == ("mpesa_update", "completed")
    assert await balances(who) == {"USDC": "6.25"}
    row = await shown(who)
    assert (row["status"], row["portfolio"]["impact"]) == ("completed", "negative")
    assert paid["receipt"] in str(row)
    again = await ask(who, paid["target"])
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.status_code, again.json()["data"]["transactionId"]) == (200, ref), "as it is now"
    for decision in ("approve", "reject"):
        assert await rule(house, ref, decision) == DECIDED
    assert await balances(who) == {"USDC": "6.25"}
    assert await reviews(house, ref) == []
    await house.check_books()


async def test_rejected_the_platform_bears_it(house: House) -> None:
    who = await payer(house)
    ref, _ = await contested(house, who)
    status, made = await rule(house, ref, "reject")
    assert (status, made["decision"], made["status"]) == (200, "reject", "failed")
    assert await balances(who) == {"USDC": "10.00"}
    assert (await shown(who))["status"] == "failed"
    for decision in ("reject", "approve"):
        assert await rule(house, ref, decision) == DECIDED
    assert await reviews(house, ref) == []
    await house.check_books()


async def test_what_the_balance_does_not_cover_is_not_charged(house: House) -> None:
    """Nothing has changed: it waits on, and once there is enough it is charged."""
    who = await payer(house)
    ref, _ = await contested(house, who)
    spent = {**(await pay(house, who, "success"))[0].json()["data"]}
    assert spent["balance_after"] == 6.25
    assert (await pay(house, who, "success"))[0].json()["data"]["balance_after"] == 2.5
    before = await reviews(house, ref)
    refused = (409, {"error": "its owner's balance does not cover it"})
    assert await rule(house, ref, "approve") == refused
    assert await rule(house, ref, "approve") == refused
    assert await reviews(house, ref) == before
    assert await balances(who) == {"USDC": "2.50"}
    operator = await house.admin()
    more = {"userId": who.object_id, "amount": 2, "chainName": "polygon"}
    assert (await operator.post("/admin/wallets/fund", more)).status_code == 200
    assert (await rule(house, ref, "approve"))[1]["status"] == "completed"
    assert await balances(who) == {"USDC": "0.75"}
    await house.check_books()


async def test_silence_a_late_success_a_restart_and_the_commands(tmp_path: Path) -> None:
    """FN-13 whole: `app.py reviews`, `review` and `verify` beside a server that was restarted."""
    with serving(tmp_path) as (base, _):
        async with House.visiting(urlsplit(base).port or 0) as house:
            charged, borne = await payer(house), await payer(house)
            refs = [
                await contested(house, charged, "no_callback"),
                await contested(house, borne),
            ]
    with serving(tmp_path) as (base, _):
        async with House.visiting(urlsplit(base).port or 0) as house:
            listed = (await command(tmp_path, "reviews")).stdout.splitlines()
            for (ref, paid), line in zip(refs, listed, strict=True):
                assert line.startswith(f"{ref}  payment  ")
                assert f"500.00 KES, receipt {paid['receipt']}" in line
                assert "it had failed: " in line
            assert listed[0].endswith("it had failed: Network timeout")
            for (ref, _), decision, status in zip(
                refs, ("approve", "reject"), ("completed", "failed"), strict=True
            ):
                done = await command(tmp_path, "review", ref, decision)
                assert (done.returncode, done.stdout) == (0, f"{ref}: {status}\n"), done.stderr
            charged.house = borne.house = house
            assert await rule(house, refs[0][0], "approve") == DECIDED
            assert await balances(charged) == {"USDC": "6.25"}
            assert await balances(borne) == {"USDC": "10.00"}
            assert [await reviews(house, ref) for ref, _ in refs] == [[], []]
            verified = await command(tmp_path, "verify")
            assert verified.returncode == 0, verified.stdout
