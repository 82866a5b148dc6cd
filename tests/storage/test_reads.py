"""Lines and receipts read from a real database, against what the ledger recorded."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import trio

from actors.account import Accounts
from actors.clock import Clock
from actors.feed import Feeds
from actors.journal import Journal
from actors.ledger import Ledger
from domain.ledger import (
    Fee,
    Hold,
    Intent,
    Posting,
    Recorded,
    SystemPurpose,
    system,
    wallet,
)
from domain.money import units_of
from storage.accounts import PostgresAccounts
from storage.journal import PostgresJournal
from storage.partners import load_partners
from storage.pool import Pool
from storage.reads import PostgresLedgerReads

START_US = 1_706_360_400_000_000
SECOND = 1_000_000
ANN, BOB, EVE = 1, 2, 3
FIAT = ["USD", "KES"]


class Bench:
    """A ledger on the test's database and the reads beside it."""

    def __init__(self, ledger: Ledger, pool: Pool, clock: Clock) -> None:
        self.ledger = ledger
        self.clock = clock
        self.accounts = PostgresAccounts(pool)
        self.reads = PostgresLedgerReads(pool)

    async def record(self, intent: Intent) -> Recorded:
        recorded = await self.ledger.record(intent)
        assert isinstance(recorded, Recorded)
        return recorded

    async def fund(self, owner: int, amount: str) -> Recorded:
        source = system("USD", SystemPurpose.SANDBOX_FUNDING)
        posting = Posting(source, wallet(owner, "USD"), units_of(amount), "Funding")
        return await self.record(Intent(kind="DEPOSIT", postings=(posting,), description="Funding"))

    async def id_of(self, owner: int) -> int:
        account = await self.ledger.accounts.get(wallet(owner, "USD"))
        assert account is not None
        return account.id


@asynccontextmanager
async def bench(dsn: str, pool: Pool) -> AsyncIterator[Bench]:
    clock = Clock(wall_us=lambda: START_US)
    accounts = Accounts(PostgresAccounts(pool), clock)
    async with trio.open_nursery() as nursery:
        journal = Journal(PostgresJournal(dsn), Feeds(), clock)
        await nursery.start(accounts.run)
        await nursery.start(journal.run)
        yield Bench(Ledger(accounts, journal), pool, clock)
        nursery.cancel_scope.cancel()


async def test_lines_of_a_period_are_found_paged_and_counted(dsn: str, pool: Pool) -> None:
    """CASH-C54, CASH-446: both ends included, newest first, total of the whole period."""
    async with bench(dsn, pool) as here:
        for amount in ("1", "2", "3", "4"):
            await here.fund(ANN, amount)
            here.clock.advance(10)
        ann = await here.id_of(ANN)
        second, third = START_US + 10 * SECOND, START_US + 20 * SECOND
        assert await here.reads.balance_before(ann, START_US) == 0
        assert await here.reads.balance_before(ann, second) == units_of("1")
        assert await here.reads.balance_before(ann, third + 1) == units_of("6")
        page = await here.reads.page(ann, second, third, 10, 0)
        assert [e.amount for e in page] == [units_of("3"), units_of("2")]
        assert [e.balance_after for e in page] == [units_of("6"), units_of("3")]
        page = await here.reads.page(ann, 0, third, 1, 1)
        assert [e.amount for e in page] == [units_of("2")]
        for start, end, count in (
            (second, third, 2),
            (0, 2 * START_US, 4),
            (second + 1, third - 1, 0),
            (0, START_US - 1, 0),
            (2 * START_US, 3 * START_US, 0),
        ):
            assert await here.reads.count(ann, start, end) == count


async def test_lines_of_one_instant_are_read_in_chunks_without_loss(dsn: str, pool: Pool) -> None:
    """A commit may give many lines the same time; the sequence tells them apart."""
    async with bench(dsn, pool) as here:
        await here.fund(ANN, "100")
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                posting = Posting(wallet(ANN, "USD"), wallet(BOB, "USD"), units_of("1"), "x")
                nursery.start_soon(here.record, Intent(kind="TRANSFER", postings=(posting,)))
        ann = await here.id_of(ANN)
        seen = []
        start, sequence = 0, 0
        while chunk := await here.reads.lines_after(ann, start, START_US, sequence, 3):
            seen += [line[0] for line in chunk]
            sequence, start = chunk[-1][0], chunk[-1][1].recorded_us
        assert seen == list(range(1, 22))


async def test_a_receipt_shows_an_owner_their_own_legs_only(dsn: str, pool: Pool) -> None:
    """CASH-C46, CASH-C47."""
    async with bench(dsn, pool) as here:
        await here.fund(ANN, "100")
        ann, fees = wallet(ANN, "USD"), system("USD", SystemPurpose.FEE_INCOME)
        held = await here.record(Intent(kind="WITHDRAWAL", place=Hold(ann, units_of("11"))))
        before = await here.reads.receipt(held.receipt, ANN, FIAT)
        assert before is not None
        assert before.party
        assert before.legs == ()
        settle = Intent(
            kind="WITHDRAWAL",
            description="Cash",
            postings=(
                Posting(ann, wallet(BOB, "USD"), units_of("10"), "Cash"),
                Posting(ann, fees, units_of("1"), "Fee"),
            ),
            close=Hold(ann, units_of("11"), held.journal_id),
            receipt=held.receipt,
            fees=(Fee("AGENT_FEE", units_of("1"), "USD"),),
        )
        await here.record(settle)
        for owner, amounts in ((ANN, ["-10", "-1"]), (BOB, ["10"]), (EVE, [])):
            receipt = await here.reads.receipt(held.receipt, owner, FIAT)
            assert receipt is not None
            assert [leg.amount for leg in receipt.legs] == [units_of(a) for a in amounts]
            assert receipt.party is bool(amounts)
            assert [j.entry_count for j in receipt.journals] == [0, 4]
            assert receipt.journals[1].fees == (Fee("AGENT_FEE", units_of("1"), "USD"),)
        assert await here.reads.receipt(999_999_999, ANN, FIAT) is None


async def test_whoever_initiated_a_journal_is_a_party_of_it(dsn: str, pool: Pool) -> None:
    async with bench(dsn, pool) as here:
        recorded = await here.record(Intent(kind="WITHDRAWAL", initiator=EVE))
        receipt = await here.reads.receipt(recorded.receipt, EVE, FIAT)
        assert receipt is not None
        assert receipt.party


async def test_every_read_goes_by_an_index(dsn: str, pool: Pool) -> None:
    """storage-facts.md: no read of the ledger may scan a table that only grows."""
    from storage import reads

    plans = {
        reads._BALANCE_BEFORE: [1, 1],
        reads._LINES_AFTER: [1, 1, 1, 1, 1],
        reads._PAGE: [1, 1, 1, 1, 1],
        reads._FIRST_AND_LAST: {"id": 1, "start": 1, "end": 1},
        reads._JOURNALS: {"receipt": 1, "owner": 1, "assets": FIAT},
        reads._LEGS: [FIAT, 1, 1],
    }
    async with pool.transaction() as connection:
        await connection.execute("SET LOCAL enable_seqscan = off")
        for sql, params in plans.items():
            cursor = await connection.execute("EXPLAIN " + sql, params)
            plan = "\n".join(row[0] for row in await cursor.fetchall())
            assert "Seq Scan" not in plan, plan


async def test_the_seeded_partner_is_there(pool: Pool) -> None:
    """CASH-502."""
    (partner,) = (await load_partners(pool)).of_service("mpesa")
    assert (partner.id, partner.name) == ("safaricom_mpesa", "Safaricom M-Pesa")
    assert (partner.currency, partner.is_active) == ("KES", True)
    assert (partner.deposit.percent, partner.withdrawal.percent) == (units_of("0.5"), units_of("1"))
