"""Tokens that leave over a chain, and those that come in (NXPY-C16, XS-07)."""

from typing import Any

import trio

from tests.protocols.nexuspay.house import House, Person, refused
from tests.protocols.nexuspay.mpesa import balances
from tests.protocols.nexuspay.test_history import history
from tests.protocols.nexuspay.test_tokens import sending

OUTSIDE = "0x" + "ab" * 20
CONFIRMED_WITHIN_S = 40.0  # the sandbox's chains make a block every second of real time


async def events_of(person: Person, chain: str) -> list[dict[str, Any]]:
    query = {"address": person.address, "chain": chain}
    answer = await person.get("/token/tokenTransferEvents", **query)
    found: list[dict[str, Any]] = answer.json()["data"]["events"]
    return found


async def test_tokens_leave_for_an_outside_address_over_their_chain(house: House) -> None:
    """Set aside at once, told and debited when the transaction has its confirmations."""
    ann = await house.person(balances={"arbitrum:USDC": "50"})
    async with house.socket(ann.token) as socket:
        body = sending(ann, OUTSIDE)
        answer = await ann.post("/token/sendToken", body, Idempotency_Key="out-1")
        assert answer.json()["message"] == "Token sent successfully!", answer.text
        data = answer.json()["data"]
        assert (data["amount"], data["recipient"]) == ("10.5 USDC", OUTSIDE)
        again = await ann.post("/token/sendToken", body, Idempotency_Key="out-1")
        assert again.json() == answer.json()
        too_much = sending(ann, OUTSIDE, "39.6")
        refused(await ann.post("/token/sendToken", too_much), 400, "INSUFFICIENT_BALANCE")
        with trio.fail_after(CONFIRMED_WITHIN_S):
            while (update := await socket.next())["data"]["status"] == "pending":
                pass
        assert update["type"] == "transaction_update"
        assert (update["data"]["transactionId"], update["data"]["status"]) == (
            data["transactionId"],
            "confirmed",
        )
    assert await balances(ann) == {"USDC": "39.50"}
    [event] = await events_of(ann, "arbitrum")
    assert (event["from"], event["to"], event["amount"]) == (ann.address, OUTSIDE, "10.5")
    assert (event["status"], event["token"]) == ("confirmed", "USDC")
    assert event["blockNumber"] > 0
    [shown] = (await history(ann, type="token_transfer"))["transactions"]
    assert shown["blockchain"]["txHash"] == event["txHash"]
    await house.check_books()


async def test_what_an_outsider_pays_to_a_wallet_address_is_credited(house: House) -> None:
    """A transfer event, a row of the history and an update, once it is confirmed."""
    ann = await house.person()
    async with house.socket(ann.token) as socket:
        deposit = {"address": ann.address, "token": "USDT", "amount": "12.5"}
        tx_hash = (await house.sandbox("chains/polygon/deposit", deposit))["tx_hash"]
        with trio.fail_after(CONFIRMED_WITHIN_S):
            assert (await socket.next())["data"]["status"] == "confirmed"
    [event] = await events_of(ann, "polygon")
    assert (event["txHash"], event["to"], event["amount"]) == (tx_hash, ann.address, "12.5")
    assert (event["token"], event["status"]) == ("USDT", "confirmed")
    assert await balances(ann) == {"USDT": "12.50"}
    await house.check_books()


async def test_nothing_is_sent_to_the_platforms_own_wallet(house: House) -> None:
    ann, admin = await house.person(balances={"arbitrum:USDC": "5"}), await house.admin()
    wallets = (await admin.get("/admin/platform-wallets")).json()["data"]
    body = sending(ann, wallets["mainWallet"]["address"], "1")
    refused(await ann.post("/token/sendToken", body), 400, "VALIDATION_ERROR")
    assert await balances(ann) == {"USDC": "5.00"}
