"""Deposits by bank transfer, once a partner for them is configured (CASH-C60)."""

import dataclasses

from actors.reviews import Decision, Ruled, Ruling
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


async def test_a_bank_pays_nothing_out(house: House) -> None:
    user = await at_the_bank(house)
    await house.credit(USER, "100")
    token = await house.token(USER)
    order = {**ORDER, "amount": 5, "destination": "254712345678", "consent": True}
    text = await user.refused("withdraw_request", **order, verification_token=token)
    assert text == "partner not found"
