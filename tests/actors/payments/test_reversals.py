"""A reversal in flight: asked for once, held until there is evidence, whatever happens."""

import msgspec
import pytest
import trio

from actors.audit import AuditEntry
from actors.clock import US, Clock
from actors.payment_evidence import Book, End, Nothing, Settle, Source, weigh
from actors.rails import Cause, NotFound, Outcome, Paid, Pending, Refused, Reversed, Unknown
from actors.reversals import NotOrdered, Reversals
from actors.reviews import Decision, Ruled, Ruling
from domain.ledger import SUSPENSE, AccountKey
from domain.payments import Kind, Payment, State
from storage.audit import PostgresAudit
from storage.incoming import PostgresIncoming
from tests.actors.payments.house import House, living
from tests.actors.payments.killable import Place, Points
from tests.actors.payments.provider import REFUSED, Plan, Provider
from tests.actors.payments.test_crashes import killable, provider_clock

REVERSAL = Payment(
    id=7,
    ref="REV-A",
    kind=Kind.REVERSAL,
    state=State.UNKNOWN,
    account=AccountKey(owner=5, asset="KES", purpose=SUSPENSE),
    user_id=5,
    asset="KES",
    amount=100_000_000_000,
    local_asset="KES",
    local_amount=100_000_000_000,
    created_us=1,
    due_us=1,
    held=100_000_000_000,
    bill="A",
)


@pytest.mark.parametrize(
    ("outcome", "verdict"),
    [
        (Reversed(message="Reversed"), Settle),
        (Paid(receipt="A", amount_units=1), Nothing),
        (Pending(message=""), Nothing),
        (NotFound(message=""), Nothing),
        (Unknown(message=""), Nothing),
        (Refused(cause=Cause.DECLINED, code="", message=""), Nothing),
    ],
)
def test_of_its_receipt_only_reversed_is_evidence(outcome: Outcome, verdict: type) -> None:
    """That the cash still counts as paid says nothing about an order under way."""
    assert isinstance(weigh(REVERSAL, outcome, Source.STATUS, None), verdict)


def test_what_is_reversed_after_it_was_rejected_is_booked_out_of_suspense() -> None:
    """X-C15: the hold is gone by then."""
    rejected = msgspec.structs.replace(REVERSAL, state=State.FAILED)
    found = weigh(rejected, Reversed(message="Reversed"), Source.STATUS, None)
    assert isinstance(found, Book)
    assert isinstance(weigh(REVERSAL, REFUSED, Source.CALLBACK, None), End)
    booked = msgspec.structs.replace(rejected, cash=found.amount)
    again = weigh(booked, Reversed(message="Reversed"), Source.STATUS, None)
    assert again == Nothing("duplicate"), "it names no receipt to know it by"


async def test_one_that_was_carried_out_after_it_was_rejected_is_never_ordered_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cash is in suspense and outside: an operator lets one of them pay."""
    monkeypatch.setattr("actors.reversals.ANSWER_WITHIN_S", 0.05)
    user_id = await house.person()
    receipt = await cash_in_suspense(house, user_id)
    house.provider.reversals[receipt] = Plan(answers=["lose"], calls_back=0)
    await desk(house).order(receipt, deed())
    made = await house.until(await reversal(house, receipt), State.UNKNOWN)
    approve, reject = (
        Ruling(decision=decision, operator_id=9, how="pwd")
        for decision in (Decision.APPROVE, Decision.REJECT)
    )
    assert await house.payments.rule(made.ref, reject) == Ruled("failed")
    assert await house.suspended(user_id) == 1000
    await house.payments.recheck(made.id)
    await house.eventually(made, lambda found: found.contested)
    assert await desk(house).order(receipt, deed()) is NotOrdered.DONE
    assert [review.reference for review in await house.payments.waiting(10)] == [made.ref]
    assert await house.payments.rule(made.ref, approve) == Ruled("completed")
    assert await house.suspended(user_id) == 0
    assert await desk(house).order(receipt, deed()) is NotOrdered.DONE
    await house.check_books()


async def cash_in_suspense(house: House, user_id: int) -> str:
    """The receipt of 1,000 shillings that came after a deposit had ended."""
    house.provider.plans[f"2547{user_id:08d}"] = Plan(ending=REFUSED)
    payment = await house.deposit(user_id)
    await house.until(payment, State.FAILED)
    operation = house.provider.operations[-1]
    house.provider.end(operation, Paid())
    await house.eventually(payment, lambda found: found.cash)
    return operation.receipt


def desk(house: House) -> Reversals:
    return Reversals(PostgresIncoming(house.pool), house.payments, house.clock)


def deed(note: str = "") -> AuditEntry:
    return AuditEntry(at_us=1, operator_id=9, how="pwd", action="reverse", subject="x", note=note)


async def at_rest(house: House) -> None:
    """Until everybody has acted on whatever silence lasted an hour."""
    for _ in range(6):
        with trio.fail_after(60):
            while not house.provider.is_quiet or await house.unhandled() or await acting(house):
                await trio.sleep(0.005)
        house.clock.advance(600)


async def acting(house: House) -> bool:
    return any(house.acts(payment) for payment in await house.open())


async def killed_at(dsn: str, provider: Provider, place: Place | None) -> Points:
    """A reversal in a process that is killed at one place, and what a second one makes of it."""
    points, receipt, user_id = Points(), "", 0
    async with killable(dsn, provider, points) as house:
        user_id = await house.person()
        receipt = await cash_in_suspense(house, user_id)
        await at_rest(house)
        provider.reversals[receipt] = Plan()
        points.passed.clear()
        points.at = place
        await desk(house).order(receipt, deed())
        await at_rest(house)
    async with living(dsn, provider, clock=provider_clock(provider)) as house:
        await at_rest(house)
        given_back = [o for o in provider.operations if o.phone == receipt]
        assert [ref for kind, ref in provider.asked if kind == "reversal"].count(receipt) <= 1
        made = await house.payments.store.by_ref(f"REV-{receipt}")
        assert await house.suspended(user_id) == (0 if given_back else 1000)
        if given_back:
            assert made is not None
            assert made.state is State.COMPLETED
        await house.check_books()
    return points


async def test_a_reversal_survives_a_kill_at_any_place(dsn: str, provider: Provider) -> None:
    """Recorded before it is sent, sent once at most; what was given back is out of suspense."""
    places = [*(await killed_at(dsn, provider, None)).passed]
    names = {name for name, _ in places}
    assert {
        "before a commit",
        "before the reversal is sent",
        "after the reversal was taken",
    } <= names
    for place in places:
        await killed_at(dsn, provider, place)


async def reversal(house: House, receipt: str) -> Payment:
    found = await house.payments.store.by_ref(f"REV-{receipt}")
    assert found is not None
    return found


async def test_a_reversal_that_was_refused_may_be_ordered_again(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cash is in suspense again; the next order has a reference of its own."""
    monkeypatch.setattr("actors.reversals.ANSWER_WITHIN_S", 5.0)
    user_id = await house.person()
    receipt = await cash_in_suspense(house, user_id)
    house.provider.reversals[receipt] = Plan(answers=[REFUSED])
    made = await desk(house).order(receipt, deed())
    assert isinstance(made, Payment)
    assert (made.ref, made.state) == (f"REV-{receipt}", State.FAILED)
    assert await house.suspended(user_id) == 1000
    house.provider.reversals[receipt] = Plan()
    again = await desk(house).order(receipt, deed())
    assert isinstance(again, Payment)
    assert (again.ref, again.state) == (f"REV-{receipt}-2", State.COMPLETED)
    assert await house.suspended(user_id) == 0
    assert await desk(house).order(receipt, deed()) is NotOrdered.DONE
    await house.check_books()
    assert len(await house.facts(user_id)) == 1, "of the deposit; nobody is told of a reversal"
    assert len(await PostgresAudit(house.pool).about("x")) == 2, "an order with its audit, twice"


async def test_one_whose_server_stopped_before_it_was_sent_is_sent_when_it_is_back(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However long that took: nothing is known to ask about, and its money would stay held."""
    monkeypatch.setattr("actors.reversals.ANSWER_WITHIN_S", 5.0)
    user_id = await house.person()
    receipt = await cash_in_suspense(house, user_id)
    house.provider.reversals[receipt] = Plan()
    earlier = Clock(house.clock.offset_us - 300 * US)
    made = await Reversals(PostgresIncoming(house.pool), house.payments, earlier).order(
        receipt, deed()
    )
    assert isinstance(made, Payment)
    assert made.state is State.COMPLETED
    assert [kind for kind, ref in house.provider.asked if ref == receipt] == ["reversal"]
    assert await house.suspended(user_id) == 0
    await house.check_books()


@pytest.mark.parametrize("carried_out", [True, False])
async def test_one_that_was_never_answered_is_not_sent_again(
    dsn: str, provider: Provider, monkeypatch: pytest.MonkeyPatch, carried_out: bool
) -> None:
    """Not by time, not by a restart, not by another order; the status of its receipt settles it,
    or a person does."""
    monkeypatch.setattr("actors.reversals.ANSWER_WITHIN_S", 0.05)
    async with living(dsn, provider) as house:
        user_id, clock = await house.person(), house.clock
        receipt = await cash_in_suspense(house, user_id)
        answer = "lose" if carried_out else "fail"
        provider.reversals[receipt] = Plan(answers=[answer], calls_back=0)
        await desk(house).order(receipt, deed())
        await house.until(await reversal(house, receipt), State.UNKNOWN)
        assert await desk(house).order(receipt, deed()) is NotOrdered.UNDER_WAY
    async with living(dsn, provider, clock=clock) as house:
        clock.advance(121)
        payment = await reversal(house, receipt)
        await house.eventually(payment, lambda _: receipt in provider.questions)
        if carried_out:
            await house.until(payment, State.COMPLETED)
            assert await house.suspended(user_id) == 0
            await house.check_books()
        else:
            clock.advance(3600)
            assert (await house.now(payment)).state is State.UNKNOWN
            waiting = [review.reference for review in await house.payments.waiting(10)]
            assert payment.ref in waiting
            assert await house.suspended(user_id) == 1000
        assert [kind for kind, _ in provider.asked].count("reversal") == 1
