"""Deposits by partner, agent and chain, and what agents do, as clients see them."""

from typing import Any

import pytest
import trio

from actors.rails import Cause, Paid, Refused
from domain.ledger import wallet
from domain.money import units_of
from tests.protocols.cashier.books import START_US
from tests.protocols.cashier.house import OTHER, PEER, USER, House
from tests.protocols.cashier.payments import TRON

NOW = START_US // 1_000_000
MPESA = {
    "amount": 1000,
    "local_currency": "KES",
    "target_currency": "USD",
    "service": "mpesa",
    "partner_id": "safaricom_mpesa",
}
CASH = {"amount": 100, "local_currency": "USD", "service": "agent", "agent_id": "AGT-001"}
COINS = {"amount": 100, "local_currency": "USDT", "service": "crypto"}


async def settled() -> None:
    """Let payment actors finish what they were told."""
    await trio.testing.wait_all_tasks_blocked()


async def paid(house: House, ref: str, amount: str = "1000") -> str:
    """The provider's word that the money came."""
    payment = await house.payments.store.by_ref(ref)
    assert payment is not None
    outcome = Paid(receipt=f"TF{payment.id}", amount_units=units_of(amount))
    verdict = await house.payments.evidence(payment.id, outcome)
    assert isinstance(verdict, str)
    return verdict


async def test_a_partner_deposit_runs_as_documented(house: House) -> None:
    """FC-15, CASH-152..172, CASH-206..213."""
    user = await house.connect()
    user.frames()
    made = await user.ask("deposit_request", **MPESA)
    ref = made["request_ref"]
    assert made == {
        "request_ref": "DEP-KES-20240127-001",
        "amount_local": 1000,
        "local_currency": "KES",
        "amount_usd": 7.5,
        "exchange_rate": 133.33,
        "status": "pending_stk_push",
        "partner": {"id": "safaricom_mpesa", "name": "Safaricom M-Pesa"},
        "phone_number": "254712***890",
        "instructions": "Please enter your M-Pesa PIN to complete the deposit",
    }
    await settled()
    (push,) = house.rail.pushes
    assert (push["phone"], push["amount_kes"]) == ("254712345890", 1000)
    assert house.balance(USER) == 0
    assert await user.ask("get_deposit_status", request_ref=ref) == {
        "request_ref": ref,
        "status": "pending_stk_push",
        "amount_local": 1000,
        "local_currency": "KES",
        "amount_usd": 7.5,
        "receipt_code": None,
        "completed_at": None,
    }
    assert await paid(house, ref) == "completed"
    (event,) = user.events()
    assert event == {
        "type": "deposit_completed",
        "data": {
            "request_ref": ref,
            "amount": 7.5,
            "currency": "USD",
            "receipt_code": event["data"]["receipt_code"],
            "status": "completed",
            "completed_at": "2024-01-27T13:00:00Z",
        },
        "timestamp": NOW,
    }
    status = await user.ask("get_deposit_status", request_ref=ref)
    assert (status["status"], status["completed_at"]) == ("completed", "2024-01-27T13:00:00Z")
    assert status["receipt_code"] == event["data"]["receipt_code"]
    receipt = await user.ask("get_transaction_by_receipt", receipt_code=status["receipt_code"])
    assert receipt["journal"]["transaction_type"] == "DEPOSIT"
    assert receipt["journal"]["description"] == "M-Pesa deposit from 254712***890"
    assert [(e["type"], e["amount"], e["balance_after"]) for e in receipt["ledgers"]] == [
        ("CREDIT", 7.5, 7.5)
    ]
    assert receipt["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]
    house.assert_balanced()


async def test_a_deposit_into_another_currency_is_converted_from_its_usd_value(
    house: House,
) -> None:
    """CASH-C26."""
    user = await house.connect()
    made = await user.ask("deposit_request", **{**MPESA, "target_currency": "BTC"})
    assert made["amount_usd"] == 7.5
    await paid(house, made["request_ref"])
    assert house.balance(USER, "BTC") == units_of("0.00017584")  # 7.50 / 42650.50
    (item,) = (await user.ask("get_history"))["deposits"]
    assert (item["amount"], item["currency"]) == (0.00017584, "BTC")
    house.assert_balanced()


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"amount": 0}, "amount must be greater than zero"),
        ({"amount": -5}, "amount must be greater than zero"),
        ({"amount": "1000"}, "invalid request data"),
        ({"amount": 1000.001}, "amount has too many decimal places"),
        ({"amount": 1}, "amount too small to cover fees"),
        ({"local_currency": "XXX"}, "currency not supported"),
        ({"local_currency": "kes"}, "currency not supported"),
        ({"local_currency": "USD"}, "currency not supported"),
        ({"target_currency": "KES"}, "currency not supported"),
        ({"partner_id": "nope"}, "partner not found"),
        ({"service": "bank_transfer", "partner_id": None}, "partner not found"),
        ({"service": "bank_transfer"}, "partner not found"),
        ({"service": None, "partner_id": None}, "invalid request data"),
        ({"service": "pigeon"}, "invalid request data"),
        ({"service": "agent"}, "invalid request data"),
        ({"agent_id": "AGT-001"}, "invalid request data"),
        ({"service": "crypto"}, "invalid request data"),
        # Precedence: shape, amount, currency, service, account.
        ({"service": "pigeon", "amount": 0}, "invalid request data"),
        ({"amount": 0, "local_currency": "XXX"}, "amount must be greater than zero"),
        ({"local_currency": "XXX", "partner_id": "nope"}, "currency not supported"),
    ],
)
async def test_a_refused_partner_deposit_makes_no_reference(
    house: House, request_: dict[str, Any], text: str
) -> None:
    """FC-21, CASH-153, CASH-154, CASH-C25."""
    user = await house.connect()
    assert await user.refused("deposit_request", **{**MPESA, **request_}) == text
    assert (await user.ask("get_history"))["deposits"] == []
    assert house.rail.pushes == []


@pytest.mark.parametrize("phone", [None, "+14155550123"])
async def test_without_a_kenyan_phone_there_is_no_push(house: House, phone: str | None) -> None:
    """FC-21, CASH-161."""
    await house.add(4242, email="a@example.com", phone=phone)
    user = await house.connect(4242)
    assert await user.refused("deposit_request", **MPESA) == "phone number not available"


async def test_the_first_active_partner_serves_when_none_is_named(house: House) -> None:
    """CASH-C25."""
    user = await house.connect()
    for request in (
        {k: v for k, v in MPESA.items() if k != "partner_id"},
        {k: v for k, v in MPESA.items() if k != "service"},
    ):
        made = await user.ask("deposit_request", **request)
        assert made["partner"]["id"] == "safaricom_mpesa"


async def test_references_count_a_day_over_all_currencies(house: House) -> None:
    """CASH-C45."""
    user = await house.connect()
    refs = [
        (await user.ask("deposit_request", **request))["request_ref"]
        for request in (MPESA, CASH, COINS)
    ]
    assert refs == ["DEP-KES-20240127-001", "DEP-USD-20240127-002", "DEP-USDT-20240127-003"]
    house.clock.advance(86_400 // 2)
    user = await house.connect()
    made = await user.ask("deposit_request", **MPESA)
    assert made["request_ref"] == "DEP-KES-20240128-001"


async def test_a_repeated_deposit_request_pushes_once(house: House) -> None:
    """X-C29."""
    user = await house.connect()
    first = await user.ask("deposit_request", **MPESA, idempotency_key="d1")
    assert await user.ask("deposit_request", **MPESA, idempotency_key="d1") == first
    await settled()
    assert len(house.rail.pushes) == 1


async def test_a_deposit_is_cancelled_once_and_only_by_its_owner(house: House) -> None:
    """FC-17, CASH-219..225, CASH-C39, CASH-C44; late cash goes to suspense (X-C15)."""
    user, peer = await house.connect(), await house.connect(PEER)
    ref = (await user.ask("deposit_request", **MPESA))["request_ref"]
    await settled()
    for kind in ("cancel_deposit", "get_deposit_status"):
        assert await peer.refused(kind, request_ref=ref) == "unauthorized"
        assert await peer.refused(kind, request_ref="DEP-X") == "deposit request not found"
    assert await user.ask("cancel_deposit", request_ref=ref) == {
        "request_ref": ref,
        "status": "cancelled",
    }
    again = await user.refused("cancel_deposit", request_ref=ref)
    assert again == "cannot cancel deposit with status: cancelled"
    user.frames()
    assert await paid(house, ref) == "suspense"
    assert user.events() == []
    assert house.balance(USER) == 0
    assert (await user.ask("get_deposit_status", request_ref=ref))["status"] == "cancelled"
    assert house.alerts == [("suspense", ref)]
    house.assert_balanced()


async def test_a_completed_deposit_cannot_be_cancelled(house: House) -> None:
    user = await house.connect()
    ref = (await user.ask("deposit_request", **MPESA))["request_ref"]
    await settled()
    await paid(house, ref)
    text = await user.refused("cancel_deposit", request_ref=ref)
    assert text == "cannot cancel deposit with status: completed"


async def test_a_refused_push_fails_the_deposit_with_an_event(house: House) -> None:
    """FC-16.3, CASH-C41."""
    user = await house.connect()
    ref = (await user.ask("deposit_request", **MPESA))["request_ref"]
    await settled()
    user.frames()
    payment = await house.payments.store.by_ref(ref)
    assert payment is not None
    outcome = Refused(cause=Cause.CANCELLED, message="cancelled by user", code="1032")
    await house.payments.evidence(payment.id, outcome)
    (event,) = user.events()
    assert (event["type"], event["data"]["status"]) == ("deposit_failed", "failed")
    assert event["data"]["receipt_code"] is None
    assert (await user.ask("get_history"))["deposits"][0]["status"] == "failed"


async def test_a_crypto_deposit_gives_the_address_of_its_chain(house: House) -> None:
    """FC-20.1, CASH-188..201, CASH-C58."""
    user = await house.connect()
    assert await user.ask("deposit_request", **COINS) == {
        "request_ref": "DEP-USDT-20240127-001",
        "amount": 100,
        "currency": "USDT",
        "chain": "TRC20",
        "wallet_address": TRON,
        "qr_code_url": f"https://api.qrserver.com/v1/create-qr-code/?data={TRON}",
        "status": "awaiting_deposit",
        "instructions": "Send exactly 100.00 USDT to the address above",
        "minimum_confirmations": 1,
    }


@pytest.mark.parametrize("currency", ["USD", "KES", "ETH", "XXX"])
async def test_what_is_on_no_chain_of_ours_is_not_supported(house: House, currency: str) -> None:
    """FC-20.3."""
    user = await house.connect()
    request = {**COINS, "local_currency": currency}
    assert await user.refused("deposit_request", **request) == "currency not supported"


async def test_a_deposit_into_a_locked_account_is_refused(house: House) -> None:
    await house.credit(USER, "1")
    house.books.accounts[wallet(USER, "USD")].is_locked = True
    user = await house.connect()
    for request in (MPESA, CASH):
        assert await user.refused("deposit_request", **request) == "account is locked"


async def test_history_is_paged_and_shows_both_lists(house: House) -> None:
    """CASH-354..374, CASH-C49."""
    user = await house.connect()
    refs = [(await user.ask("deposit_request", **CASH))["request_ref"] for _ in range(3)]
    history = await user.ask("get_history", type="deposits", limit=2, offset=1)
    assert [i["request_ref"] for i in history["deposits"]] == [refs[1], refs[0]]
    assert history["withdrawals"] == []
    assert (await user.ask("get_history", type="withdrawals"))["deposits"] == []
    assert list(await user.ask("get_history")) == ["deposits", "withdrawals"]
    assert (await (await house.connect(OTHER)).ask("get_history"))["deposits"] == []
    assert await user.refused("get_history", type="transfers") == "invalid request data"
