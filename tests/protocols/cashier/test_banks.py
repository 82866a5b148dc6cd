"""Deposits and withdrawals by bank transfer, once a partner is configured (CASH-C60)."""

import dataclasses
from typing import Any

import pytest

from actors.reviews import Decision, NotRuled, Ruled, Ruling
from domain.fees import PARTNER_DEPOSIT, PARTNER_WITHDRAWAL
from domain.money import units_of
from domain.partners import Partner, Partners
from tests.protocols.cashier.house import MPESA, USER, Client, House
from tests.protocols.cashier.test_deposits import settled

BANK = Partner(
    id="equity_bank",
    name="Equity Bank",
    service="bank_transfer",
    currency="KES",
    is_active=True,
    deposit=PARTNER_DEPOSIT,
    withdrawal=PARTNER_WITHDRAWAL,
)
ORDER = {"amount": 1000.50, "local_currency": "KES", "service": "bank_transfer"}


async def at_the_bank(house: House) -> Client:
    house.cashier = dataclasses.replace(house.cashier, partners=Partners([MPESA, BANK]))
    user = await house.connect()
    user.frames()
    return user


async def rule(house: House, ref: str, decision: Decision) -> object:
    await settled()
    return await house.payments.rule(ref, Ruling(decision=decision, operator_id=1, how="test"))


async def test_without_a_partner_there_is_no_bank(house: House) -> None:
    user = await house.connect()
    assert await user.refused("deposit_request", **ORDER) == "partner not found"


async def test_a_bank_deposit_waits_for_a_person_and_is_credited_with_its_cents(
    house: House,
) -> None:
    user = await at_the_bank(house)
    made = await user.ask("deposit_request", **ORDER)
    ref = made["request_ref"]
    assert made == {
        "request_ref": "DEP-KES-20240127-001",
        "amount_local": 1000.5,
        "local_currency": "KES",
        "amount_usd": 7.5,
        "exchange_rate": 133.33,
        "status": "pending_bank_transfer",
        "partner": {"id": "equity_bank", "name": "Equity Bank"},
        "phone_number": None,
        "instructions": f"Transfer 1000.50 KES to Equity Bank with reference {ref}",
    }
    await settled()
    assert not house.rail.pushes
    shown = await user.ask("get_deposit_status", request_ref=ref)
    assert shown["status"] == "pending_bank_transfer"
    assert await rule(house, ref, Decision.APPROVE) == Ruled("completed")
    (event,) = user.events()
    assert (event["type"], event["data"]["amount"]) == ("deposit_completed", 7.5)
    assert house.balance(USER) == units_of("7.50")
    receipt = await user.ask(
        "get_transaction_by_receipt", receipt_code=event["data"]["receipt_code"]
    )
    assert receipt["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]
    assert (await user.ask("get_history", type="all"))["deposits"][0]["status"] == "completed"
    house.assert_balanced()


async def test_a_bank_deposit_is_rejected_cancelled_or_expires(house: House) -> None:
    user = await at_the_bank(house)
    refs = [(await user.ask("deposit_request", **ORDER))["request_ref"] for _ in range(3)]
    assert await rule(house, refs[0], Decision.REJECT) == Ruled("failed")
    await user.ask("cancel_deposit", request_ref=refs[1])
    assert [event["data"]["status"] for event in user.events()] == ["failed"]
    house.clock.advance(7 * 86_400)
    await settled()
    user = await house.connect()
    shown = [await user.ask("get_deposit_status", request_ref=ref) for ref in refs]
    assert [one["status"] for one in shown] == ["failed", "cancelled", "expired"]


TO_THE_BANK = {
    "amount": 5.05,
    "local_currency": "KES",
    "service": "bank_transfer",
    "destination": "0123 4567 890",
    "consent": True,
}


async def withdraw(house: House, user: Client, **changes: object) -> dict[str, Any]:
    token = await house.token(USER)
    return await user.ask("withdraw_request", **TO_THE_BANK | changes, verification_token=token)


async def test_a_bank_withdrawal_is_held_until_a_person_has_transferred_it(house: House) -> None:
    """CASH-242, CASH-C60: nobody calls back from a bank."""
    user = await at_the_bank(house)
    await house.credit(USER, "100")
    user.frames()
    made = await withdraw(house, user)
    ref = made["request_ref"]
    assert ref == "WTH-KES-20240127-001"
    shown = {name: made[name] for name in ("amount_usd", "amount_local", "fee", "destination")}
    assert shown == {
        "amount_usd": 5.05,
        "amount_local": 673.31,
        "fee": 0.5,
        "destination": "012345***890",
    }
    assert (made["status"], made["partner"]["id"]) == ("processing", "equity_bank")
    await settled()
    assert not house.rail.payouts
    house.clock.advance(30 * 86_400)
    await settled()
    assert await rule(house, ref, Decision.APPROVE) == Ruled("completed")
    assert await rule(house, ref, Decision.REJECT) is NotRuled.DECIDED
    assert house.balance(USER) == units_of("94.45")
    user = await house.connect()
    receipt = await user.ask("get_transaction_by_receipt", receipt_code=made["receipt_code"])
    assert [line["amount"] for line in receipt["ledgers"]] == [5.05, 0.5]
    assert receipt["journal"]["description"] == "Bank withdrawal to 012345***890"
    house.assert_balanced()


async def test_a_bank_withdrawal_that_was_not_transferred_gives_everything_back(
    house: House,
) -> None:
    user = await at_the_bank(house)
    await house.credit(USER, "100")
    user.frames()
    made = await withdraw(house, user)
    assert await rule(house, made["request_ref"], Decision.REJECT) == Ruled("failed")
    (event,) = user.events()
    assert (event["type"], event["data"]["status"]) == ("withdraw_failed", "failed")
    assert house.balance(USER) == units_of("100")
    assert (await user.ask("get_history", type="withdrawals"))["withdrawals"][0]["status"] == (
        "failed"
    )
    house.assert_balanced()


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"destination": "12"}, "invalid destination"),
        ({"destination": "no such account!"}, "invalid destination"),
        ({"local_currency": "USD"}, "currency not supported"),
        ({"amount": 99.9}, "insufficient balance"),
        ({"amount": 3000}, "insufficient balance"),
    ],
)
async def test_a_bank_withdrawal_is_refused_like_any_other(
    house: House, changes: dict[str, Any], text: str
) -> None:
    user = await at_the_bank(house)
    await house.credit(USER, "100")
    token = await house.token(USER)
    order = TO_THE_BANK | changes
    assert await user.refused("withdraw_request", **order, verification_token=token) == text
    assert house.balance(USER) == units_of("100")
