"""A payout whose call fails again and again: held, tried anew, and never open in silence."""

import trio

from domain.payments import State
from tests.actors.payments.house import House
from tests.actors.payments.provider import Plan

PHONE = "254712000500"
SOON_S = 61
HOUR_S = 3600


async def test_a_payout_nobody_answers_is_an_operators_to_see_and_paid_once_when_it_can_be(
    house: House,
) -> None:
    house.provider.plans[PHONE] = Plan(answers=["fail"])
    user_id = await house.person()
    made = await house.withdrawal(user_id, PHONE)
    seen: set[int] = set()
    with trio.fail_after(60):
        while not await house.alerts(made):
            payment = await house.now(made)
            if not payment.asking and payment.attempts not in seen:
                seen.add(payment.attempts)
                house.clock.advance(HOUR_S if len(seen) > 4 else SOON_S)
            await trio.sleep(0.01)
    assert await house.alerts(made) == ["payout_unresolved"]
    payment = await house.now(made)
    assert payment.state is State.UNKNOWN
    assert await house.usd(user_id) == ("100.00", "5.50")
    (review,) = await house.payments.waiting(10)
    assert review.reference == made.ref
    house.provider.plans[PHONE] = Plan()
    with trio.fail_after(60):
        while (await house.now(made)).is_open:
            house.clock.advance(HOUR_S)
            await trio.sleep(0.1)
    assert (await house.now(made)).state is State.COMPLETED
    assert len(house.provider.operations) == 1
    assert await house.usd(user_id) == ("94.50", "0.00")
    assert not await house.payments.waiting(10)
    await house.check_books()
