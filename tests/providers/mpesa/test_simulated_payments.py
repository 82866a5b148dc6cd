"""Client and simulator over real loopback: every operation, every outcome."""

from dataclasses import replace

import httpx
import pytest
import trio

from actors.clock import Clock
from actors.rails import (
    BalanceResult,
    Cause,
    NotFound,
    Paid,
    Pending,
    PushAccepted,
    PushResult,
    Refused,
    StatusResult,
    TransferAccepted,
    TransferResult,
    Unknown,
)
from providers.mpesa import callbacks
from providers.mpesa.client import open_mpesa
from providers.sandbox.mpesa import book, desk, gateway
from providers.sandbox.mpesa.account import Account, Vault
from tests.providers.mpesa.support import PHONE, MemoryStore, Receiver, World, simulating

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


@pytest.mark.expects_error_log
async def test_a_wrong_passkey_is_refused_at_once(world: World) -> None:
    object.__setattr__(world.settings, "passkey", "wrong")
    refused = await world.push()
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.needs_operator) == (Cause.CREDENTIALS, True)


async def test_a_bad_member_is_named_in_the_error_envelope(world: World) -> None:
    refused = await world.push(phone="255712345678")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.message) == ("400.002.02", "Bad Request - Invalid PartyA")


async def test_rules_narrow_down_to_a_phone_and_run_out(world: World) -> None:
    await world.rule("cancelled", times=1)
    await world.rule("success", who="0712000002", operation="stk")
    for phone, path in (("254712000002", "/a"), (PHONE, "/b"), (PHONE, "/c")):
        await world.push(path, phone=phone)
        await world.receiver.wait_for(path)
    outcomes = [shown["outcome"] for shown in world.simulator.operations()]
    assert outcomes == ["success", "cancelled", "success"]


async def test_callbacks_are_retried_until_somebody_answers_2xx(world: World) -> None:
    world.receiver.statuses = [503, 500]
    await world.push()
    bodies = await world.receiver.wait_for("/cb", 3)
    assert len(set(bodies)) == 1


async def test_faults_strike_the_next_calls_and_pass(world: World) -> None:
    world.fault.set("down", times=1)
    assert isinstance(await world.push(), Unknown)
    world.fault.set("error", times=1)
    assert isinstance(await world.push(), Unknown)
    assert world.simulator.operations() == []
    assert isinstance(await world.push(), PushAccepted)


async def test_many_pushes_in_flight_are_each_called_back_once(world: World) -> None:
    await world.rule("success", delay_seconds=1.0)
    limit = trio.CapacityLimiter(50)

    async def push(number: int) -> None:
        async with limit:
            answer = await world.push(f"/cb{number}", phone=f"254700{number:06d}")
            assert isinstance(answer, PushAccepted)

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(push, number)
    with trio.fail_after(20):
        while len(world.receiver.came) < 200:
            await trio.sleep(0.05)
    assert len({path for path, _ in world.receiver.came}) == 200


async def test_an_unknown_path_and_a_wrong_method_get_daraja_errors(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.settings.base_url) as http:
        unknown = await http.post("/mpesa/nothing")
        wrong = await http.get("/mpesa/stkpush/v1/processrequest")
        bare = await http.post("/mpesa/stkpush/v1/processrequest")
    codes = [answer.json()["errorCode"] for answer in (unknown, wrong, bare)]
    assert codes == ["404.001.01", "405.001", "404.001.03"]


async def test_two_clients_with_one_key_log_each_other_out_and_both_go_on(world: World) -> None:
    """A new token invalidates the one before it."""
    async with open_mpesa(world.settings, Clock()) as other:
        for number in range(3):
            assert isinstance(await world.push(), PushAccepted)
            asked = await other.query_push(f"ws_CO_{number}")
            assert "Invalid CheckoutRequestID" in asked.message


async def test_an_expired_token_is_replaced_on_the_way(vault: Vault) -> None:
    account = Account(token_seconds=1)
    async with simulating(vault, MemoryStore(), Receiver(), account=account) as world:
        assert isinstance(await world.push(), PushAccepted)
        await trio.sleep(1.05)
        assert isinstance(await world.push(), PushAccepted)


@pytest.mark.expects_error_log
async def test_a_wrong_consumer_secret_is_refused_and_moves_nothing(world: World) -> None:
    settings = replace(world.settings, consumer_secret="wrong")
    async with open_mpesa(settings, Clock()) as stranger:
        refused = await stranger.pay_out(
            payment_id="AG_1",
            phone=PHONE,
            amount_kes=5,
            remarks="x",
            **world.receiver.urls("/result"),
        )
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.code) == (Cause.CREDENTIALS, "400.008.01")
    assert world.simulator.operations() == []


async def test_a_slow_fault_delays_the_answer_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "FAULT_SLOW_SECONDS", 0.2)
    world.fault.set("slow", times=1)
    began = trio.current_time()
    assert isinstance(await world.push(), PushAccepted)
    assert trio.current_time() - began >= 0.2


async def test_more_in_flight_than_daraja_bears_is_spike_arrest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MAX_IN_FLIGHT", 0)
    refused = await world.push()
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.may_retry) == (Cause.BUSY, True)


async def test_old_payments_that_are_over_are_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "KEPT_PAYMENTS", 3)
    await world.rule("no_callback", times=1)
    silent = await world.push()
    for number in range(5):
        await world.push(f"/cb{number}")
        await world.receiver.wait_for(f"/cb{number}")
        await trio.sleep(0.02)
    shown = world.simulator.operations()
    assert len(shown) == 3
    assert isinstance(silent, PushAccepted)
    assert shown[-1]["checkout"] == silent.checkout, "what is undecided is not forgotten"


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
