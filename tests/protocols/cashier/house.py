"""A cashier on an in-memory ledger, and sockets that remember what they were sent."""

import dataclasses
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from actors.account import Account, Accounts
from actors.batch import Batch, Counters
from actors.clock import Clock
from actors.feed import Feeds
from actors.idempotency import Idempotency
from actors.journal import Journal, RowConflict, WriterState
from actors.ledger import Ledger
from actors.ledger_reads import Entry, Leg, Receipt, ReceiptJournal
from actors.payment_parts import Parts
from actors.payments import Payments
from actors.people import Authenticated
from actors.rates import RatesUnavailable
from domain import events as facts
from domain.events import Fact
from domain.fees import PARTNER_DEPOSIT, PARTNER_WITHDRAWAL
from domain.fx import Quote, cross_rate, market_pair
from domain.identity import Agent, Profile, TokenConsumed
from domain.ledger import (
    AccountKey,
    Fee,
    Intent,
    Posting,
    Recorded,
    SystemPurpose,
    Ticket,
    may_overdraw,
    system,
    wallet,
)
from domain.money import units_of
from domain.partners import Partner, Partners
from protocols.cashier.register import Sessions
from protocols.cashier.service import Cashier, Settings
from protocols.cashier.session import Session
from tests.actors.users.house import House as Identity
from tests.actors.users.house import living
from tests.protocols.cashier.payments import Alerts, FakeChains, MemoryPayments, Rail, Urls

START_US = 1_706_360_400_000_000  # 2024-01-27T13:00:00Z
USER, PEER, OTHER, AGENT = 12345, 67890, 777, 900
JOHN = Agent("AGT-001", AGENT, "Agent John Doe", "+254700001234")


class StorageAway(Exception):
    """What this house's storage raises while it is away."""


@dataclass
class Books:
    """What a database would hold. `away` makes every read and commit fail."""

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

    async def receipt(self, receipt: int, owner_id: int) -> Receipt | None:
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
            if e[1] in ids and e[2] in mine
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
        return Receipt(journals, legs, bool(legs) or held or any(r[3] == owner_id for r in rows))

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

    async def commit(self, batch: Batch, epoch: int) -> None:
        await trio.lowlevel.checkpoint()
        books = self._books
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


class FakeConnection:
    """What a session needs of actors.connection.Connection."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.close_code: int | None = None
        self.pending = False

    @property
    def is_open(self) -> bool:
        return self.close_code is None

    def send_text(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self.close_code = self.close_code or code


class Client:
    """A person's socket as the person sees it."""

    def __init__(self, session: Session, connection: FakeConnection) -> None:
        self.session = session
        self.connection = connection

    def frames(self) -> list[Any]:
        """What was sent since the last look."""
        sent, self.connection.sent = self.connection.sent, []
        return [json.loads(frame) for frame in sent]

    def events(self) -> list[Any]:
        return [f for f in self.frames() if f["type"] not in ("success", "error")]

    async def send(self, text: str | bytes) -> Any:
        """The reply to one frame."""
        await self.session.text(text if isinstance(text, bytes) else text.encode())
        reply = json.loads(self.connection.sent.pop())
        assert reply["type"] in ("success", "error")
        return reply

    async def ask(self, kind: str, **data: Any) -> Any:
        """The payload of a success reply."""
        reply = await self.send(json.dumps({"type": kind, "data": data}))
        assert reply["type"] == "success", reply
        return reply["data"]["data"]

    async def refused(self, kind: str, **data: Any) -> str:
        """The text of an error reply."""
        reply = await self.send(json.dumps({"type": kind, "data": data}))
        assert reply["type"] == "error", reply
        return reply["data"]["message"]


class House:
    """The cashier, its books and its clock."""

    def __init__(
        self,
        books: Books,
        identity: Identity,
        ledger: Ledger,
        clock: Clock,
        feeds: Feeds,
        payments: MemoryPayments,
    ) -> None:
        self.books = books
        self.identity = identity
        self.alerts = Alerts()
        self.rail = Rail()
        parts = Parts(payments, self.alerts, ledger, self.rail, Urls(), clock)  # type: ignore[arg-type]
        self.payments = Payments(parts, b"secret")
        self.market = Market()
        self.clock = clock
        self.cashier = Cashier(
            clock=clock,
            people=identity.people,
            ledger=ledger,
            accounts=books,
            reads=books,
            rates=self.market,
            partners=Partners([MPESA]),
            payments=self.payments,
            chains=FakeChains(),
            idempotency=Idempotency(books, clock),
            feeds=feeds,
            events=books,
            sessions=Sessions(clock),
            unavailable=(StorageAway,),
            settings=Settings(messages_per_second=1_000_000),
        )

    def with_settings(self, **settings: Any) -> None:
        """The same house with other settings."""
        self.cashier = dataclasses.replace(self.cashier, settings=Settings(**settings))

    async def add(self, user_id: int, **new: Any) -> Profile:
        """Somebody who can log in."""
        return await self.identity.add(user_id=user_id, **new)

    async def log_in(self, user_id: int) -> Authenticated:
        """A fresh token of theirs, read back."""
        profile = await self.identity.people.profile(user_id)
        assert profile is not None
        token = self.identity.people.issue_token(profile, ("pwd",))
        who = await self.identity.people.authenticate(token)
        assert isinstance(who, Authenticated)
        return who

    async def connect(self, user_id: int = USER, resume_from: int | None = None) -> Client:
        """A greeted socket of that person."""
        connection = FakeConnection()
        who = await self.log_in(user_id)
        session = Session(self.cashier, connection, who, resume_from)  # type: ignore[arg-type]
        await session.opened()
        return Client(session, connection)

    async def token(self, user_id: int, purpose: str = "withdrawal") -> str:
        """A verification token, by a code that was sent."""
        client = await self.connect(user_id)
        await client.ask("verification_request", method="otp_sms", purpose=purpose)
        verified = await client.ask("verify_otp", code="123456", purpose=purpose)
        client.session.closed()
        token: str = verified["verification_token"]
        return token

    async def credit(self, user_id: int, amount: str, asset: str = "USD") -> Recorded:
        """Give somebody money."""
        source = system(asset, SystemPurpose.SANDBOX_FUNDING)
        posting = Posting(source, wallet(user_id, asset), units_of(amount), "Funding")
        recorded = await self.cashier.ledger.record(Intent(kind="DEPOSIT", postings=(posting,)))
        assert isinstance(recorded, Recorded)
        return recorded

    def balance(self, user_id: int, asset: str = "USD") -> int:
        return self.books.accounts[wallet(user_id, asset)].posted

    def assert_balanced(self) -> None:
        """Every journal and every asset sums to zero."""
        sums: dict[tuple[int, str], int] = {}
        for row in self.books.entries:
            sums[row[1], row[3]] = sums.get((row[1], row[3]), 0) + row[5]
        assert not any(sums.values())


MPESA = Partner(
    id="safaricom_mpesa",
    name="Safaricom M-Pesa",
    service="mpesa",
    currency="KES",
    is_active=True,
    deposit=PARTNER_DEPOSIT,
    withdrawal=PARTNER_WITHDRAWAL,
)


@asynccontextmanager
async def opened() -> AsyncIterator[House]:
    """A running house with USER, PEER, OTHER and AGENT; its clock only moves when advanced."""
    books = Books()
    clock = Clock(wall_us=lambda: START_US)
    feeds = Feeds()
    accounts = Accounts(books, clock)
    async with living(clock=clock) as identity, trio.open_nursery() as nursery:
        payments = MemoryPayments(books.keys)
        journal = Journal(Ink(books, identity, payments), feeds, clock)
        await nursery.start(accounts.run)
        await nursery.start(journal.run)
        house = House(books, identity, Ledger(accounts, journal), clock, feeds, payments)
        await nursery.start(house.payments.run)
        for number, user_id in enumerate((USER, PEER, OTHER, AGENT)):
            phone = f"+25471234589{number}"
            await house.add(user_id, email=f"user{user_id}@example.com", phone=phone)
        await identity.people.save_agent(JOHN)
        yield house
        nursery.cancel_scope.cancel()
