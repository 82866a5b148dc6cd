"""Payouts, bills, status, reversal and balance through client and simulator over loopback."""

import pytest
import trio

from actors.rails import (
    BalanceResult,
    Cause,
    NotFound,
    Paid,
    Pending,
    Refused,
    StatusResult,
    TransferAccepted,
    TransferResult,
    Unknown,
)
from providers.mpesa import callbacks
from tests.providers.mpesa.support import PHONE, World

UNITS = 10**8


async def test_a_payout_keeps_our_id_and_is_called_back_with_it(world: World) -> None:
    accepted = await world.pay_out("AG_ours_1")
    assert isinstance(accepted, TransferAccepted)
    assert (accepted.originator, accepted.duplicate) == ("AG_ours_1", False)
    (body,) = await world.receiver.wait_for("/result")
    result = callbacks.read_result(body)
    assert isinstance(result, TransferResult)
    assert (result.originator, result.conversation) == ("AG_ours_1", accepted.conversation)
    assert isinstance(result.outcome, Paid)
    assert (result.outcome.amount_units, result.outcome.phone) == (500 * UNITS, PHONE)
    (shown,) = world.simulator.operations(phone=PHONE)
    assert (shown["conversation"], shown["receipt"]) == ("AG_ours_1", result.outcome.receipt)


async def test_the_same_payout_twice_is_paid_once_and_accepted_twice(world: World) -> None:
    first = await world.pay_out("AG_ours_1")
    second = await world.pay_out("AG_ours_1")
    assert isinstance(first, TransferAccepted)
    assert second == TransferAccepted(originator="AG_ours_1", conversation=None, duplicate=True)
    assert len(world.simulator.operations(phone=PHONE)) == 1


async def test_the_same_payout_many_times_at_once_is_paid_once(world: World) -> None:
    await world.rule("success", times=50)
    answers = []

    async def pay() -> None:
        answers.append(await world.pay_out("AG_race"))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(pay)
    assert all(isinstance(answer, TransferAccepted) for answer in answers)
    assert sum(not answer.duplicate for answer in answers) == 1
    assert len(world.simulator.operations(phone=PHONE)) == 1


async def test_a_payout_that_hits_an_internal_error_once_is_sent_again_and_paid_once(
    world: World,
) -> None:
    await world.rule("http_500", times=1)
    assert isinstance(await world.pay_out("AG_1"), TransferAccepted)
    await world.receiver.wait_for("/result")
    states = [shown["state"] for shown in world.simulator.operations(phone=PHONE)]
    assert states == ["paid", "error"]


@pytest.mark.parametrize(
    ("outcome", "cause", "operator"),
    [
        ("insufficient", Cause.FLOAT_SHORT, True),
        ("wrong_pin", Cause.CREDENTIALS, True),
        ("unreachable", Cause.UNREACHABLE, False),
        ("cancelled", Cause.CANCELLED, False),
    ],
)
async def test_a_payout_that_fails_says_whose_fault_it_was(
    world: World, outcome: str, cause: Cause, operator: bool
) -> None:
    await world.rule(outcome, operation="b2c")
    await world.pay_out("AG_1")
    (body,) = await world.receiver.wait_for("/result")
    result = callbacks.read_result(body)
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.cause, result.outcome.needs_operator) == (cause, operator)


async def test_a_rejected_payout_is_refused(world: World) -> None:
    await world.rule("reject", operation="b2c")
    refused = await world.pay_out("AG_1")
    assert isinstance(refused, Refused)


async def test_a_payout_larger_than_the_float_is_refused_by_result(world: World) -> None:
    world.simulator._book.utility = 499
    await world.pay_out("AG_1", amount=500)
    (body,) = await world.receiver.wait_for("/result")
    result = callbacks.read_result(body)
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert result.outcome.cause is Cause.FLOAT_SHORT


async def test_a_queue_timeout_notice_is_unknown(world: World) -> None:
    await world.rule("no_callback")
    await world.pay_out("AG_1")
    assert await world.simulator.callback("AG_1", "timeout")
    (body,) = await world.receiver.wait_for("/result-timeout")
    notice = callbacks.read_timeout(body)
    assert isinstance(notice, TransferResult)
    assert notice.originator == "AG_1"
    assert isinstance(notice.outcome, Unknown)


async def test_a_bill_is_paid_with_text_codes_and_provider_ids(world: World) -> None:
    accepted = await world.pay_bill()
    assert isinstance(accepted, TransferAccepted)
    (body,) = await world.receiver.wait_for("/result")
    assert b'"ResultCode":"0"' in body
    result = callbacks.read_result(body)
    assert isinstance(result, TransferResult)
    assert result.originator == accepted.originator
    assert result.conversation == accepted.conversation
    assert isinstance(result.outcome, Paid)
    assert result.outcome.amount_units == 1200 * UNITS
    (shown,) = world.simulator.operations(target="400222")
    assert (shown["operation"], shown["target"]) == ("b2b", "400222")
    assert shown["conversation"] == accepted.conversation


async def test_a_bill_that_fails_sends_one_object_where_a_list_belongs(world: World) -> None:
    await world.rule("insufficient", who="400222", operation="b2b")
    await world.pay_bill()
    (body,) = await world.receiver.wait_for("/result")
    assert b'"ResultParameter":{' in body
    result = callbacks.read_result(body)
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert result.outcome.cause is Cause.FLOAT_SHORT


async def test_a_bill_that_hits_an_internal_error_is_unknown_and_never_sent_again(
    world: World,
) -> None:
    await world.rule("http_500", times=1)
    assert isinstance(await world.pay_bill(), Unknown)
    assert len(world.simulator.operations(target="400222")) == 1


async def test_a_till_is_paid(world: World) -> None:
    accepted = await world.mpesa.pay_till(
        payment_id="t1",
        till="123456",
        amount_kes=850,
        remarks="Lunch",
        requester=PHONE,
        **world.receiver.urls("/till"),
    )
    assert isinstance(accepted, TransferAccepted)
    (body,) = await world.receiver.wait_for("/till")
    result = callbacks.read_result(body)
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Paid)


async def test_a_lost_payout_result_is_found_by_our_own_id(world: World) -> None:
    await world.rule("lost_callback", operation="b2c")
    accepted = await world.pay_out("AG_lost")
    assert isinstance(accepted, TransferAccepted)
    await world.until_over()
    result = await _status(world, originator="AG_lost")
    assert (result.original_originator, result.original_conversation) == (
        "AG_lost",
        accepted.conversation,
    )
    assert isinstance(result.outcome, Paid)
    assert result.outcome.amount_units == 500 * UNITS
    assert result.credit_party == PHONE
    assert world.receiver.at("/result") == []


@pytest.mark.parametrize(
    ("outcome", "kind"), [("timeout", Refused), ("no_callback", Pending), ("cancelled", Refused)]
)
async def test_a_status_request_about_a_payout_agrees_with_its_outcome(
    world: World, outcome: str, kind: type
) -> None:
    await world.rule(outcome, operation="b2c")
    await world.pay_out("AG_1")
    await world.until_over()
    result = await _status(world, originator="AG_1")
    assert isinstance(result.outcome, kind)
    if outcome == "timeout":
        assert isinstance(result.outcome, Refused)
        assert result.outcome.code == "1037"


async def test_a_receipt_is_verified_with_amount_payer_and_paybill(world: World) -> None:
    """NXPY-C28: what submit-receipt asks the provider."""
    await world.push(amount=67)
    await world.receiver.wait_for("/cb")
    (shown,) = world.simulator.operations(phone=PHONE)
    result = await _status(world, receipt=shown["receipt"])
    assert isinstance(result.outcome, Paid)
    assert result.outcome.receipt == shown["receipt"]
    assert result.outcome.amount_units == 67 * UNITS
    assert result.debit_party == PHONE
    assert result.credit_party == world.settings.collect_shortcode


async def test_a_receipt_nobody_issued_is_not_found(world: World) -> None:
    result = await _status(world, receipt="TF34AMNCAC")
    assert isinstance(result.outcome, NotFound)


async def test_a_payment_is_reversed_once(world: World) -> None:
    await world.push(amount=100)
    await world.receiver.wait_for("/cb")
    receipt = world.simulator.operations(phone=PHONE)[0]["receipt"]
    outcomes = []
    for number in range(2):
        await world.mpesa.request_reversal(
            receipt=receipt,
            amount_kes=100,
            remarks="Refund",
            **world.receiver.urls(f"/reversal{number}"),
        )
        (body,) = await world.receiver.wait_for(f"/reversal{number}")
        result = callbacks.read_result(body)
        assert isinstance(result, TransferResult)
        outcomes.append(result.outcome)
    assert isinstance(outcomes[0], Paid)
    assert outcomes[0].amount_units == 100 * UNITS
    assert isinstance(outcomes[1], Refused)
    assert outcomes[1].cause is Cause.ALREADY_REVERSED


async def test_the_float_follows_what_was_paid(world: World) -> None:
    before = await _balances(world)
    await world.push(amount=100)
    await world.pay_out("AG_1", amount=500)
    await world.pay_bill(path="/bill", amount=30)
    for path in ("/cb", "/result", "/bill"):
        await world.receiver.wait_for(path)
    world.receiver.came.clear()
    after = await _balances(world)
    assert after["Working Account"] - before["Working Account"] == (100 - 30) * UNITS
    assert after["Utility Account"] - before["Utility Account"] == -500 * UNITS


async def test_wrong_initiator_credentials_are_found_out_by_result_2001(world: World) -> None:
    object.__setattr__(world.settings, "initiator", "somebody")
    assert isinstance(await world.pay_out("AG_1"), TransferAccepted)
    (body,) = await world.receiver.wait_for("/result")
    result = callbacks.read_result(body)
    assert isinstance(result, TransferResult)
    assert isinstance(result.outcome, Refused)
    assert result.outcome.cause is Cause.CREDENTIALS
    status = await _status(world, originator="AG_1")
    assert isinstance(status.outcome, Unknown), "a failed question is no answer"


async def _status(world: World, **asked: str) -> StatusResult:
    before = len(world.receiver.at("/status"))
    accepted = await world.mpesa.request_status(**world.receiver.urls("/status"), **asked)
    assert isinstance(accepted, TransferAccepted)
    body = (await world.receiver.wait_for("/status", before + 1))[-1]
    result = callbacks.read_status(body)
    assert isinstance(result, StatusResult)
    assert result.originator == accepted.originator
    return result


async def _balances(world: World) -> dict[str, int]:
    await world.mpesa.request_balance(**world.receiver.urls("/balance"))
    body = (await world.receiver.wait_for("/balance"))[-1]
    result = callbacks.read_result(body)
    assert isinstance(result, BalanceResult)
    return {row.account: row.available_units for row in result.balances}
