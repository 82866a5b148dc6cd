"""Withdrawals by partner, agent and chain, and their tokens, as clients see them."""

import json
from typing import Any

import pytest
import trio

from actors.rails import Cause, Paid, Refused
from domain.ledger import wallet
from domain.money import units_of
from tests.protocols.cashier.books import START_US
from tests.protocols.cashier.house import AGENT, PEER, USER, Client, House
from tests.protocols.cashier.payments import TRON

NOW = START_US // 1_000_000
MPESA = {
    "amount": 5.00,
    "local_currency": "KES",
    "service": "mpesa",
    "destination": "254712345678",
    "consent": True,
}
CASH = {
    "amount": 50.00,
    "local_currency": "USD",
    "agent_id": "AGT-001",
    "destination": "agent_cash",
    "consent": True,
}
COINS = {
    "amount": 100.00,
    "local_currency": "USDT",
    "service": "crypto",
    "destination": TRON,
    "consent": True,
}


async def settled() -> None:
    """Let payment actors finish what they were told."""
    await trio.testing.wait_all_tasks_blocked()


async def balance(house: House, client: Client, asset: str = "USD") -> tuple[float, ...]:
    number = house.books.accounts[wallet(USER, asset)].number
    shown = await client.ask("get_account_balance", account_number=number)
    return shown["balance"], shown["available_balance"], shown["pending_debit"]


async def evidence(house: House, ref: str, outcome: Any) -> str:
    payment = await house.payments.store.by_ref(ref)
    assert payment is not None
    verdict = await house.payments.evidence(payment.id, outcome)
    assert isinstance(verdict, str)
    return verdict


async def test_a_partner_withdrawal_runs_as_documented(house: House) -> None:
    """FC-07, CASH-226..260, CASH-513..521, CASH-C19, CASH-C20, CASH-C22."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user = await house.connect()
    made = await user.ask("withdraw_request", **MPESA, verification_token=token)
    ref, receipt = made["request_ref"], made["receipt_code"]
    assert made == {
        "request_ref": "WTH-KES-20240127-001",
        "receipt_code": receipt,
        "amount_usd": 5,
        "amount_local": 666.65,
        "local_currency": "KES",
        "exchange_rate": 133.33,
        "fee": 0.5,
        "destination": "254712***678",
        "partner": {"id": "safaricom_mpesa", "name": "Safaricom M-Pesa"},
        "status": "processing",
        "estimated_completion": "2024-01-27T13:05:00Z",
        "balance_after": 100,
        "sequence": 1,
    }
    await settled()
    (payout,) = house.rail.payouts
    assert (payout["phone"], payout["amount_kes"]) == ("254712345678", 666)
    assert await balance(house, user) == (100, 94.5, 5.5)
    assert (await user.ask("get_transaction_by_receipt", receipt_code=receipt))["ledgers"] == []
    user.frames()
    assert await evidence(house, ref, Paid(receipt="TGX1")) == "completed"
    assert user.events() == [
        {
            "type": "withdraw_completed",
            "data": {
                "request_ref": ref,
                "amount": 5,
                "currency": "USD",
                "receipt_code": receipt,
                "status": "completed",
                "completed_at": "2024-01-27T13:00:00Z",
            },
            "timestamp": NOW,
        }
    ]
    assert await balance(house, user) == (94.5, 94.5, 0)
    (item,) = (await user.ask("get_history", type="withdrawals"))["withdrawals"]
    assert item == {
        "request_ref": ref,
        "amount": 5,
        "currency": "USD",
        "status": "completed",
        "created_at": "2024-01-27T13:00:00Z",
    }
    shown = await user.ask("get_transaction_by_receipt", receipt_code=receipt)
    assert [(e["type"], e["amount"]) for e in shown["ledgers"]] == [("DEBIT", 5), ("DEBIT", 0.5)]
    assert shown["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]
    house.assert_balanced()


async def test_a_failed_payout_gives_everything_back(house: House) -> None:
    """FC-12, CASH-C42."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user = await house.connect()
    made = await user.ask("withdraw_request", **MPESA, verification_token=token)
    await settled()
    user.frames()
    refused = Refused(cause=Cause.INSUFFICIENT_FUNDS, message="insufficient", code="1")
    assert await evidence(house, made["request_ref"], refused) == "failed"
    (event,) = user.events()
    assert (event["type"], event["data"]["status"]) == ("withdraw_failed", "failed")
    assert event["data"]["completed_at"] is None
    assert event["data"]["receipt_code"] == made["receipt_code"]
    assert await balance(house, user) == (100, 100, 0)
    assert (await user.ask("get_history"))["withdrawals"][0]["status"] == "failed"


async def test_an_agent_withdrawal_runs_as_decided(house: House) -> None:
    """FC-13, CASH-261..278, CASH-C38."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user, agent = await house.connect(), await house.connect(AGENT)
    made = await user.ask("withdraw_request", **CASH, verification_token=token)
    ref = made["request_ref"]
    assert made == {
        "request_ref": "WTH-USD-20240127-001",
        "receipt_code": made["receipt_code"],
        "amount": 50,
        "currency": "USD",
        "fee": 1,
        "agent": {"id": "AGT-001", "name": "Agent John Doe", "phone": "***1234"},
        "status": "pending_agent",
        "instructions": f"Visit Agent John Doe with reference {ref} to collect your cash",
        "balance_after": 100,
        "sequence": 1,
    }
    assert await balance(house, user) == (100, 49, 51)
    user.frames()
    done = await agent.ask("fulfill_withdrawal", request_ref=ref)
    assert done == {
        "request_ref": ref,
        "receipt_code": made["receipt_code"],
        "amount": 50,
        "currency": "USD",
        "agent_commission": 1,
        "status": "completed",
        "balance_after": 51,
        "sequence": 2,
    }
    (event,) = user.events()
    assert (event["type"], event["data"]["amount"]) == ("withdraw_completed", 50)
    assert await balance(house, user) == (49, 49, 0)
    text = await agent.refused("fulfill_withdrawal", request_ref=ref)
    assert text == "withdrawal request is not pending"
    house.assert_balanced()


async def test_who_may_not_fulfil_a_withdrawal_is_told_why(house: House) -> None:
    """contract.md, "Cashier"."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user, agent = await house.connect(), await house.connect(AGENT)
    ref = (await user.ask("withdraw_request", **MPESA, verification_token=token))["request_ref"]
    for client, asked, text in (
        (user, ref, "only agents can fulfill withdrawals"),
        (agent, "WTH-X", "withdrawal request not found"),
        (agent, ref, "unauthorized"),
    ):
        assert await client.refused("fulfill_withdrawal", request_ref=asked) == text


async def test_an_agent_withdrawal_nobody_collects_expires(house: House) -> None:
    """FC-13.7."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user = await house.connect()
    await user.ask("withdraw_request", **CASH, verification_token=token)
    await settled()
    house.clock.advance(86_400)
    await settled()
    events = [e for e in user.events() if e["type"] == "withdraw_failed"]
    assert [e["data"]["status"] for e in events] == ["expired"]
    user = await house.connect()
    assert await balance(house, user) == (100, 100, 0)


async def test_a_crypto_withdrawal_takes_its_fees_out_of_the_amount(house: House) -> None:
    """FC-14, CASH-279..299, CASH-C22."""
    await house.credit(USER, "250", "USDT")
    token = await house.token(USER)
    user = await house.connect()
    made = await user.ask("withdraw_request", **COINS, verification_token=token)
    assert made == {
        "request_ref": "WTH-USDT-20240127-001",
        "receipt_code": made["receipt_code"],
        "amount": 100,
        "currency": "USDT",
        "chain": "TRC20",
        "destination_address": TRON,
        "network_fee": 1.5,
        "platform_fee": 0.5,
        "total_fee": 2,
        "amount_to_receive": 98,
        "status": "processing",
        "tx_hash": None,
        "estimated_completion": "2024-01-27T13:10:00Z",
        "balance_after": 250,
        "sequence": 1,
    }
    assert await balance(house, user, "USDT") == (250, 150, 100)
    quoted = await user.ask(
        "calculate_fee",
        transaction_type="withdrawal",
        amount=100.00,
        source_currency="USDT",
        to_address=TRON,
    )
    for member in ("network_fee", "platform_fee", "total_fee"):
        assert quoted[member] == made[member]
    assert quoted["amount_after_fee"] == made["amount_to_receive"]


@pytest.mark.parametrize(
    ("base", "request_", "text"),
    [
        (MPESA, {"amount": 0}, "amount must be greater than zero"),
        (MPESA, {"amount": -1}, "amount must be greater than zero"),
        (MPESA, {"amount": "5"}, "invalid request data"),
        (MPESA, {"amount": 5.001}, "amount has too many decimal places"),
        (MPESA, {"consent": False}, "consent is required"),
        (MPESA, {"consent": None}, "consent is required"),
        (MPESA, {"consent": "true"}, "consent is required"),
        (MPESA, {"consent": 1}, "consent is required"),
        (MPESA, {"verification_token": ""}, "verification token is required"),
        (MPESA, {"verification_token": None}, "verification token is required"),
        (MPESA, {"local_currency": "XXX"}, "currency not supported"),
        (MPESA, {"local_currency": "USD"}, "currency not supported"),
        (MPESA, {"local_currency": "ZAR"}, "currency not supported"),
        (MPESA, {"destination": "12"}, "invalid destination"),
        (MPESA, {"destination": None}, "invalid destination"),
        (MPESA, {"destination": "254812345678"}, "invalid destination"),
        (MPESA, {"destination": "2547123456789"}, "invalid destination"),
        (MPESA, {"service": "bank_transfer"}, "partner not found"),
        (MPESA, {"partner_id": "nope"}, "partner not found"),
        (MPESA, {"service": None}, "invalid request data"),
        (MPESA, {"service": "pigeon"}, "invalid request data"),
        (MPESA, {"agent_id": "AGT-001"}, "invalid request data"),
        (MPESA, {"verification_token": "deadbeef"}, "invalid or expired verification token"),
        (MPESA, {"amount": 99.60}, "insufficient balance"),
        (CASH, {"agent_id": "AGT-999"}, "agent not found"),
        (CASH, {"local_currency": "KES"}, "currency not supported"),
        (CASH, {"local_currency": "TRX"}, "account not found"),
        (CASH, {"service": "crypto"}, "invalid request data"),
        (COINS, {}, "account not found"),
        (COINS, {"destination": "TYz"}, "invalid destination"),
        (COINS, {"local_currency": "USD"}, "currency not supported"),
        (COINS, {"amount": 2}, "amount too small to cover fees"),
        # Precedence (CASH-C28): each breaks its own and later rules.
        (MPESA, {"amount": 0, "consent": False}, "amount must be greater than zero"),
        (MPESA, {"consent": False, "verification_token": ""}, "consent is required"),
        (
            MPESA,
            {"verification_token": "", "local_currency": "XXX"},
            "verification token is required",
        ),
        (MPESA, {"local_currency": "XXX", "destination": "12"}, "currency not supported"),
        (MPESA, {"destination": "12", "verification_token": "x"}, "invalid destination"),
        (
            MPESA,
            {"verification_token": "x", "amount": 1000},
            "invalid or expired verification token",
        ),
    ],
)
async def test_a_refused_withdrawal_says_why_and_changes_nothing(
    house: House, base: dict[str, Any], request_: dict[str, Any], text: str
) -> None:
    """FC-10.1, FC-10.2, FC-11, CASH-233..238, CASH-246."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user = await house.connect()
    request = {**base, "verification_token": token, **request_}
    assert await user.refused("withdraw_request", **request) == text
    assert await balance(house, user) == (100, 100, 0)
    assert (await user.ask("get_history"))["withdrawals"] == []
    # CASH-C12: whatever it was refused for, the token is as good as before.
    assert await user.ask("withdraw_request", **MPESA, verification_token=token)


@pytest.mark.parametrize(
    "phone", ["+254712345678", "0712345678", "254712345678", "254112345678", "0112345678"]
)
async def test_a_phone_is_taken_in_the_forms_people_write(house: House, phone: str) -> None:
    """CASH-C29."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user = await house.connect()
    request = {**MPESA, "destination": phone, "verification_token": token}
    assert await user.ask("withdraw_request", **request)
    await settled()
    assert house.rail.payouts[0]["phone"].startswith("254")


@pytest.mark.parametrize(("after", "good"), [(299, True), (301, False)])
async def test_a_token_lives_for_300_seconds(house: House, after: int, good: bool) -> None:
    """FC-10.3, CASH-553."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    house.clock.advance(after)
    user = await house.connect()
    reply = await user.send(
        json.dumps({"type": "withdraw_request", "data": {**MPESA, "verification_token": token}})
    )
    expected = "withdrawal initiated" if good else "invalid or expired verification token"
    assert reply["data"]["message"] == expected


async def test_a_token_works_once_and_two_sockets_share_it(house: House) -> None:
    """FC-10.4, FC-10.6, FC-10.7, CASH-587."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    clients = [await house.connect() for _ in range(2)]
    frame = json.dumps({"type": "withdraw_request", "data": {**MPESA, "verification_token": token}})
    texts: list[str] = []

    async def send(client: Client) -> None:
        texts.append((await client.send(frame))["data"]["message"])

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(send, client)
    assert sorted(texts) == ["invalid or expired verification token", "withdrawal initiated"]
    assert await balance(house, clients[0]) == (100, 94.5, 5.5)
    text = await clients[0].refused("withdraw_request", **MPESA, verification_token=token)
    assert text == "invalid or expired verification token"


@pytest.mark.parametrize(("owner", "purpose"), [(PEER, "withdrawal"), (USER, "transfer")])
async def test_a_token_of_another_person_or_purpose_is_none(
    house: House, owner: int, purpose: str
) -> None:
    """FC-10.5."""
    await house.credit(USER, "100")
    token = await house.token(owner, purpose)
    user = await house.connect()
    text = await user.refused("withdraw_request", **MPESA, verification_token=token)
    assert text == "invalid or expired verification token"


async def test_a_repeated_withdrawal_pays_out_once(house: House) -> None:
    """X-C29: the repeat answers alike although its token is spent."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user = await house.connect()
    request = {**MPESA, "verification_token": token, "idempotency_key": "w1"}
    first = await user.ask("withdraw_request", **request)
    assert await user.ask("withdraw_request", **request) == first
    await settled()
    assert len(house.rail.payouts) == 1
    assert await balance(house, user) == (100, 94.5, 5.5)


async def test_a_withdrawal_from_a_locked_account_is_refused(house: House) -> None:
    await house.credit(USER, "100")
    token = await house.token(USER)
    house.books.accounts[wallet(USER, "USD")].is_locked = True
    user = await house.connect()
    text = await user.refused("withdraw_request", **MPESA, verification_token=token)
    assert text == "account is locked"


async def test_the_fee_counts_when_the_balance_is_compared(house: House) -> None:
    """CASH-235: 100.00 covers 99.00 and its fee of 0.99, not 99.10."""
    await house.credit(USER, "100")
    token = await house.token(USER)
    user = await house.connect()
    request = {**MPESA, "verification_token": token}
    text = await user.refused("withdraw_request", **{**request, "amount": 99.10})
    assert text == "insufficient balance"
    assert await user.ask("withdraw_request", **{**request, "amount": 99})
    assert house.balance(USER) == units_of("100")
