"""Where configured, no callback credits anything before the provider says the same when asked."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from actors.rails import Paid
from domain.payments import Payment, State
from tests.actors.payments.house import House, living
from tests.actors.payments.provider import REFUSED, Operation, Plan, Provider


async def pushed(house: House, user_id: int) -> tuple[Payment, Operation]:
    """A deposit whose payer has not decided yet, as we and as the provider know it."""
    house.provider.plans[f"2547{user_id:08d}"] = Plan(ending=None)
    payment = await house.deposit(user_id)
    return await house.until(payment, State.PENDING), house.provider.operations[-1]


async def claim(house: House, operation: Operation, receipt: str) -> None:
    """A callback of success at the payment's own address, whoever may have sent it."""
    paid = Paid(receipt=receipt, amount_units=operation.amount * 10**8, phone=operation.phone)
    assert await house.provider.deliver(operation.url, house.provider.result(operation, paid))


@asynccontextmanager
async def undecided(
    dsn: str, provider: Provider, *, confirms: bool = True
) -> AsyncIterator[tuple[House, int, Payment, Operation]]:
    """A house, a person in it, and their deposit whose payer has not decided yet; the books are
    in order afterwards."""
    async with living(dsn, provider, confirms=confirms) as house:
        user_id = await house.person()
        payment, operation = await pushed(house, user_id)
        yield house, user_id, payment, operation
        await house.check_books()


@pytest.mark.parametrize("confirms", [False, True])
async def test_a_true_callback_is_confirmed_and_credited_with_its_receipt(
    dsn: str, provider: Provider, confirms: bool
) -> None:
    """Facts: "confirm by STK or status query before crediting"; without it nobody is asked."""
    async with undecided(dsn, provider, confirms=confirms) as (house, user_id, payment, operation):
        provider.end(operation, Paid())
        done = await house.until(payment, State.COMPLETED)
        assert done.provider_receipt == operation.receipt
        assert provider.questions == ([operation.checkout] if confirms else [])
        await house.settled()
        assert await house.usd(user_id) == ("107.50", "0.00")
        assert len(await house.facts(user_id)) == 1


async def test_a_callback_the_provider_knows_nothing_of_credits_nothing(
    dsn: str, provider: Provider
) -> None:
    """Forged with the right key: it waits, and a true callback still credits, once."""
    async with undecided(dsn, provider) as (house, user_id, payment, operation):
        await claim(house, operation, "FORGED1")
        waiting = await house.eventually(payment, lambda found: found.claim)
        await house.eventually(payment, lambda _: operation.checkout in provider.questions)
        assert (waiting.state, waiting.claim) == (State.PENDING, "FORGED1")
        assert await house.usd(user_id) == ("100.00", "0.00")
        provider.end(operation, Paid())
        await house.eventually(payment, lambda found: found.claim == operation.receipt)
        house.clock.advance(31)  # asked again then
        done = await house.until(payment, State.COMPLETED)
        assert done.provider_receipt == operation.receipt
        assert await house.usd(user_id) == ("107.50", "0.00")


async def test_a_callback_the_provider_contradicts_is_for_a_person(
    dsn: str, provider: Provider
) -> None:
    """Nothing is credited, nothing is called failed, and an operator is told."""
    async with undecided(dsn, provider) as (house, user_id, payment, operation):
        operation.outcome = REFUSED  # known there, and not called back
        await claim(house, operation, "FORGED1")
        doubtful = await house.until(payment, State.UNDER_REVIEW)
        assert "FORGED1" in doubtful.reason
        assert await house.usd(user_id) == ("100.00", "0.00")
        assert await house.alerts(payment) == ["deposit_review"]
        assert (await house.facts(user_id)) == []


async def test_a_claim_that_is_never_confirmed_ends_with_a_person(
    dsn: str, provider: Provider
) -> None:
    """Silence is not evidence either way."""
    async with undecided(dsn, provider) as (house, user_id, payment, operation):
        await claim(house, operation, "FORGED1")
        await house.eventually(payment, lambda found: found.claim)
        for _ in range(30):
            house.clock.advance(3600)
            found = await house.eventually(
                payment,
                lambda now: not now.is_open or now.due_us > house.clock.now_us(),
            )
            if not found.is_open:
                break
        assert found.state is State.UNDER_REVIEW
        assert await house.usd(user_id) == ("100.00", "0.00")
