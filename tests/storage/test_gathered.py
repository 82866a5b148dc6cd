"""Statements of many askers as one (storage/gathered.py)."""

from collections.abc import Sequence

import pytest
import trio
import trio.testing

from storage.driver import TrioConnection
from storage.errors import ConstraintViolation, Unavailable
from storage.gathered import LIMIT, Gathered
from storage.pool import Pool

_TABLE = "CREATE TABLE numbers (n bigint CONSTRAINT is_small CHECK (n < 1000))"


class Numbers:
    """Writes numbers, and remembers which went together."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.gate: trio.Event | None = None

    async def __call__(self, connection: TrioConnection, items: list[int]) -> Sequence[int]:
        self.batches.append(items)
        if self.gate is not None:
            await self.gate.wait()
        await connection.execute("INSERT INTO numbers SELECT unnest(%s::int8[])", [items])
        return [item * 2 for item in items]


async def _all(gathered: "Gathered[int, int]", items: Sequence[int]) -> dict[int, object]:
    got: dict[int, object] = {}

    async def one(item: int) -> None:
        try:
            got[item] = await gathered(item)
        except Exception as error:
            got[item] = error

    async with trio.open_nursery() as nursery:
        for item in items:
            nursery.start_soon(one, item)
    return got


async def test_who_comes_together_is_written_together_and_hears_their_own_answer(
    pool: Pool,
) -> None:
    await pool.execute(_TABLE)
    run = Numbers()
    gathered = Gathered(pool, run, key=lambda item: item)
    assert await gathered(1) == 2
    items = range(2, 400)
    assert await _all(gathered, items) == {item: item * 2 for item in items}
    assert len(run.batches) <= 4
    assert max(map(len, run.batches)) <= LIMIT
    assert await pool.fetch("SELECT count(*) FROM numbers") == [(399,)]


async def test_two_items_of_one_key_never_share_a_statement(pool: Pool) -> None:
    await pool.execute(_TABLE)
    run = Numbers()
    gathered = Gathered(pool, run, key=lambda item: item % 10)
    await _all(gathered, range(100))
    assert all(len({item % 10 for item in batch}) == len(batch) for batch in run.batches)
    assert sorted(item for batch in run.batches for item in batch) == list(range(100))


async def test_an_item_the_database_refuses_fails_alone(pool: Pool) -> None:
    await pool.execute(_TABLE)
    got = await _all(Gathered(pool, Numbers(), key=lambda item: item), [1, 2, 5000, 3])
    assert isinstance(refused := got.pop(5000), ConstraintViolation)
    assert refused.constraint == "is_small"
    assert got == {1: 2, 2: 4, 3: 6}
    assert await pool.fetch("SELECT count(*) FROM numbers") == [(3,)]


async def test_everybody_is_told_when_the_database_is_away(pool: Pool) -> None:
    gathered = Gathered(pool, Numbers(), key=lambda item: item)
    pool._close()
    got = await _all(gathered, [1, 2, 3])
    assert all(isinstance(error, Unavailable) for error in got.values())
    assert len({id(error) for error in got.values()}) == 3


async def test_an_asker_who_goes_away_does_not_hurt_the_others(pool: Pool) -> None:
    """Be it the one that writes for all, or one that waits: that one's item is not written later,
    when nobody wants it any more."""
    await pool.execute(_TABLE)
    run = Numbers()
    run.gate = trio.Event()
    gathered = Gathered(pool, run, key=lambda item: item)
    got: list[int] = []
    leaving = {1: trio.CancelScope(), 2: trio.CancelScope()}

    async def leave(item: int) -> None:
        with leaving[item]:
            await gathered(item)

    async def stay(item: int) -> None:
        got.append(await gathered(item))

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(leave, 1)
            while not run.batches:
                await trio.sleep(0.01)
            nursery.start_soon(leave, 2)
            nursery.start_soon(stay, 3)
            await trio.testing.wait_all_tasks_blocked()
            for scope in leaving.values():
                scope.cancel()
            await trio.testing.wait_all_tasks_blocked()
            run.gate.set()
    assert got == [6]
    written = await pool.fetch("SELECT n FROM numbers ORDER BY n")
    assert written == [(1,), (3,)]


@pytest.mark.parametrize("count", [1, LIMIT, LIMIT + 1])
async def test_a_statement_takes_so_many_and_no_more(pool: Pool, count: int) -> None:
    await pool.execute(_TABLE.replace("1000", "100000"))
    run = Numbers()
    await _all(Gathered(pool, run, key=lambda item: item), range(count))
    assert sum(map(len, run.batches)) == count
    assert max(map(len, run.batches)) <= LIMIT


async def test_who_is_to_write_next_and_goes_away_leaves_it_to_another(pool: Pool) -> None:
    """In whatever order the scheduler lets them hear of both."""
    await pool.execute(_TABLE)
    for _ in range(20):
        run = Numbers()
        run.gate = trio.Event()
        gathered = Gathered(pool, run)
        leaving = trio.CancelScope()

        async def leave(gathered: "Gathered[int, int]", scope: trio.CancelScope) -> None:
            with scope:
                await gathered(2)

        with trio.fail_after(20):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(gathered, 1)
                await _until_begun(run)
                nursery.start_soon(leave, gathered, leaving)
                await trio.testing.wait_all_tasks_blocked()
                nursery.start_soon(gathered, 3)
                await trio.testing.wait_all_tasks_blocked()
                run.gate.set()
                leaving.cancel()
            assert await gathered(4) == 8
        assert [item for batch in run.batches for item in batch if item != 2] == [1, 3, 4]


async def _until_begun(run: Numbers) -> None:
    while not run.batches:
        await trio.sleep(0.001)
