"""The pool: bounded, translating, self-healing."""

import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import psycopg
import pytest
import trio
import trio.testing

from storage.driver import TrioConnection
from storage.errors import (
    ConstraintViolation,
    StorageError,
    Unavailable,
    UniqueViolation,
)
from storage.pool import Pool


async def _with_table(pool: Pool) -> None:
    await pool.execute(
        "CREATE TABLE shelf (id int CONSTRAINT shelf_id_key UNIQUE,"
        " weight int CONSTRAINT shelf_weight_check CHECK (weight > 0))"
    )


async def _insert_in_one_transaction(pool: Pool, *ids: int) -> None:
    async with pool.transaction() as connection:
        for number in ids:
            await connection.execute("INSERT INTO shelf VALUES (%s, 1)", (number,))


async def _insert_then_fail(
    block: AbstractAsyncContextManager[TrioConnection], number: int
) -> None:
    async with block as connection:
        await connection.execute("INSERT INTO shelf VALUES (%s, 1)", (number,))
        raise ZeroDivisionError


async def _try_with(pool: Pool, setting: str, sql: str) -> None:
    async with pool.transaction() as connection:
        await connection.execute(f"SET LOCAL {setting}")
        await connection.execute(sql)


@asynccontextmanager
async def _savepoint(connection: TrioConnection) -> AsyncIterator[TrioConnection]:
    async with connection.transaction():
        yield connection


async def _swallow_a_failure(pool: Pool) -> None:
    async with pool.transaction() as connection:
        with pytest.raises(psycopg.errors.DivisionByZero):
            await connection.execute("SELECT 1/0")


async def test_fetch_returns_every_row_with_python_values(bare_pool: Pool) -> None:
    rows = await bare_pool.fetch("SELECT n, n::text FROM generate_series(1, %s) AS n", (3,))
    assert rows == [(1, "1"), (2, "2"), (3, "3")]


async def test_fetch_one_returns_none_without_a_row(bare_pool: Pool) -> None:
    assert await bare_pool.fetch_one("SELECT 1 WHERE false") is None


async def test_execute_counts_the_rows_touched(bare_pool: Pool) -> None:
    await _with_table(bare_pool)
    assert await bare_pool.execute("INSERT INTO shelf SELECT generate_series(1, 4), 1") == 4


async def test_a_duplicate_key_is_named_by_its_constraint(bare_pool: Pool) -> None:
    await _with_table(bare_pool)
    await bare_pool.execute("INSERT INTO shelf VALUES (1, 1)")
    with pytest.raises(UniqueViolation) as caught:
        await bare_pool.execute("INSERT INTO shelf VALUES (1, 1)")
    assert caught.value.constraint == "shelf_id_key"


async def test_a_failed_check_is_named_by_its_constraint(bare_pool: Pool) -> None:
    await _with_table(bare_pool)
    with pytest.raises(ConstraintViolation) as caught:
        await bare_pool.execute("INSERT INTO shelf VALUES (1, 0)")
    assert caught.value.constraint == "shelf_weight_check"


@pytest.mark.parametrize(
    ("setting", "sql"),
    [
        ("statement_timeout = '50ms'", "SELECT pg_sleep(10)"),
        ("transaction_read_only = on", "CREATE TABLE other (id int)"),
        ("lock_timeout = '50ms'", "LOCK TABLE shelf"),
    ],
)
async def test_a_server_that_cannot_do_it_now_is_unavailable(
    bare_pool: Pool, setting: str, sql: str
) -> None:
    """A query cancelled, a stand-by after a fail-over, a lock somebody keeps."""
    await _with_table(bare_pool)
    async with bare_pool.transaction() as held:
        await held.execute("LOCK TABLE shelf")
        with pytest.raises(Unavailable):
            await _try_with(bare_pool, setting, sql)


async def test_a_transaction_commits_whole_or_rolls_back_whole(bare_pool: Pool) -> None:
    await _with_table(bare_pool)
    await _insert_in_one_transaction(bare_pool, 1)
    with pytest.raises(UniqueViolation):
        await _insert_in_one_transaction(bare_pool, 2, 1)
    assert await bare_pool.fetch("SELECT id FROM shelf") == [(1,)]


async def test_a_transaction_rolls_back_on_any_exception_of_the_block(bare_pool: Pool) -> None:
    await _with_table(bare_pool)
    with pytest.raises(ZeroDivisionError):
        await _insert_then_fail(bare_pool.transaction(), 1)
    assert await bare_pool.fetch("SELECT id FROM shelf") == []


async def test_a_savepoint_inside_a_transaction_rolls_back_alone(bare_pool: Pool) -> None:
    await _with_table(bare_pool)
    async with bare_pool.transaction() as connection:
        await connection.execute("INSERT INTO shelf VALUES (1, 1)")
        with pytest.raises(ZeroDivisionError):
            await _insert_then_fail(_savepoint(connection), 2)
    assert await bare_pool.fetch("SELECT id FROM shelf") == [(1,)]


async def test_a_transaction_whose_failure_was_swallowed_does_not_pass_as_committed(
    bare_pool: Pool,
) -> None:
    with pytest.raises(StorageError, match="rolled back"):
        await _swallow_a_failure(bare_pool)


async def test_a_cancelled_caller_inside_commit_still_commits(bare_pool: Pool) -> None:
    """storage-facts.md: a cancelled COMMIT is ambiguous, so it is shielded."""
    await _with_table(bare_pool)
    with trio.CancelScope() as scope:
        async with bare_pool.transaction() as connection:
            await connection.execute("INSERT INTO shelf VALUES (1, 1)")
            scope.cancel()
    assert await bare_pool.fetch("SELECT id FROM shelf") == [(1,)]


async def test_an_exhausted_pool_refuses_in_time_and_serves_again(empty_dsn: str) -> None:
    async with Pool.opened(empty_dsn, size=2, acquire_within_s=0.05) as pool:
        async with pool.connection(), pool.connection():
            with pytest.raises(Unavailable, match="no connection came free"):
                await pool.fetch("SELECT 1")
        assert await pool.fetch("SELECT 1") == [(1,)]


async def test_whoever_got_a_place_in_time_is_served_though_woken_after_the_deadline(
    empty_dsn: str,
) -> None:
    """A busy machine wakes a waiter late; with no session kept, one had a negative time to open."""
    answers: list[object] = []
    async with Pool.opened(empty_dsn, size=1, acquire_within_s=0.2) as pool:

        async def wait_for_the_place() -> None:
            answers.append(await pool.fetch("SELECT 1"))

        async with trio.open_nursery() as nursery:
            async with pool.connection() as connection:
                nursery.start_soon(wait_for_the_place)
                await trio.testing.wait_all_tasks_blocked()
                connection.discard()
            time.sleep(0.3)  # noqa: ASYNC251  # the machine is busy with something else
    assert answers == [[(1,)]]


async def test_the_pool_never_opens_more_sessions_than_its_size(empty_dsn: str) -> None:
    most = 0
    async with Pool.opened(empty_dsn, size=3) as pool, Pool.opened(empty_dsn, size=1) as watcher:

        async def work() -> None:
            nonlocal most
            await pool.fetch("SELECT pg_sleep(0.01)")
            rows = await watcher.fetch(
                "SELECT count(*) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            most = max(most, rows[0][0])

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(work)
    assert most == 3


async def test_sessions_the_server_ended_are_replaced_unnoticed(
    bare_pool: Pool, empty_dsn: str
) -> None:
    async with Pool.opened(empty_dsn, size=1) as other:
        async with bare_pool.connection(), bare_pool.connection(), bare_pool.connection():
            pass
        await other.fetch(
            "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await bare_pool.fetch("SELECT 1") == [(1,)]


async def test_a_database_that_is_not_there_is_unavailable_at_once(empty_dsn: str) -> None:
    with pytest.raises(Unavailable), trio.fail_after(2):
        async with Pool.opened(f"{empty_dsn} host=/nonexistent"):
            pass


async def test_a_closed_pool_refuses(empty_dsn: str) -> None:
    async with Pool.opened(empty_dsn) as pool:
        pass
    with pytest.raises(Unavailable, match="closed"):
        await pool.fetch("SELECT 1")
