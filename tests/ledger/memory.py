"""A database in memory that fails as a real one does, for seeded simulation only."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import trio

from actors.account import Account
from actors.batch import Batch, Counters
from actors.journal import NotCommitted, OutcomeUnknown, RowConflict, Unwritable, WriterState
from domain.ledger import AccountKey, may_overdraw


class Away(Exception):
    """A read that failed."""


@dataclass
class Row:
    """An account and its balance at rest."""

    id: int
    key: AccountKey
    number: str
    debits: int = 0
    credits: int = 0
    pending: int = 0
    sequence: int = 0
    last_us: int = 0


@dataclass
class MemoryDatabase:
    """Implements AccountStore and JournalStore. Every call takes its time and may fail."""

    rng: random.Random
    rows: dict[AccountKey, Row] = field(default_factory=dict)
    journals: list[tuple[Any, ...]] = field(default_factory=list)
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)
    holds: dict[int, tuple[int, int, str, int]] = field(default_factory=dict)
    keys: dict[tuple[str, str], bytes] = field(default_factory=dict)
    state: WriterState = field(default_factory=lambda: WriterState(1, 0, Counters()))
    failing: bool = True
    faults: Counter[str] = field(default_factory=Counter)
    live: dict[AccountKey, Account] = field(default_factory=dict)

    def _happens(self, what: str, chance: float) -> bool:
        happens = self.failing and self.rng.random() < chance
        self.faults[what] += happens
        return happens

    async def _takes_time(self, longest_s: float) -> None:
        await trio.sleep(self.rng.random() * longest_s)

    # AccountStore

    async def load(self, keys: Sequence[AccountKey]) -> list[Account]:
        for key in keys:
            earlier = self.live.get(key)
            assert earlier is None or not (earlier.alive or earlier.in_flight), f"{key} lives"
        await self._takes_time(0.01)
        if self._happens("load failed", 0.05):
            raise Away
        # Read first, delivered later: what is delivered may be old by then.
        found = [_account(self.rows[key]) for key in keys if key in self.rows]
        await self._takes_time(0.01)
        self.live.update((account.key, account) for account in found)
        return found

    async def open(  # type: ignore[override]  # two protocols have an open()
        self, key: AccountKey | int | None, created_us: int = 0, number: str | None = None
    ) -> Any:
        if isinstance(key, AccountKey):
            return await self._open_account(key)
        return await self._open_writer(key)

    async def _open_account(self, key: AccountKey) -> None:
        await self._takes_time(0.01)
        if self._happens("open failed", 0.1):
            raise Away
        if key not in self.rows:
            id_ = 100_001 + len(self.rows)
            self.rows[key] = Row(id_, key, f"ACC-{id_}")
        if self._happens("open's answer lost", 0.1):
            raise Away
        await self._takes_time(0.01)

    # JournalStore

    async def _open_writer(self, expected_epoch: int | None) -> WriterState:
        await self._takes_time(8 if self._happens("slow to open", 0.15) else 0.1)
        if self._happens("no writer", 0.3):
            raise NotCommitted("away")
        assert expected_epoch in {None, self.state.epoch}
        self.state = WriterState(self.state.epoch + 1, self.state.batch, self.state.counters)
        return WriterState(self.state.epoch, self.state.batch, replace(self.state.counters))

    async def commit(self, batch: Batch, epoch: int, meanwhile: Callable[[], None]) -> None:
        assert epoch == self.state.epoch
        if self._happens("not sent", 0.01):
            raise NotCommitted("away")
        meanwhile()
        await self._takes_time(0.02)
        if self._happens("not committed", 0.01):
            raise NotCommitted("away")
        if self._happens("lost before it landed", 0.015):
            raise OutcomeUnknown("away")
        self._check(batch)
        self._write(batch)
        if self._happens("lost after it landed", 0.015):
            raise OutcomeUnknown("away")
        await self._takes_time(0.01)

    async def close(self) -> None: ...

    def _check(self, batch: Batch) -> None:
        """What the database itself refuses; nothing is written then."""
        if any("\0" in row[5] for row in batch.journals):
            raise Unwritable("zero byte")
        keys = [row[:2] for row in batch.keys]
        if len(set(keys)) < len(keys) or any(key in self.keys for key in keys):
            raise RowConflict("idempotency_key")
        closed = [row[0] for row in batch.closed]
        for id_, _, _, account_id, amount in batch.closed:
            if self.holds.get(id_) != (account_id, amount, "placed", 0):
                raise RowConflict("hold_not_open")
        if len(set(closed)) < len(closed):
            raise RowConflict("hold_not_open")
        for account in batch.touched:
            row = self.rows[account.key]
            assert (row.sequence, row.pending) == (account.sequence, account.debits_pending)
            left = account.staged_credits - account.staged_debits - account.staged_pending
            assert may_overdraw(account.key) or left >= 0, account.key

    def _write(self, batch: Batch) -> None:
        self.journals += batch.journals
        self.entries += batch.entries
        self.events += batch.events
        for id_, account_id, amount in batch.placed:
            self.holds[id_] = (account_id, amount, "placed", 0)
        for id_, state, journal_id, account_id, amount in batch.closed:
            self.holds[id_] = (account_id, amount, state, journal_id)
        for scope, key, _, outcome in batch.keys:
            self.keys[scope, key] = outcome
        for account in batch.touched:
            row = self.rows[account.key]
            row.debits, row.credits = account.staged_debits, account.staged_credits
            row.pending, row.sequence = account.staged_pending, account.staged_sequence
        self.state = WriterState(self.state.epoch, batch.number, replace(batch.counters))


def _account(row: Row) -> Account:
    return Account(
        row.id,
        row.key,
        row.number,
        debits_posted=row.debits,
        credits_posted=row.credits,
        debits_pending=row.pending,
        sequence=row.sequence,
    )
