"""What the cashier's tests have instead of a database and a market."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from actors.account import Account
from actors.batch import Batch, Counters
from actors.journal import RowConflict, WriterState
from actors.ledger_reads import Entry, Leg, Receipt, ReceiptJournal
from actors.rates import RatesUnavailable
from domain import events as facts
from domain.events import Fact
from domain.fx import Quote, cross_rate, market_pair
from domain.identity import TokenConsumed
from domain.ledger import AccountKey, Fee, Ticket, may_overdraw
from domain.money import units_of
from tests.actors.users.house import House as Identity
from tests.protocols.cashier.payments import MemoryPayments

START_US = 1_706_360_400_000_000  # 2024-01-27T13:00:00Z


class StorageAway(Exception):
    """What this house's storage raises while it is away."""


@dataclass
class Books:
    """What a database would hold. `away` makes every read fail."""

    accounts: dict[AccountKey, Account] = field(default_factory=dict)
    numbers: dict[AccountKey, str] = field(default_factory=dict)
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    journals: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[int, str, bytes]] = field(default_factory=list)
    holds: dict[int, int] = field(default_factory=dict)
    keys: dict[tuple[str, str], tuple[bytes, bytes]] = field(default_factory=dict)
    changes: list[Any] = field(default_factory=list)
    counters: Counters = field(default_factory=Counters)
    forgotten_offset: int = 0
    away: bool = False
    gate: trio.Event | None = None  # commits wait for it
    fault: Exception | None = None  # commits raise it

    def _check(self) -> None:
        if self.away:
            raise StorageAway

    # actors.account.AccountStore

    async def load(self, keys: Sequence[AccountKey]) -> list[Account]:
        self._check()
        await trio.lowlevel.checkpoint()
        return [self.accounts[key] for key in keys if key in self.accounts]

    async def open(self, key: AccountKey, created_us: int, number: str | None) -> Account:
        self._check()
        await trio.lowlevel.checkpoint()
        if key not in self.accounts:
            id_ = 100_001 + len(self.accounts)
            prefix = f"SYS-{key.purpose}-" if may_overdraw(key) else f"ACC-{key.asset}-"
            self.accounts[key] = Account(
                id_, key, number or f"{prefix}{id_}", created_us=created_us
            )
        return self.accounts[key]

    # actors.ledger_reads.AccountReads

    async def owned_by(self, owner_id: int) -> list[Account]:
        self._check()
        await trio.lowlevel.checkpoint()
        return [a for key, a in self.accounts.items() if key.owner == owner_id]

    async def by_number(self, number: str) -> Account | None:
        self._check()
        await trio.lowlevel.checkpoint()
        return next((a for a in self.accounts.values() if a.number == number), None)

    # actors.ledger_reads.LedgerReads

    def _of(self, account_id: int, start_us: int, end_us: int) -> list[tuple[int, Entry]]:
        receipts = {row[0]: row[2] for row in self.journals}
        return [
            (row[4], Entry(row[0], row[1], row[5], row[6], row[7], receipts[row[1]], row[8]))
            for row in self.entries
            if row[2] == account_id and start_us <= row[8] <= end_us
        ]

    async def balance_before(self, account_id: int, at_us: int) -> int:
        self._check()
        await trio.lowlevel.checkpoint()
        lines = self._of(account_id, -(10**18), at_us - 1)
        return lines[-1][1].balance_after if lines else 0

    async def lines_after(
        self, account_id: int, start_us: int, end_us: int, sequence: int, limit: int
    ) -> list[tuple[int, Entry]]:
        await trio.lowlevel.checkpoint()
        lines = self._of(account_id, start_us, end_us)
        return [line for line in lines if (line[1].recorded_us, line[0]) > (start_us, sequence)][
            :limit
        ]

    async def page(
        self, account_id: int, start_us: int, end_us: int, limit: int, offset: int
    ) -> list[Entry]:
        await trio.lowlevel.checkpoint()
        lines = [entry for _, entry in self._of(account_id, start_us, end_us)][::-1]
        return lines[offset : offset + limit]

    async def count(self, account_id: int, start_us: int, end_us: int) -> int:
        await trio.lowlevel.checkpoint()
        return len(self._of(account_id, start_us, end_us))

    async def receipt(self, receipt: int, owner_id: int, assets: Collection[str]) -> Receipt | None:
        self._check()
        await trio.lowlevel.checkpoint()
        rows = [row for row in self.journals if row[2] == receipt]
        if not rows:
            return None
        mine = {a.id: a for a in self.accounts.values() if a.key.owner == owner_id}
        ids = {row[0] for row in rows}
        legs = tuple(
            Leg(e[1], mine[e[2]].number, e[3], e[5], e[6], e[7])
            for e in self.entries
            if e[1] in ids and e[2] in mine and e[3] in assets
        )
        journals = tuple(
            ReceiptJournal(
                row[0],
                row[1],
                row[5],
                row[9],
                msgspec.json.decode(row[6], type=tuple[Fee, ...]) if row[6] else (),
                row[11],
            )
            for row in rows
        )
        held = any(self.holds.get(id_) in mine for id_ in ids)
        party = bool(legs) or held or any(r[3] == owner_id for r in rows)
        return Receipt(journals, legs, party, shown=bool(legs) or held)

    # actors.idempotency.OutcomeStore

    async def find(self, scope: str, key: str) -> tuple[bytes, bytes] | None:
        self._check()
        await trio.lowlevel.checkpoint()
        return self.keys.get((scope, key))

    async def remember(self, ticket: Ticket, outcome: bytes, at_us: int) -> None:
        self.keys[ticket.scope, ticket.key] = (ticket.fingerprint, outcome)

    # actors.feed.EventStore

    async def since(self, feed: str, offset: int, limit: int) -> list[tuple[int, Fact]]:
        self._check()
        await trio.lowlevel.checkpoint()
        return [(i, facts.decode(b)) for i, f, b in self.events if f == feed and i > offset][:limit]

    async def newest(self, feed: str) -> int:
        self._check()
        return max((i for i, f, _ in self.events if f == feed), default=0)

    async def forgotten(self) -> int:
        return self.forgotten_offset


class Ink:
    """actors.journal.JournalStore on Books."""

    def __init__(self, books: Books, identity: Identity, payments: MemoryPayments) -> None:
        self._books = books
        self._identity = identity
        self._payments = payments
        self._batch = 0

    def _write(self, change: Any) -> bool:
        """Write one change; whether exactly one row was touched."""
        if isinstance(change, TokenConsumed):
            fresh: bool = self._identity.proofs.spend(change)
            return fresh
        return self._payments.write(change)

    async def open(self, expected_epoch: int | None) -> WriterState:
        return WriterState(1, self._batch, self._books.counters)

    async def commit(self, batch: Batch, epoch: int, meanwhile: Callable[[], None]) -> None:
        meanwhile()
        await trio.lowlevel.checkpoint()
        books = self._books
        if books.gate is not None:
            await books.gate.wait()
        if books.fault is not None:
            raise books.fault
        if any((row[0], row[1]) in books.keys for row in batch.keys):
            raise RowConflict("idempotency_key")
        for change in batch.changes:
            if not self._write(change):
                raise RowConflict(type(change).__name__)
        books.journals += batch.journals
        books.entries += batch.entries
        books.events += batch.events
        books.changes += batch.changes
        books.holds |= {row[0]: row[1] for row in batch.placed}
        for scope, key, fingerprint, outcome in batch.keys:
            books.keys[scope, key] = (fingerprint, outcome)
        books.counters = batch.counters
        self._batch = batch.number

    async def close(self) -> None:
        pass


class Market:
    """Rates as a table; a pair that is missing has no quote."""

    def __init__(self) -> None:
        self.usd = {
            "BTC/USD": units_of("42650.50"),
            "USDT/USD": units_of("1"),
            "USDC/USD": units_of("1"),
            "TRX/USD": units_of("0.08"),
            "USD/KES": units_of("133.33"),
        }

    async def quote(self, one: str, other: str) -> Quote:
        await trio.lowlevel.checkpoint()
        rate = cross_rate(self.usd, one, other)
        if rate is None:
            raise RatesUnavailable
        return Quote(789, *market_pair(one, other), rate, START_US)
