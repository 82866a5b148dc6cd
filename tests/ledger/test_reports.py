"""What `verify` reports of ledgers nobody has tampered with."""

import psycopg
import pytest
import trio

from storage.pool import Pool
from storage.verify import verify
from tests.ledger.filled import ANN, BEN, fill
from tests.ledger.house import House, living, transfer


async def test_a_report_counts_and_totals(dsn: str, pool: Pool) -> None:
    async with living(dsn) as house:
        await fill(house)
    report = await verify(dsn)
    assert report == await verify(pool)
    assert report.balanced
    assert (report.journals, report.accounts) == (11, 7)
    assert report.totals == {"BTC": "0", "USD": "0"}
    assert report.differences == []
    lines = report.table().splitlines()
    assert lines[0].split() == ["check", "rows", "result"]
    assert len(lines) == 1 + len(report.checks) + 2
    assert all(line.endswith((" ok", " 0")) for line in lines[1:])


async def test_an_empty_ledger_is_balanced(dsn: str) -> None:
    report = await verify(dsn)
    assert report.balanced
    assert (report.journals, report.accounts, report.totals) == (0, 0, {})


async def test_a_ledger_is_verified_while_it_is_written(house: House) -> None:
    await house.fund(ANN, 10_000)
    over = trio.Event()

    async def keep_paying() -> None:
        while not over.is_set():
            await house.must(transfer(ANN, BEN, 1))
            await house.must(transfer(BEN, ANN, 1))

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(keep_paying)
        seen = [await verify(house.pool) for _ in range(10)]
        over.set()
    assert all(report.balanced for report in seen), [r.differences for r in seen]
    assert seen[0].journals < seen[-1].journals
    await house.balances()


async def test_a_database_that_is_away_is_no_unbalanced_ledger(dsn: str) -> None:
    with pytest.raises(psycopg.OperationalError):
        await verify("host=/nowhere port=1")
