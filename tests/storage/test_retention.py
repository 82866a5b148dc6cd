"""What is kept for a while only, and what a reader hears who comes after that."""

from collections.abc import Awaitable, Callable

import pytest
import trio
import trio.testing

from actors import housekeeping
from actors.clock import US, Clock
from actors.feed import Feeds
from actors.housekeeping import EVERY_S, KEPT_US, Housekeeping
from domain.events import BotCountChanged, Fact, encode
from protocols.replay import Replay
from storage.errors import Unavailable
from storage.events import PostgresEvents
from storage.idempotency import PostgresIdempotency
from storage.pool import Pool

_EVENT = "INSERT INTO events (feed, id, body, recorded_us) VALUES (%s, %s, %s, %s)"
_KEY = """
INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us) VALUES ('u', %s, '', '', %s)
"""


class Reader:
    """A socket that is open and takes everything."""

    is_open = True
    pending = False


async def heard(store: PostgresEvents, resume_from: int) -> tuple[list[int], list[int]]:
    """Offsets told, and those it was told to reload from."""
    told: list[int] = []
    reloads: list[int] = []

    def tell(_fact: Fact, offset: int | None) -> None:
        assert offset is not None
        told.append(offset)

    await Replay("a", Feeds(), store, Reader(), tell, resume_from).catch_up(reloads.append)
    return told, reloads


async def test_events_of_last_month_go_and_their_readers_are_told_to_reload_once(
    pool: Pool,
) -> None:
    """X-C28."""
    body = encode(BotCountChanged(total_bots=1))
    for number in range(1, 7):
        feed = "b" if number == 6 else "a"
        await pool.execute(_EVENT, [feed, number, body, number * US])
    store = PostgresEvents(pool)
    assert await heard(store, 2) == ([3, 4, 5], [])
    assert await store.purge(4 * US) == 3
    assert await store.purge(4 * US) == 0
    assert await heard(store, 2) == ([], [5])
    assert await heard(store, 3) == ([4, 5], [])
    assert await store.purge(7 * US) == 3
    # Nothing of the feed is left: who has reloaded, or begins now, has missed nothing.
    assert await store.newest("a") == await store.newest("c") == await store.forgotten() == 6
    assert await heard(store, 5) == ([], [6])
    assert await heard(store, 6) == ([], [])


async def test_keys_and_events_are_forgotten_after_a_month_and_not_before(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """X-C29: keys are good for a week at least. An outage only puts it off."""
    monkeypatch.setattr(housekeeping, "PAUSE_S", 0.0)
    clock = Clock(wall_us=lambda: 10 * KEPT_US)
    body = encode(BotCountChanged(total_bots=1))
    for number in range(3):
        at_us = clock.now_us() + number * KEPT_US // 2
        await pool.execute(_KEY, [f"{number}", at_us])
        await pool.execute(_EVENT, ["a", number + 1, body, at_us])
    away = [True]

    async def failing(_before_us: int) -> int:
        if away[0]:
            raise Unavailable("away")
        return 0

    async def left() -> int:
        rows = await pool.fetch(
            "SELECT (SELECT count(*) FROM idempotency) + (SELECT count(*) FROM events)"
        )
        return int(rows[0][0])

    async def until(holds: Callable[[], Awaitable[bool]]) -> None:
        with trio.fail_after(10):
            while not await holds():
                await trio.sleep(0.01)

    chores = (failing, PostgresIdempotency(pool).purge, PostgresEvents(pool).purge)
    async with trio.open_nursery() as nursery:
        await nursery.start(Housekeeping(chores, clock, (Unavailable,)).run)
        clock.advance(KEPT_US // US + 1)
        await trio.testing.wait_all_tasks_blocked(0.05)
        assert await left() == 6
        away[0] = False
        clock.advance(int(EVERY_S))

        async def first_pair_is_gone() -> bool:
            return await left() == 4

        await until(first_pair_is_gone)
        clock.advance(KEPT_US // US)

        async def all_gone() -> bool:
            clock.advance(int(EVERY_S))  # it may have been at work when the month ended
            return await left() == 0

        await until(all_gone)
        nursery.cancel_scope.cancel()
