"""A cashier on an in-memory ledger, and sockets that remember what they were sent."""

import dataclasses
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.account import Accounts
from actors.clock import Clock
from actors.feed import Feeds
from actors.idempotency import Idempotency
from actors.journal import Journal
from actors.ledger import Ledger
from actors.payment_parts import Parts
from actors.payments import Payments
from actors.people import Authenticated
from actors.session import Prompt
from domain.fees import PARTNER_DEPOSIT, PARTNER_WITHDRAWAL
from domain.identity import Agent, Profile
from domain.ledger import (
    Intent,
    Posting,
    Recorded,
    SystemPurpose,
    system,
    wallet,
)
from domain.money import units_of
from domain.partners import Partner, Partners
from protocols.cashier.service import Cashier, Settings
from protocols.cashier.session import Session
from protocols.expiry import Expiries
from tests.actors.users.house import House as Identity
from tests.actors.users.house import living
from tests.protocols.cashier.books import START_US, Books, Ink, Market, StorageAway
from tests.protocols.cashier.payments import Alerts, FakeChains, MemoryPayments, Rail, Urls

USER, PEER, OTHER, AGENT = 12345, 67890, 777, 900
JOHN = Agent("AGT-001", AGENT, "Agent John Doe", "+254700001234")


class FakeConnection:
    """What a session needs of actors.connection.Connection."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.close_code: int | None = None
        self.pending = False
        self.prompt: Callable[[bytes], Prompt] | None = None
        self.began = self.parked = 0
        self._answered = trio.Event()
        self._again = trio.Event()

    async def offered(self, data: bytes) -> bool:
        """Whether the session answered this without its own task."""
        self._data, self._answered, self._again = data, trio.Event(), trio.Event()
        self._began = self.prompt(data) if self.prompt is not None else Prompt.DECLINED
        if self._began is Prompt.PARKED:
            self.parked += 1
            await self._again.wait()
        if self._began is Prompt.BEGUN:
            self.began += 1
            await self._answered.wait()
        return self._began is not Prompt.DECLINED

    def offer_again(self) -> None:
        assert self.prompt is not None
        self._began = self.prompt(self._data)
        assert self._began is not Prompt.PARKED, "parked for ever"
        self._again.set()

    def render_later(self, render: Callable[[], None]) -> None:
        render()

    def answered(self) -> None:
        self._answered.set()

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
        data = text if isinstance(text, bytes) else text.encode()
        if not await self.connection.offered(data):
            await self.session.text(data)
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
        payments.alerts = self.alerts
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
            sessions=Expiries(clock),
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
