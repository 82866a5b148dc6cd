"""Look-ups by named statements, in sessions of their own (storage/prepared.py)."""

from collections.abc import AsyncIterator

import psycopg
import pytest
import trio

from domain.ledger import AccountKey, wallet
from storage.accounts import PostgresAccounts
from storage.arrays import int8s
from storage.errors import OutcomeUnknown, Unavailable
from storage.pool import Pool
from storage.prepared import LOOKUP_SESSION, Prepared

_DOUBLES = Prepared("doubles", "SELECT n, n * 2 FROM unnest($1::bigint[]) AS k (n) ORDER BY n")
_SLOW = Prepared("slow", "SELECT pg_sleep(30) FROM unnest($1::bigint[])")
_STATEMENTS = "SELECT name, custom_plans, generic_plans FROM pg_prepared_statements"
_ASLEEP = """
SELECT pid FROM pg_stat_activity
WHERE application_name = 'daftari look-ups' AND datname = current_database()
  AND wait_event = 'PgSleep'
"""
_KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE application_name = 'daftari look-ups' AND datname = current_database()
"""


@pytest.fixture
async def lookups(dsn: str) -> AsyncIterator[Pool]:
    async with Pool.opened(dsn, 1, session=LOOKUP_SESSION) as pool:
        yield pool


async def test_rows_of_none_one_and_many(lookups: Pool) -> None:
    for count in (0, 1, 3, 1000):
        rows = await _DOUBLES.rows(lookups, int8s(range(count)))
        assert rows == [(n, 2 * n) for n in range(count)]


async def test_a_session_prepares_a_statement_once_and_never_plans_it_for_its_values(
    lookups: Pool,
) -> None:
    for count in range(1, 10):
        await _DOUBLES.rows(lookups, int8s(range(count)))
    assert await lookups.fetch(_STATEMENTS) == [("doubles", 0, 9)]


async def test_a_new_session_begins_as_the_lost_one_did(lookups: Pool, pool: Pool) -> None:
    await _DOUBLES.rows(lookups, int8s([1]))
    assert await pool.execute(_KILL) == 1
    await trio.sleep(0.05)  # until its farewell has arrived
    assert await _DOUBLES.rows(lookups, int8s([1, 2])) == [(1, 2), (2, 4)]
    assert await lookups.fetch_one("SHOW plan_cache_mode") == ("force_generic_plan",)


async def test_a_read_lost_under_way_has_changed_nothing(lookups: Pool, pool: Pool) -> None:
    failures: list[Exception] = []

    async def ask() -> None:
        with pytest.raises(Unavailable) as caught:
            await _SLOW.rows(lookups, int8s([1]))
        failures.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        while not await pool.fetch(_ASLEEP):
            await trio.sleep(0.005)
        assert await pool.execute(_KILL) == 1
    assert not isinstance(failures[0], OutcomeUnknown)


async def test_a_statement_that_fails_leaves_its_session_usable(lookups: Pool) -> None:
    broken = Prepared("broken", "SELECT 1 / n FROM unnest($1::bigint[]) AS k (n)")
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await broken.rows(lookups, int8s([0]))
    assert await broken.rows(lookups, int8s([1])) == [(1,)]
    unknown = Prepared("unknown", "SELECT no_such_column FROM unnest($1::bigint[])")
    with pytest.raises(psycopg.errors.UndefinedColumn):
        await unknown.rows(lookups, int8s([0]))
    assert await _DOUBLES.rows(lookups, int8s([4])) == [(4, 8)]


async def test_a_cancelled_read_leaves_the_next_one_right(lookups: Pool) -> None:
    for _ in range(5):
        with trio.move_on_after(0.01):
            await _SLOW.rows(lookups, int8s([1]))
        assert await _DOUBLES.rows(lookups, int8s([3])) == [(3, 6)]


async def test_a_session_that_cannot_begin_is_no_session(dsn: str) -> None:
    with pytest.raises(Unavailable):
        async with Pool.opened(dsn, 1, session="SELECT no_such_function()"):
            pass


async def test_recoveries_never_read_a_whole_table(lookups: Pool, pool: Pool) -> None:
    """However small the tables are: the plan is kept while they grow."""
    accounts = PostgresAccounts(pool, lookups)
    keys = [wallet(owner, asset) for owner in range(1, 6) for asset in ("USD", "BTC")]
    for key in keys:
        await accounts.open(key, 1, None)
    absent = AccountKey(99, "USD", "WALLET", "", "", "REAL")
    found = await accounts.load([*reversed(keys), absent])
    assert {account.key for account in found} == set(keys)
    assert {account.number.split("-")[1] for account in found} == {"USD", "BTC"}
    explain = f"EXPLAIN EXECUTE load_accounts ({', '.join(['NULL'] * 6)})"
    plan = "\n".join(row[0] for row in await lookups.fetch(explain))
    assert "Seq Scan" not in plan
    assert plan.count("Index Scan") == 3


async def test_a_statement_that_the_session_has_lost_is_prepared_again(dsn: str) -> None:
    """psycopg answers a rollback with DEALLOCATE ALL once it has prepared anything itself."""
    one = Prepared("one", "SELECT $1::bigint[]")
    async with Pool.opened(dsn, 1) as pool:
        assert await one.rows(pool, int8s([1])) == [([1],)]
        async with pool.connection() as connection:
            await connection.execute("SELECT 1", prepare=True)
        with pytest.raises(ZeroDivisionError):
            async with pool.transaction():
                raise ZeroDivisionError
        await pool.fetch("SELECT 1")
        assert await one.rows(pool, int8s([2])) == [([2],)]
