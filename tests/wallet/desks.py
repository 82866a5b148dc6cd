"""Funding desks on a real database, with a source, people and a clock the test controls."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog
import trio

from actors.account import Accounts
from actors.clock import Clock
from actors.feed import Feeds
from actors.funding import Fundings
from actors.funding_messages import Opened
from actors.funding_notices import Notices
from actors.funding_parts import DeskParts, Transactions
from actors.funding_store import Collected
from actors.identity_store import StoreUnavailable
from actors.journal import Journal
from actors.ledger import Ledger
from actors.messenger import Messenger
from domain.funding import Funding, State
from domain.identity import Profile
from domain.ledger import wallet
from domain.money import units_of
from storage.accounts import PostgresAccounts
from storage.errors import Unavailable
from storage.funding import PostgresFundings
from storage.journal import PostgresJournal
from storage.pool import Pool
from tests.actors.users.house import Disk, Gateway, living

CODE = "123456"
AMOUNT = units_of("5000")


class Source:
    """A funding source that answers what the test says, when its gate is open."""

    def __init__(self) -> None:
        self.needs_operator = False
        self.answer: Any = Collected("src-1")
        self.gate: trio.Event | None = None
        self.asked: list[str] = []
        self.reached = trio.Event()

    async def collect(self, reference: str, user_id: int, amount: int) -> Any:
        assert (user_id, amount) == (7, AMOUNT)
        self.asked.append(reference)
        self.reached.set()
        if self.gate is not None:
            await self.gate.wait()
        return self.answer


class Store(PostgresFundings):
    """The real store, which can be away, or be away just after it wrote."""

    away = False
    unsure = False

    async def write(self, *changes: Any) -> None:
        if self.away:
            raise StoreUnavailable("away")
        await super().write(*changes)
        if self.unsure:
            self.unsure = False
            raise StoreUnavailable("lost during COMMIT")


class House:
    """One process: person 7, their desk, and the ledger."""

    def __init__(
        self,
        parts: DeskParts,
        profile: Profile,
        store: Store,
        source: Source,
        mail: Gateway,
    ) -> None:
        self.fundings = Fundings(parts)
        self.mail = mail
        self.ledger = parts.ledger
        self.clock = parts.clock
        self.profile = profile
        self.store = store
        self.source = source

    async def open(self) -> Funding:
        opened = await self.fundings.initiate(self.profile, AMOUNT, "abc@example.com")
        assert isinstance(opened, Opened), opened
        return opened.funding

    async def prove(self, reference: str, code: str = CODE, **more: Any) -> Any:
        return await self.fundings.prove(7, reference, code, **more)

    async def state(self, reference: str) -> State:
        found = await self.store.find(reference)
        assert found is not None
        return found.state

    async def settled(self, reference: str, state: State = State.COMPLETED) -> None:
        with trio.fail_after(5):
            while await self.state(reference) is not state:
                await trio.sleep(0.01)

    async def balance(self) -> int:
        account = await self.ledger.accounts.get(wallet(7, "NGN"))
        return 0 if account is None else account.posted


@asynccontextmanager
async def desks(
    dsn: str, pool: Pool, *, disk: Disk | None = None, clock: Clock | None = None
) -> AsyncIterator[House]:
    """A running process; again on the same disk and database for a restart."""
    async with living(disk, clock) as identity, trio.open_nursery() as nursery:
        directory = Accounts(PostgresAccounts(pool), identity.clock)
        journal = Journal(PostgresJournal(dsn), Feeds(), identity.clock)
        profile = await identity.people.profile(7) or await identity.add(user_id=7)
        store, source = Store(pool), Source()
        parts = DeskParts(
            store=store,
            source=source,
            people=identity.people,
            ledger=Ledger(directory, journal),
            notices=Notices(Messenger({})),
            clock=identity.clock,
            events=structlog.get_logger("tests.wallet"),
            random_bytes=random.Random(7).randbytes,
            daily_limit=units_of("5000000"),
            unavailable=(Unavailable, StoreUnavailable),
            transactions=Transactions(),
        )
        identity.proofs.write_also = store.write
        house = House(parts, profile, store, source, identity.email)
        for part in (journal, directory, house.fundings):
            await nursery.start(part.run)
        yield house
        nursery.cancel_scope.cancel()
