"""An asker that goes away at any of its waits leaves a whole transfer, or none."""

from collections.abc import Awaitable, Callable

import trio

from actors.clock import Clock
from actors.idempotency import Idempotency, Repeat
from domain.ledger import Effects, Intent, Posting, Recorded, Refusal, Ticket, wallet
from storage.idempotency import PostgresIdempotency
from tests.ledger.house import House, close, transfer

PAYER, HOLDER = 1, 2


class CancelAtStep(trio.abc.Instrument):
    """Cancels the scope when its task goes to sleep for the n-th time (from 0)."""

    def __init__(self, step: int) -> None:
        self.scope = trio.CancelScope()
        self.steps_left = step
        self._task: trio.lowlevel.Task | None = None

    async def run(self, operation: Callable[[], Awaitable[object]]) -> bool:
        """Whether the operation came to its end."""
        self._task = trio.lowlevel.current_task()
        trio.lowlevel.add_instrument(self)
        try:
            with self.scope:
                await operation()
        finally:
            trio.lowlevel.remove_instrument(self)
        return not self.scope.cancelled_caught

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        if task is self._task:
            if self.steps_left == 0:
                self.scope.cancel()
            self.steps_left -= 1


async def _at_every_wait(
    house: House,
    operation: Callable[[int], Awaitable[object]],
    is_done: Callable[[int], Awaitable[bool]],
) -> int:
    """Cancel `operation` at its first wait, its second, … until it comes through a few times (how
    often it waits depends on the network); how many times it was cancelled."""
    number = step = through = 0
    while through < 3:
        house.passivate()
        instrument = CancelAtStep(step)
        completed = await instrument.run(lambda: operation(number))  # noqa: B023  # awaited now
        await house.journal.drain()
        house.nothing_is_reserved()
        done = await is_done(number)
        assert done or not completed
        number += 1
        step += not completed
        through += completed
    return step


async def test_a_transfer_cancelled_at_any_wait_is_whole_or_nothing(house: House) -> None:
    """architecture.md, "Actors": what was accepted is committed, found by its key."""
    await house.fund(PAYER, 1000)

    async def pay(number: int) -> None:
        await house.ledger.record(transfer(PAYER, 100 + number, 1, key=f"{number}"))

    async def is_done(number: int) -> bool:
        keys = await house.count("SELECT count(*) FROM idempotency WHERE key = %s", f"{number}")
        events = await house.count(
            "SELECT count(*) FROM events WHERE feed = %s", f"user:{100 + number}"
        )
        assert keys == events == await house.balance(100 + number)
        return keys == 1

    cancelled = await _at_every_wait(house, pay, is_done)
    assert cancelled >= 5  # two recoveries, the opening, the commit
    await house.balances()


async def test_placing_and_closing_a_hold_cancelled_at_any_wait_is_whole_or_nothing(
    house: House,
) -> None:
    await house.fund(HOLDER, 1000)

    async def hold_and_post(number: int) -> None:
        hold = await house.hold(HOLDER, 2)
        await house.ledger.record(close(hold, 100 + number, 1))

    async def is_done(number: int) -> bool:
        return await house.balance(100 + number) == 1

    cancelled = await _at_every_wait(house, hold_and_post, is_done)
    assert cancelled >= 6
    await house.balances()


async def test_a_request_cancelled_at_any_wait_is_repeated_without_paying_twice(
    house: House,
) -> None:
    """X-C29: the repeat hears what the first would have heard, or carries the request out."""
    await house.fund(PAYER, 1000)
    keys = Idempotency(PostgresIdempotency(house.pool), Clock(), house.journal.keys)

    async def pay(number: int) -> bytes | Refusal:
        async def operation(ticket: Ticket) -> tuple[bytes, bool]:
            recorded = await house.ledger.record(_with_ticket(100 + number, ticket))
            assert isinstance(recorded, Recorded), recorded
            return _outcome(recorded).outcome, False

        return await keys.once("user:1", f"{number}", b"pay", operation)

    async def is_done(number: int) -> bool:
        before = await house.balance(100 + number)
        again = await pay(number)
        assert isinstance(again, Repeat) == (before == 1)
        assert await pay(number) == again
        assert await house.balance(100 + number) == 1
        return before == 1

    cancelled = await _at_every_wait(house, pay, is_done)
    assert cancelled >= 6
    await house.balances()


def _with_ticket(payee: int, ticket: Ticket) -> Intent:
    posting = Posting(wallet(PAYER, "USD"), wallet(payee, "USD"), 1)
    return Intent(kind="TRANSFER", postings=(posting,), ticket=ticket, effects=_outcome)


def _outcome(recorded: Recorded) -> Effects:
    return Effects(outcome=f"receipt {recorded.receipt}".encode())


async def test_what_was_accepted_is_committed_without_its_asker(house: House) -> None:
    await house.fund(PAYER, 10)
    house.store.commits.close()
    await house.abandon(house.ledger.record, transfer(PAYER, 100, 4))
    house.store.commits.open()
    await house.balances()
    assert await house.balance(100) == 4


async def test_everybody_may_leave_at_once(house: House) -> None:
    await house.fund(PAYER, 1000)
    with trio.move_on_after(0.05) as scope:
        async with trio.open_nursery() as nursery:
            for payee in range(100, 300):
                nursery.start_soon(house.ledger.record, transfer(PAYER, payee, 5))
            await trio.sleep(0.02)
            scope.cancel()
    await house.balances()
    journals = await house.count("SELECT count(*) FROM journals WHERE kind = 'TRANSFER'")
    assert await house.balance(PAYER) == 1000 - 5 * journals
