"""Pushes on a real database, and everything a provider and storage may do to them."""

import pytest
import trio

from actors.journal import REOPENINGS
from actors.rails import Paid, Refused, Unknown
from domain.events import DepositCompleted, DepositFailed
from domain.ledger import Refusal, SystemPurpose, system
from domain.money import units_of
from domain.payments import Payment, State
from tests.actors.payments.house import House
from tests.actors.payments.provider import REFUSED, Operation, Plan


async def begun(
    house: House, plan: Plan | None = None, balance: str = "100"
) -> tuple[Payment, int, Operation]:
    """A deposit whose push has reached the provider; by default nobody ever answers it."""
    user_id = await house.person(balance)
    phone = f"2547{user_id:08d}"
    house.provider.plans[phone] = plan or Plan(ending=None)
    made = await house.deposit(user_id, phone)
    with trio.fail_after(5):
        while not (mine := [o for o in house.provider.operations if o.phone == phone]):
            await trio.sleep(0.002)
    return made, user_id, mine[0]


def paid(operation: Operation, receipt: str = "R-1", kes: int = 1000, phone: str = "") -> Paid:
    return Paid(
        receipt=receipt, amount_units=kes * 10**8, phone=phone or operation.phone, message="ok"
    )


async def say(house: House, operation: Operation, outcome: Paid | Refused | Unknown) -> None:
    """Let the provider call back, and wait until that is dealt with."""
    result = house.provider.result(operation, outcome)
    assert await house.provider.deliver(operation.url, result)
    await dealt_with(house)


async def dealt_with(house: House) -> None:
    with trio.fail_after(10):
        while await house.unhandled():
            await trio.sleep(0.002)


async def verdicts(house: House) -> list[str]:
    rows = await house.pool.fetch("SELECT verdict FROM callbacks ORDER BY id")
    return [row[0] for row in rows]


async def test_a_deposit_is_credited_by_its_callback_and_told_once(house: House) -> None:
    """FC-15."""
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    await say(house, operation, paid(operation))
    done = await house.until(made, State.COMPLETED)
    assert (done.provider_receipt, done.checkout) == ("R-1", operation.checkout)
    assert await house.usd(user_id) == ("107.50", "0.00")
    (fact,) = await house.facts(user_id)
    assert isinstance(fact, DepositCompleted)
    assert (fact.ref, fact.receipt) == (made.ref, done.receipt)
    operation.outcome = paid(operation)
    await house.check_books()


async def test_twenty_callbacks_at_once_credit_once(house: House) -> None:
    """FC-16.1."""
    made, user_id, operation = await begun(house)
    result = house.provider.result(operation, paid(operation))
    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(house.provider.deliver, operation.url, result)
    await dealt_with(house)
    assert sorted(await verdicts(house)) == ["completed", *["duplicate"] * 19]
    assert await house.usd(user_id) == ("107.50", "0.00")
    assert len(await house.facts(user_id)) == 1
    assert (await house.now(made)).state is State.COMPLETED


@pytest.mark.parametrize("patient", [True, False])
async def test_a_callback_may_overtake_the_answer_to_the_push(
    house: House, monkeypatch: pytest.MonkeyPatch, patient: bool
) -> None:
    """MPWS-C11: it waits for the answer, up to 5 s, so that whoever ordered is told first."""
    monkeypatch.setattr("actors.payments.OVERTAKEN_S", 5.0 if patient else 0.05)
    made, user_id, operation = await begun(house, Plan(answer_delay_s=0.3))
    done = await house.until(made, State.COMPLETED)
    assert done.asking is not patient
    assert (done.checkout, done.merchant) == (operation.checkout, "m")
    await trio.sleep(0.4)
    assert (await house.now(made)).state is State.COMPLETED
    assert await house.usd(user_id) == ("107.50", "0.00")
    assert await house.alerts(made) == []


async def test_a_push_without_an_answer_is_sent_once_and_credited_by_its_callback(
    house: House,
) -> None:
    made, user_id, operation = await begun(house, Plan(answers=["lose"], ending=None))
    await house.until(made, State.UNKNOWN)
    await say(house, operation, paid(operation))
    await house.until(made, State.COMPLETED)
    assert [kind for kind, ref in house.provider.asked if ref == made.ref] == ["push"]
    assert await house.usd(user_id) == ("107.50", "0.00")


async def test_a_refused_push_fails_at_once(house: House) -> None:
    user_id = await house.person()
    house.provider.plans[f"2547{user_id:08d}"] = Plan(answers=[REFUSED])
    made = await house.deposit(user_id)
    failed = await house.until(made, State.FAILED)
    assert failed.reason == "cancelled"
    (fact,) = await house.facts(user_id)
    assert isinstance(fact, DepositFailed)
    assert fact.status == "failed"


async def test_silence_makes_us_ask_and_the_answer_decides(house: House) -> None:
    """CASH-C41: 120 s, then a query; it names no receipt, the late callback does."""
    made, user_id, operation = await begun(house, Plan(ending=None, calls_back=0))
    await house.until(made, State.PENDING)
    assert house.provider.questions == []
    house.provider.end(operation, Paid(), calls_back=0)
    house.clock.advance(121)
    done = await house.until(made, State.COMPLETED)
    assert (done.provider_receipt, done.unreceipted) == ("", True)
    assert await house.usd(user_id) == ("107.50", "0.00")
    await say(house, operation, paid(operation, operation.receipt))
    noted = await house.now(made)
    assert (noted.provider_receipt, noted.unreceipted) == (operation.receipt, False)
    assert (await verdicts(house))[-1] == "receipt noted"
    await say(house, operation, paid(operation, operation.receipt))
    assert (await verdicts(house))[-1] == "duplicate"
    assert await house.usd(user_id) == ("107.50", "0.00")
    await house.check_books()


async def test_a_silent_push_is_asked_about_ever_less_often_and_given_up_after_a_day(
    house: House,
) -> None:
    """A question that is answered "still processing" never leads to the next one. The second is
    asked soon: whoever answers late is most often just entering the PIN."""
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    waits = ((119, 0), (2, 1), (4, 1), (2, 2), (28, 2), (3, 3), (61, 4), (301, 5))
    for seconds, questions in waits:
        house.clock.advance(seconds)
        await trio.sleep(0.1)
        assert len(house.provider.questions) == questions, seconds
    house.clock.advance(86_400)
    await house.until(made, State.FAILED)
    assert len(house.provider.questions) == 6  # one last time before it is given up
    await say(house, operation, paid(operation))
    assert await house.suspended(user_id) == 1000
    assert await house.alerts(made) == ["suspense"]


async def test_cash_for_a_cancelled_deposit_is_in_suspense_once(house: House) -> None:
    """CASH-C40, FC-17.4."""
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    cancelled = await house.payments.cancel(made.id)
    assert isinstance(cancelled, Payment)
    assert cancelled.state is State.CANCELLED
    for _ in range(3):
        await say(house, operation, paid(operation))
    assert await verdicts(house) == ["suspense", "duplicate", "duplicate"]
    assert (await house.now(made)).state is State.CANCELLED
    assert await house.usd(user_id) == ("100.00", "0.00")
    assert await house.suspended(user_id) == 1000
    assert await house.alerts(made) == ["suspense"]
    assert await house.facts(user_id) == []
    operation.outcome = paid(operation)
    await house.check_books()


async def test_of_a_cancel_and_a_callback_exactly_one_wins(house: House) -> None:
    """FC-17.5, in many interleavings."""
    for number in range(12):
        made, user_id, operation = await begun(house)
        await house.until(made, State.PENDING)
        answers: list[object] = []

        async def cancel(made: Payment = made, answers: list[object] = answers) -> None:
            answers.append(await house.payments.cancel(made.id))

        result = house.provider.result(operation, paid(operation, f"R-{number}"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.provider.deliver, operation.url, result)
            await trio.sleep(0.0007 * number)
            nursery.start_soon(cancel)
        await dealt_with(house)
        (answer,) = answers
        assert isinstance(answer, Payment)
        ended = await house.now(made)
        assert ended.state is answer.state
        credited = ended.state is State.COMPLETED
        assert credited or ended.state is State.CANCELLED
        assert await house.usd(user_id) == ("107.50" if credited else "100.00", "0.00")
        assert await house.suspended(user_id) == (0 if credited else 1000)


async def test_a_slow_provider_delays_neither_cancelling_nor_its_own_callback(
    house: House,
) -> None:
    """CASH-C03."""
    made, _, operation = await begun(house, Plan(ending=None, answer_delay_s=30))
    with trio.fail_after(1):
        cancelled = await house.payments.cancel(made.id)
    assert isinstance(cancelled, Payment)
    assert cancelled.state is State.CANCELLED
    await say(house, operation, paid(operation))
    assert await verdicts(house) == ["suspense"]


@pytest.mark.parametrize(
    ("kes", "phone", "reason"),
    [(900, "", "paid 900 of 1000"), (1000, "254799999999", "paid by another phone")],
)
async def test_cash_that_is_not_as_ordered_waits_for_an_operator(
    house: House, kes: int, phone: str, reason: str
) -> None:
    """contract.md, "Money"."""
    made, user_id, operation = await begun(house)
    for _ in range(2):
        await say(house, operation, paid(operation, kes=kes, phone=phone))
    held = await house.until(made, State.UNDER_REVIEW)
    assert held.reason == reason
    assert await verdicts(house) == ["under review", "duplicate"]
    assert await house.usd(user_id) == ("100.00", "0.00")
    assert await house.suspended(user_id) == kes
    assert await house.alerts(made) == ["deposit_review"]
    assert not await house.facts(user_id), "it has not failed: an operator may credit it"


async def test_one_receipt_credits_one_payment_even_in_a_race(house: House) -> None:
    """Every external id appears once (X-C15, XS-05)."""
    first, one, mine = await begun(house)
    second, other, theirs = await begun(house)
    async with trio.open_nursery() as nursery:
        for operation in (mine, theirs):
            result = house.provider.result(operation, paid(operation))
            nursery.start_soon(house.provider.deliver, operation.url, result)
    await dealt_with(house)
    states = {(await house.now(payment)).state for payment in (first, second)}
    assert states == {State.COMPLETED, State.UNDER_REVIEW}
    assert sorted([await house.usd(one), await house.usd(other)]) == [
        ("100.00", "0.00"),
        ("107.50", "0.00"),
    ]
    assert await house.suspended(one) + await house.suspended(other) == 0
    float_, _ = await house.balance(system("KES", SystemPurpose.MPESA_FLOAT))
    assert float_ == -units_of("1000")


async def test_a_second_receipt_for_a_completed_deposit_is_booked_apart(house: House) -> None:
    made, user_id, operation = await begun(house)
    await say(house, operation, paid(operation))
    await say(house, operation, paid(operation, "R-2"))
    await say(house, operation, paid(operation, "R-2"))
    assert await verdicts(house) == ["completed", "suspense", "duplicate"]
    assert await house.usd(user_id) == ("107.50", "0.00")
    assert await house.suspended(user_id) == 1000
    assert await house.alerts(made) == ["suspense"]
    assert (await house.now(made)).provider_receipt == "R-1"


async def test_a_callback_waits_out_a_ledger_that_is_away(house: House) -> None:
    """It is acknowledged once stored, and brought to its payment as soon as that is possible."""
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    house.faults.journal_away = 2 * (REOPENINGS + 1)  # the journal itself refuses twice
    await say(house, operation, paid(operation))
    await house.until(made, State.COMPLETED)
    assert await verdicts(house) == ["completed"]
    assert await house.usd(user_id) == ("107.50", "0.00")


async def test_a_commit_whose_answer_is_lost_is_not_made_twice(house: House) -> None:
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    house.faults.journal_lost = 1
    await say(house, operation, paid(operation))
    await house.until(made, State.COMPLETED)
    assert await house.usd(user_id) == ("107.50", "0.00")
    assert len(await house.facts(user_id)) == 1
    assert (await verdicts(house))[-1] in ("completed", "duplicate")


@pytest.mark.parametrize("fault", ["table_away", "table_lost"])
async def test_the_providers_answer_survives_a_table_that_is_away(house: House, fault: str) -> None:
    """By the checkout it names the provider is asked later: it must not be lost."""
    user_id = await house.person()
    phone = f"2547{user_id:08d}"
    # Not before it is asked: that it will be has been written by then.
    plan = Plan(ending=None, on_asked=lambda: setattr(house.faults, fault, 1))
    house.provider.plans[phone] = plan
    made = await house.deposit(user_id, phone)
    # Of a lost write the commit is seen before its writer is told that it is lost.
    done = await house.eventually(
        made,
        lambda found: found.state is State.PENDING and not getattr(house.faults, fault),
    )
    assert done.checkout == "ws_CO_1"
    assert len(house.provider.asked) == 1


async def test_a_deposit_whose_maker_went_away_is_asked_for_all_the_same(house: House) -> None:
    """Cancelled just after the commit, nobody starts its actor: it is looked for."""
    user_id = await house.person()
    scope = trio.CancelScope()
    house.faults.after_commit = scope.cancel
    with scope:
        await house.withdrawal(user_id)
    assert scope.cancelled_caught
    house.faults.after_commit = lambda: None
    await house.settled()
    assert [kind for kind, _ in house.provider.asked] == ["payout"]
    assert await house.usd(user_id) == ("94.50", "0.00")


async def test_what_is_refused_for_the_moment_is_no_failure(house: House) -> None:
    made, _, _ = await begun(house)
    await house.until(made, State.PENDING)
    house.faults.table_away = 1
    assert await house.payments.cancel(made.id) is Refusal.UNKNOWN
    assert (await house.now(made)).state is State.PENDING
    again = await house.payments.cancel(made.id)
    assert isinstance(again, Payment)
    assert again.state is State.CANCELLED


@pytest.mark.expects_error_log
async def test_a_client_that_breaks_its_word_costs_only_its_own_answer(house: House) -> None:
    """A crash of the actor: the push may have been sent, so it is not sent again."""
    user_id = await house.person()
    phone = f"2547{user_id:08d}"
    house.provider.plans[phone] = Plan(ending=None)
    real, calls = house.provider.push, []

    async def broken(**request: object) -> object:
        calls.append(request)
        await real(**request)
        raise RuntimeError("a bug in the client")

    house.provider.push = broken  # type: ignore[method-assign,assignment]
    made = await house.deposit(user_id, phone)
    await house.until(made, State.UNKNOWN)
    (operation,) = house.provider.operations
    await say(house, operation, paid(operation))
    await house.until(made, State.COMPLETED)
    assert len(calls) == 1
