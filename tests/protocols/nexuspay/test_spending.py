"""Bills paid with tokens while the caller waits (FN-11..FN-14)."""

import re
from pathlib import Path
from typing import Any

import pytest
import trio

from assembly import server
from tests.protocols.nexuspay.house import House, Person, new_bill, refused
from tests.protocols.nexuspay.mpesa import balances, operations
from tests.protocols.nexuspay.test_history import history

BILL: dict[str, Any] = {
    "amount": 500,
    "cryptoAmount": 3.75,
    "targetType": "paybill",
    "accountNumber": "12345",
    "chain": "polygon",
    "tokenType": "USDC",
    "description": "Electricity bill payment",
}
PATH = "/mpesa/pay-with-crypto"
HASH = re.compile("0x[0-9a-f]{64}")


async def payer(house: House, **funds: str) -> Person:
    return await house.person(balances=funds or {"polygon:USDC": "10"})


def new_order() -> tuple[dict[str, Any], str]:
    """A payment to a paybill of its own, and that paybill's number."""
    bill = new_bill()
    return {**BILL, "targetNumber": bill}, bill


async def bills(house: House, outcome: str, target: str) -> None:
    """What becomes of payments to a target."""
    rule = {"target": target, "operation": "b2b", "outcome": outcome}
    await house.sandbox("mpesa", rule)


async def test_a_paybill_is_paid_with_tokens(house: House) -> None:
    """FN-11, NXPY-421..438."""
    person = await payer(house)
    order, bill = new_order()
    async with house.socket(person.token) as socket:
        answer = await person.post(PATH, order)
        update = await socket.next()
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Crypto payment completed successfully"
    data = answer.json()["data"]
    assert update["type"] == "mpesa_update"
    told = (update["data"]["transactionId"], update["data"]["status"])
    assert told == (data["transactionId"], "completed")
    assert data.pop("processingTimeMs") >= 0
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", data.pop("completedAt"))
    tx_hash = data.pop("cryptoTransactionHash")
    assert HASH.fullmatch(tx_hash)
    assert data.pop("explorerUrl") == f"https://polygonscan.com/tx/{tx_hash}"
    assert data.pop("mpesaTransactionId")
    assert data.pop("sequence") > 0
    assert data == {
        "transactionId": data["transactionId"],
        "fiatAmount": 500,
        "cryptoAmount": 3.75,
        "tokenType": "USDC",
        "chain": "polygon",
        "targetType": "paybill",
        "targetNumber": bill,
        "accountNumber": "12345",
        "status": "completed",
        "conversionRate": 133.33,
        "description": "Electricity bill payment",
        "note": f"Successfully paid 500 KES to paybill {bill} using 3.75 USDC",
        "balance_after": 6.25,
    }
    assert await balances(person) == {"USDC": "6.25"}
    [shown] = (await history(person))["transactions"]
    assert (shown["type"], shown["portfolio"]["impact"]) == ("crypto_to_paybill", "negative")
    [paid] = await operations(house, target=bill)
    assert (paid["operation"], paid["amount"]) == ("b2b", 500)
    await house.check_books()


async def test_a_till_is_paid_as_in_the_document(house: House) -> None:
    """The document's own request; NXPY-C48: a till has no account."""
    person = await payer(house, **{"ethereum:ETH": "0.05"})
    body = {
        "amount": 1200,
        "cryptoAmount": 0.0027,
        "targetType": "till",
        "targetNumber": "508508",
        "accountNumber": "ignored",
        "chain": "ethereum",
        "tokenType": "ETH",
    }
    answer = await person.post(PATH, body)
    assert answer.status_code == 200, answer.text
    data = answer.json()["data"]
    assert (data["accountNumber"], data["description"]) == (None, None)
    assert data["note"] == "Successfully paid 1200 KES to till 508508 using 0.0027 ETH"
    assert (await history(person, type="crypto_to_till"))["summary"]["total"] == 1
    await house.check_books()


async def test_too_little_is_answered_with_the_documented_body(house: House) -> None:
    """FN-12: exactly the document's INSUFFICIENT_BALANCE."""
    person = await payer(house, **{"polygon:USDC": "2.1"})
    order, _ = new_order()
    answer = await person.post(PATH, order)
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "message": "Insufficient crypto balance",
        "data": {
            "requestedAmount": 3.75,
            "availableAmount": 2.1,
            "tokenType": "USDC",
            "chain": "polygon",
        },
        "error": {
            "code": "INSUFFICIENT_BALANCE",
            "message": "Insufficient USDC balance. Available: 2.1, Required: 3.75",
        },
    }


async def test_what_may_not_be_leaves_no_trace(house: House) -> None:
    """FN-12, NXPY-C43..C45; contract: refused requests leave no history entry."""
    person = await payer(house)
    order, bill = new_order()
    for change, code in (
        ({"cryptoAmount": 3.85}, "CONVERSION_RATE_EXCEEDED"),
        ({"cryptoAmount": 3.65}, "CONVERSION_RATE_EXCEEDED"),
        ({"cryptoAmount": 385, "amount": 50}, "CONVERSION_RATE_EXCEEDED"),
        ({"accountNumber": None}, "VALIDATION_ERROR"),
        ({"targetType": "bank"}, "VALIDATION_ERROR"),
        ({"targetNumber": "12"}, "VALIDATION_ERROR"),
        ({"tokenType": "DAI"}, "UNSUPPORTED_TOKEN"),
        ({"chain": "doge"}, "UNSUPPORTED_CHAIN"),
        ({"description": "x" * 101}, "VALIDATION_ERROR"),
        ({"amount": 0}, "VALIDATION_ERROR"),
        ({"amount": 500.5}, "VALIDATION_ERROR"),
        ({"cryptoAmount": "-1"}, "VALIDATION_ERROR"),
    ):
        refused(await person.post(PATH, {**order, **change}), 400, code)
    refused(await house.post(PATH, order), 401, "UNAUTHORIZED")
    assert (await history(person))["summary"]["total"] == 0
    assert await operations(house, target=bill) == []
    accepted = {**order, "cryptoAmount": 3.82, "description": "x" * 100}
    assert (await person.post(PATH, accepted)).status_code == 200


async def test_a_refused_payment_gives_the_tokens_back_at_once(house: House) -> None:
    """FN-13 with a definite failure: exactly the document's body."""
    person = await payer(house)
    order, bill = new_order()
    await bills(house, "insufficient", bill)
    answer = await person.post(PATH, order, Idempotency_Key="bill-1")
    body = answer.json()
    assert answer.status_code == 500
    assert set(body) == {"success", "message", "data", "error"}
    assert body["message"] == "Payment failed - crypto returned to your wallet"
    assert set(body["data"]) == {"transactionId", "rollbackTxHash", "explorerUrl"}
    assert HASH.fullmatch(body["data"]["rollbackTxHash"])
    url = f"https://polygonscan.com/tx/{body['data']['rollbackTxHash']}"
    assert body["data"]["explorerUrl"] == url
    assert body["error"]["code"] == "PAYMENT_FAILED_ROLLED_BACK"
    assert re.fullmatch(
        r"M-Pesa payment failed: [^.]+\. Your crypto has been returned to your wallet\.",
        body["error"]["message"],
    )
    assert await balances(person) == {"USDC": "10.00"}
    [shown] = (await history(person))["transactions"]
    assert (shown["status"], shown["portfolio"]["impact"]) == ("failed", "neutral")
    again = await person.post(PATH, order, Idempotency_Key="bill-1")
    assert (again.status_code, again.json()) == (500, body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await operations(house, target=bill)) == 1
    await house.check_books()


async def test_silence_undoes_the_payment_and_late_success_is_reconciled(house: House) -> None:
    """FN-13: "Network timeout" within 30 s; NXPY-C46: the success after it moves no balance."""
    person = await payer(house)
    order, bill = new_order()
    await bills(house, "no_callback", bill)
    answers: list[Any] = []

    async def pay() -> None:
        answers.append(await person.post(PATH, order))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pay)
        with trio.fail_after(10):
            while not (found := await operations(house, target=bill)):
                await trio.sleep(0.05)
        await trio.sleep(0.5)
        await house.advance(21)
        await trio.sleep(0.5)
        await house.advance(10)
    [answer] = answers
    assert answer.status_code == 500
    assert answer.json()["error"]["message"] == (
        "M-Pesa payment failed: Network timeout. Your crypto has been returned to your wallet."
    )
    assert await balances(person) == {"USDC": "10.00"}
    callback = {"conversation": found[0]["conversation"], "outcome": "success"}
    await house.sandbox("mpesa/callback", callback)
    await trio.sleep(0.5)
    assert await balances(person) == {"USDC": "10.00"}
    [shown] = (await history(person))["transactions"]
    assert shown["status"] == "failed"
    await house.check_books()


async def test_a_lost_callback_is_asked_about_before_it_is_undone(house: House) -> None:
    """NXPY-C46: the provider, asked once, says that it was paid."""
    person = await payer(house)
    order, bill = new_order()
    await bills(house, "lost_callback", bill)
    answers: list[Any] = []

    async def pay() -> None:
        answers.append(await person.post(PATH, order))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(pay)
        with trio.fail_after(10):
            while not any(each["receipt"] for each in await operations(house, target=bill)):
                await trio.sleep(0.05)
        await house.advance(21)
    [answer] = answers
    assert answer.status_code == 200, answer.text
    assert await balances(person) == {"USDC": "6.25"}
    await house.check_books()


async def test_an_escrow_cut_off_by_a_restart_is_resolved(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """FN-13 step 5: never left funded."""
    monkeypatch.setattr(server, "DRAIN_WITHIN_S", 0.2)  # the payment waits far longer
    async with House.serving(dsn, tmp_path) as house:
        person = await payer(house)
        order, bill = new_order()
        await bills(house, "no_callback", bill)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(person.post, PATH, order)
            with trio.fail_after(10):
                while not await operations(house, target=bill):
                    await trio.sleep(0.05)
            nursery.cancel_scope.cancel()
    async with House.serving(dsn, tmp_path) as house:
        person.house = house
        await house.advance(40)
        with trio.fail_after(15):
            while (await history(person))["transactions"][0]["status"] != "failed":
                await trio.sleep(0.4)
        assert await balances(person) == {"USDC": "10.00"}
        await house.check_books()


async def test_a_rate_is_kept_for_two_minutes(house: House) -> None:
    """FN-14, NXPY-464."""
    person = await payer(house)
    order, _ = new_order()
    assert (await person.post(PATH, order)).status_code == 200
    await house.sandbox("rates", {"pair": "USD/KES", "rate": "140"})
    data = (await person.post(PATH, order)).json()["data"]
    assert data["conversionRate"] == 133.33, "cached"
    await house.advance(121)
    refused(await person.post(PATH, order), 400, "CONVERSION_RATE_EXCEEDED")
    body = {**order, "amount": 140, "cryptoAmount": 1}
    assert (await person.post(PATH, body)).json()["data"]["conversionRate"] == 140
    await house.sandbox("rates", {"pair": "USD/KES", "rate": "133.33"})
    await house.advance(121)
