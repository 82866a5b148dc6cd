"""A ledger on a database, with doors in its storage that tests open and close."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from actors.account import RESIDENT_LIMIT, Account, Accounts
from actors.batch import Batch
from actors.clock import Clock
from actors.feed import Feeds
from actors.journal import Journal, WriterState
from actors.ledger import Ledger
from domain.events import Event, TransferReceived, person
from domain.ledger import (
    AccountKey,
    Effects,
    Hold,
    Intent,
    Posting,
    Recorded,
    Refusal,
    SystemPurpose,
    Ticket,
    system,
    wallet,
)
from storage.accounts import PostgresAccounts
from storage.journal import PostgresJournal
from storage.pool import Pool
from storage.verify import verify

FUNDS = system("USD", SystemPurpose.SANDBOX_FUNDING)


class Door:
    """Everybody passes while it is open; while closed they queue up and are counted."""

    def __init__(self) -> None:
        self._opened = trio.Event()
        self._opened.set()
        self.waiting = 0

    def close(self) -> None:
        self._opened = trio.Event()

    def open(self) -> None:
        self._opened.set()

    @property
    def is_open(self) -> bool:
        return self._opened.is_set()

    async def enter(self) -> None:
        self.waiting += 1
        try:
            await self._opened.wait()
        finally:
            self.waiting -= 1

    async def until_waiting(self, count: int = 1) -> None:
        while self.waiting < count:
            await trio.sleep(0.001)


def _nothing() -> None: ...


class DoorJournal(PostgresJournal):
    """The real writer behind doors; `after_commit` may lose the answer of a real commit."""

    def __init__(self, dsn: str) -> None:
        super().__init__(dsn)
        self.commits = Door()
        self.openings = Door()
        self.after_commit: Callable[[Batch], None] = lambda _batch: None
        self.batches: list[int] = []  # sizes tried

    async def open(self, expected_epoch: int | None) -> WriterState:
        await self.openings.enter()
        return await super().open(expected_epoch)

    async def commit(self, batch: Batch, epoch: int, meanwhile: Callable[[], None]) -> None:
        self.batches.append(len(batch.commands))
        if not self.commits.is_open:
            meanwhile()
            meanwhile = _nothing
            await self.commits.enter()
        await super().commit(batch, epoch, meanwhile)
        self.after_commit(batch)


class DoorAccounts(PostgresAccounts):
    """The real accounts behind doors. Complains when a key would come alive twice."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)
        self.loads, self.after_loads = Door(), Door()
        self.openings, self.after_openings = Door(), Door()
        self.loaded: list[Sequence[AccountKey]] = []
        self.fault: Exception | None = None
        self._made: dict[AccountKey, Account] = {}

    async def load(self, keys: Sequence[AccountKey]) -> list[Account]:
        self.loaded.append(keys)
        for key in keys:
            earlier = self._made.get(key)
            assert earlier is None or not (earlier.alive or earlier.in_flight), f"{key} lives"
        await self.loads.enter()
        if self.fault is not None:
            raise self.fault
        found = await super().load(keys)
        await self.after_loads.enter()
        self._made.update((account.key, account) for account in found)
        return found

    async def open(self, key: AccountKey, created_us: int, number: str | None) -> None:
        await self.openings.enter()
        await super().open(key, created_us, number)
        await self.after_openings.enter()


@dataclass
class House:
    """A running ledger and its parts."""

    ledger: Ledger
    store: DoorJournal
    accounts: DoorAccounts
    feeds: Feeds
    pool: Pool
    nursery: trio.Nursery
    scope: trio.CancelScope
    heard: list[tuple[int, Event]] = field(default_factory=list)

    @property
    def journal(self) -> Journal:
        return self.ledger.journal

    async def fund(self, owner: int, units: int) -> None:
        posting = Posting(FUNDS, wallet(owner, "USD"), units)
        await self.must(Intent(kind="FUNDING", postings=(posting,)))

    async def must(self, intent: Intent) -> Recorded:
        """Record an intent that is bound to succeed."""
        recorded = await self.ledger.record(intent)
        assert isinstance(recorded, Recorded), recorded
        return recorded

    async def abandon(self, ask: Callable[..., Awaitable[object]], *args: object) -> None:
        """Ask, and go away when the commit stands at its closed door."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(ask, *args)
            await self.store.commits.until_waiting()
            nursery.cancel_scope.cancel()

    async def hold(self, owner: int, units: int) -> Hold:
        key = wallet(owner, "USD")
        placed = await self.must(Intent(kind="HOLD", place=Hold(key, units)))
        return Hold(key, units, placed.journal_id)

    async def record_all(self, intents: Sequence[Intent]) -> list[Recorded | Refusal | Exception]:
        """Ask for all at once; their answers, in order."""
        answers: list[Recorded | Refusal | Exception | None] = [None] * len(intents)

        async def ask(number: int, intent: Intent) -> None:
            try:
                answers[number] = await self.ledger.record(intent)
            except Exception as error:
                answers[number] = error

        async with trio.open_nursery() as nursery:
            for number, intent in enumerate(intents):
                nursery.start_soon(ask, number, intent)
        return [answer for answer in answers if answer is not None]

    def passivate(self) -> None:
        """Drop every account from memory that nobody has in flight."""
        directory = self.ledger.accounts
        limit, directory.limit = directory.limit, 0
        directory.passivate()
        directory.limit = limit

    async def balance(self, owner: int) -> int:
        """Posted units by the database."""
        owned = await self.accounts.owned_by(owner)
        return sum(account.posted for account in owned)

    async def count(self, sql: str, *params: object) -> int:
        row = await self.pool.fetch_one(sql, params)
        assert row is not None
        return int(row[0])

    def nothing_is_reserved(self) -> None:
        for account in self.ledger.accounts.resident.values():
            assert account.reserved == account.in_flight == 0, account.key
        assert not self.journal.keys

    async def balances(self) -> None:
        """Everything agrees: memory with itself and with the tables, and those among each other."""
        await self.journal.drain()
        self.nothing_is_reserved()
        report = await verify(self.pool)
        assert report.balanced, report.differences
        stored = {
            account.key: account
            for owner in {key.owner for key in self.ledger.accounts.resident}
            for account in await self.accounts.owned_by(owner)
        }
        for key, account in self.ledger.accounts.resident.items():
            assert account.posted == stored[key].posted
            assert account.debits_pending == stored[key].debits_pending
            assert account.sequence == stored[key].sequence


@asynccontextmanager
async def living(
    dsn: str, *, clock: Clock | None = None, resident_limit: int = RESIDENT_LIMIT
) -> AsyncIterator[House]:
    """A ledger of its own on the database, stopped on leaving. One failure is raised as it is."""
    clock = clock or Clock()
    async with Pool.opened(dsn) as pool:
        accounts, store, feeds = DoorAccounts(pool), DoorJournal(dsn), Feeds()
        directory = Accounts(accounts, clock, resident_limit)
        journal = Journal(store, feeds, clock)
        try:
            async with trio.open_nursery() as nursery:
                await nursery.start(directory.run)
                await nursery.start(journal.run)
                ledger = Ledger(directory, journal)
                yield House(ledger, store, accounts, feeds, pool, nursery, nursery.cancel_scope)
                nursery.cancel_scope.cancel()
        except BaseExceptionGroup as group:
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None
            raise


def transfer(
    payer: int, payee: int, units: int, *, key: str = "", description: str = "", ref: str = ""
) -> Intent:
    """From person to person, with the event the payee is owed, perhaps under a key."""

    def effects(recorded: Recorded) -> Effects:
        fact = TransferReceived(
            from_user=payer, amount=units, asset="USD", description="", receipt=recorded.receipt
        )
        outcome = f"receipt {recorded.receipt}".encode() if key else b""
        return Effects(events=(Event(person(payee), fact),), outcome=outcome)

    posting = Posting(wallet(payer, "USD"), wallet(payee, "USD"), units, description)
    return Intent(
        kind="TRANSFER",
        postings=(posting,),
        initiator=payer,
        description=description,
        ref=ref,
        effects=effects,
        ticket=Ticket(f"user:{payer}", key, b"fingerprint") if key else None,
    )


def close(hold: Hold, payee: int, *units: int) -> Intent:
    """End a hold, posting so many units of it; none voids it."""
    payee_key = wallet(payee, "USD")
    postings = tuple(Posting(hold.account, payee_key, amount) for amount in units)
    return Intent(kind="CLOSE", postings=postings, close=hold)


async def open_when_queued(house: House, count: int) -> None:
    while house.journal.queued < count:
        await trio.sleep(0.001)
    house.store.commits.open()


def outcomes(answers: list[Recorded | Refusal | Exception]) -> Counter[object]:
    return Counter("recorded" if isinstance(a, Recorded) else a for a in answers)
