"""kill -9 between every two steps of a payment: nothing is paid twice, nothing is lost."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

from actors.clock import Clock
from actors.rails import Paid
from domain.payments import Payment, State
from tests.actors.payments.house import House, living
from tests.actors.payments.killable import Killed, Place, Points
from tests.actors.payments.provider import DECLINED, REFUSED, Plan, Provider

LIVES_A_PLACE = 3  # tries to be killed at a place that not every life passes

Make = Callable[[House, int], Awaitable[Payment]]

PLANS: dict[str, Callable[[], Plan]] = {
    "paid": Plan,
    "refused": lambda: Plan(ending=REFUSED),
    "declined": lambda: Plan(answers=[DECLINED]),
    "answer lost": lambda: Plan(answers=["lose", "accept"]),
    "call failed": lambda: Plan(answers=["fail", "accept"]),
    "call failed, then declined": lambda: Plan(answers=["lose", DECLINED]),
    "callback lost": lambda: Plan(calls_back=0),
    "called back twice": lambda: Plan(calls_back=2),
}


@asynccontextmanager
async def killable(dsn: str, provider: Provider, points: Points) -> AsyncIterator[House]:
    """One run of the process; being killed is one of its ends."""
    try:
        async with living(dsn, provider, points=points, clock=provider_clock(provider)) as house:
            yield house
    except BaseException as error:
        if not points.dead:
            raise
        _only_killed(error)


def provider_clock(provider: Provider) -> Clock:
    """One application clock for all runs, kept with the provider."""
    clock: Clock = provider.__dict__.setdefault("clock", Clock())
    return clock


def _only_killed(error: BaseException) -> None:
    """Dying may take other things with it, but nothing may fail on its own."""
    if isinstance(error, BaseExceptionGroup):
        assert error.subgroup(Killed) is not None, error
    else:
        assert isinstance(error, Killed | trio.Cancelled), error


async def one_life(dsn: str, provider: Provider, plan: str, at: Place | None, make: Make) -> Points:
    """A payment in a process that is killed at one place, and what a second process makes of it."""
    points = Points()
    user_id, phone = 0, ""
    async with killable(dsn, provider, points) as house:
        user_id = await house.person()
        phone = f"2547{user_id:08d}"
        provider.plans[phone] = PLANS[plan]()
        points.passed.clear()
        points.at = at
        await make(house, user_id)
        await house.settled()
    async with living(dsn, provider, clock=provider_clock(provider)) as house:
        await house.settled()
        await check(house, user_id, phone)
    return points


async def check(house: House, user_id: int, phone: str) -> None:
    """What must be true of one person's payment, whatever happened."""
    if unheard_of(house, phone):
        return
    await house.check_books()
    rows = await house.pool.fetch("SELECT id FROM payments WHERE user_id = %s", [user_id])
    assert len(rows) <= 1
    operations = [o for o in house.provider.operations if o.phone == phone]
    assert len(operations) <= 1, "asked twice for the same money"
    paid = bool(operations) and isinstance(operations[0].outcome, Paid)
    if not rows:
        assert not operations, "the provider was asked for a payment nobody has stored"
        assert await house.usd(user_id) == ("100.00", "0.00")
        return
    payment = await house.payments.store.load(int(rows[0][0]))
    assert payment is not None
    pushes = [kind for kind, ref in house.provider.asked if ref == payment.ref]
    assert len(pushes) <= 1, "a push was sent twice"
    suspended = await house.suspended(user_id)
    if payment.hold is None:
        credited = payment.state is State.COMPLETED
        assert paid == (credited or suspended == 1000), "cash that nobody has, or twice"
        assert suspended in (0, 1000)
        assert not (credited and suspended)
        assert await house.usd(user_id) == ("107.50" if credited else "100.00", "0.00")
    else:
        assert paid == (payment.state is State.COMPLETED), "money out and hold disagree"
        assert await house.usd(user_id) == ("94.50" if paid else "100.00", "0.00")
    facts = await house.facts(user_id)
    assert len(facts) == 1, "told of the end once"


def unheard_of(house: House, phone: str) -> bool:
    """Cash whose push was never answered and never called back: the provider's list alone tells
    of it (reconciliation). It is taken out of the provider's books for the lives to come."""
    lost = [
        operation
        for operation in house.provider.operations
        if operation.phone == phone
        and operation.kind == "push"
        and operation.plan.calls_back == 0
        and operation.checkout not in house.provider.questions
    ]
    for operation in lost:
        house.provider.operations.remove(operation)
    return bool(lost)


async def try_every_place(dsn: str, provider: Provider, plan: str, make: Make) -> set[Place]:
    """Live once unharmed; then be killed at each place that any life has passed. Two lives do not
    pass quite the same places (who is asked how often depends on who is quicker), so one that is
    not reached again is let go after a few lives."""
    places = list((await one_life(dsn, provider, plan, None, make)).passed)
    killed_at: set[Place] = set()
    for place in places:  # grows by what later lives pass
        for _ in range(LIVES_A_PLACE):
            points = await one_life(dsn, provider, plan, place, make)
            places += [passed for passed in points.passed if passed not in places]
            if points.dead:
                killed_at.add(place)
                break
    return killed_at


def steps(plan: str, make: Make) -> set[str]:
    """Where, at the least, a payment that goes by this plan is killed."""
    is_push = make is deposit
    order = "push" if is_push else "payout"
    names = {f"before the {order} is sent"}
    stages = ["a commit", "a payment {} updated"]
    if is_push:
        stages.append("a payment {} stored")
    if plan != "declined" and not (is_push and plan == "call failed"):
        names.add(f"after the {order} was taken")
    if plan in ("paid", "refused", "answer lost", "called back twice"):
        stages += ["a callback {} stored", "a callback {} handled"]
    for stage in stages:
        names |= {"before " + stage.format("is"), "after " + stage.format("was")}
    return names


async def deposit(house: House, user_id: int) -> Payment:
    return await house.deposit(user_id)


async def withdrawal(house: House, user_id: int) -> Payment:
    return await house.withdrawal(user_id)


@pytest.mark.parametrize("make", [deposit, withdrawal])
@pytest.mark.parametrize("plan", list(PLANS))
async def test_a_payment_survives_a_kill_at_any_place(
    dsn: str, provider: Provider, plan: str, make: Make
) -> None:
    """Issue: a push is never sent twice, a payout only again under its id, money is never lost."""
    killed_at = await try_every_place(dsn, provider, plan, make)
    assert steps(plan, make) <= {name for name, _ in killed_at}
