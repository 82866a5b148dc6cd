"""Pushes through client and simulator over real loopback: every outcome."""

import pytest
import trio

from actors.rails import (
    Cause,
    Paid,
    Pending,
    PushAccepted,
    PushResult,
    Refused,
    Unknown,
)
from providers.mpesa import callbacks
from tests.providers.mpesa.support import PHONE, World

UNITS = 10**8


async def test_a_push_is_paid_and_called_back_with_receipt_amount_and_phone(world: World) -> None:
    accepted = await world.push(amount=100)
    assert isinstance(accepted, PushAccepted)
    (body,) = await world.receiver.wait_for("/cb")
    result = callbacks.read_push(body)
    assert isinstance(result, PushResult)
    assert result.checkout == accepted.checkout
    assert result.merchant == accepted.merchant
    (shown,) = world.simulator.operations(phone="+" + PHONE)
    assert isinstance(result.outcome, Paid)
    assert result.outcome.receipt == shown["receipt"]
    assert result.outcome.amount_units == 100 * UNITS
    assert result.outcome.phone == PHONE


async def test_an_operation_is_shown_in_the_shape_of_the_contract(world: World) -> None:
    accepted = await world.push(amount=100)
    assert isinstance(accepted, PushAccepted)
    await world.receiver.wait_for("/cb")
    (shown,) = world.simulator.operations(phone=PHONE)
    receipt = shown.pop("receipt")
    assert len(receipt) == 10
    assert receipt.isalnum()
    assert receipt == receipt.upper()
    assert shown == {
        "operation": "stk",
        "phone": PHONE,
        "amount": 100,
        "checkout": accepted.checkout,
        "conversation": None,
        "outcome": "success",
        "callback_url": world.receiver.base + "/cb",
        "state": "paid",
    }


@pytest.mark.parametrize(
    ("outcome", "cause", "code"),
    [
        ("cancelled", Cause.CANCELLED, "1032"),
        ("wrong_pin", Cause.WRONG_PIN, "2001"),
        ("insufficient", Cause.INSUFFICIENT_FUNDS, "1"),
        ("unreachable", Cause.UNREACHABLE, "1037"),
    ],
)
async def test_a_push_that_fails_says_so_by_callback_and_by_query(
    world: World, outcome: str, cause: Cause, code: str
) -> None:
    await world.rule(outcome)
    accepted = await world.push()
    assert isinstance(accepted, PushAccepted)
    (body,) = await world.receiver.wait_for("/cb")
    result = callbacks.read_push(body)
    assert isinstance(result, PushResult)
    assert isinstance(result.outcome, Refused)
    assert (result.outcome.cause, result.outcome.code) == (cause, code)
    queried = await world.mpesa.query_push(accepted.checkout)
    assert isinstance(queried, Refused)
    assert (queried.cause, queried.code) == (cause, code)


async def test_a_push_that_times_out_is_never_called_back_and_a_query_says_1037(
    world: World,
) -> None:
    await world.rule("timeout")
    accepted = await world.push()
    assert isinstance(accepted, PushAccepted)
    await world.until_over()
    queried = await world.mpesa.query_push(accepted.checkout)
    assert isinstance(queried, Refused)
    assert queried.code == "1037"
    assert world.receiver.came == []


async def test_a_silent_push_is_pending_until_a_callback_decides_it(world: World) -> None:
    await world.rule("no_callback")
    accepted = await world.push()
    assert isinstance(accepted, PushAccepted)
    assert isinstance(await world.mpesa.query_push(accepted.checkout), Pending)
    assert await world.simulator.callback(accepted.checkout, "success")
    assert len(world.receiver.at("/cb")) == 1
    assert isinstance(await world.mpesa.query_push(accepted.checkout), Paid)


async def test_a_push_that_was_decided_early_is_not_decided_again_when_it_is_due(
    world: World,
) -> None:
    await world.rule("success", delay_seconds=0.2)
    accepted = await world.push()
    assert isinstance(accepted, PushAccepted)
    assert await world.simulator.callback(accepted.checkout, "cancelled")
    await trio.sleep(0.3)
    assert len(world.receiver.at("/cb")) == 1
    assert world.simulator.operations()[0]["state"] == "failed"


async def test_a_paid_push_whose_callback_was_lost_is_found_by_a_query(world: World) -> None:
    await world.rule("lost_callback")
    accepted = await world.push()
    assert isinstance(accepted, PushAccepted)
    await world.until_over()
    assert await world.mpesa.query_push(accepted.checkout) == Paid(
        message="The service request is processed successfully."
    )
    assert world.receiver.came == []


async def test_a_duplicate_callback_is_the_same_body_twice(world: World) -> None:
    await world.rule("duplicate_callback")
    await world.push()
    first, second = await world.receiver.wait_for("/cb", 2)
    assert first == second


async def test_a_rejected_push_is_refused_and_leaves_no_payment(world: World) -> None:
    await world.rule("reject")
    refused = await world.push()
    assert isinstance(refused, Refused)
    assert refused.cause is Cause.INVALID
    (shown,) = world.simulator.operations(phone=PHONE)
    assert (shown["state"], shown["receipt"], shown["checkout"]) == ("rejected", None, None)


async def test_a_push_that_hits_an_internal_error_is_unknown_and_never_sent_again(
    world: World,
) -> None:
    await world.rule("http_500")
    assert isinstance(await world.push(), Unknown)
    assert [shown["state"] for shown in world.simulator.operations()] == ["error"]


async def test_a_slow_push_is_answered_late_and_then_paid(world: World) -> None:
    await world.rule("slow", delay_seconds=0.3)
    began = trio.current_time()
    assert isinstance(await world.push(), PushAccepted)
    assert trio.current_time() - began >= 0.3
    await world.receiver.wait_for("/cb")


async def test_a_contradicting_callback_changes_nothing_that_a_query_says(world: World) -> None:
    accepted = await world.push()
    assert isinstance(accepted, PushAccepted)
    await world.receiver.wait_for("/cb")
    assert await world.simulator.callback(accepted.checkout, "cancelled")
    result = callbacks.read_push(world.receiver.at("/cb")[-1])
    assert isinstance(result, PushResult)
    assert isinstance(result.outcome, Refused)
    assert isinstance(await world.mpesa.query_push(accepted.checkout), Paid)


async def test_a_success_after_a_cancellation_is_late_but_real(world: World) -> None:
    """X-C15: the money did move, so a query says so too."""
    await world.rule("cancelled")
    accepted = await world.push()
    assert isinstance(accepted, PushAccepted)
    await world.receiver.wait_for("/cb")
    assert await world.simulator.callback(accepted.checkout, "success")
    assert isinstance(await world.mpesa.query_push(accepted.checkout), Paid)
    (shown,) = world.simulator.operations(phone=PHONE)
    assert shown["state"] == "paid"
    assert shown["receipt"] is not None


async def test_an_unknown_checkout_cannot_be_called_back_and_an_unknown_outcome_is_an_error(
    world: World,
) -> None:
    assert not await world.simulator.callback("ws_CO_nobody", "success")
    with pytest.raises(ValueError, match="no such callback outcome"):
        await world.simulator.callback("ws_CO_nobody", "reject")
