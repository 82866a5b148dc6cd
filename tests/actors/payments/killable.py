"""Places to be killed at, and storage that dies or fails there."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from actors.batch import Batch
from actors.callbacks import Source
from actors.identity_store import StoreUnavailable
from actors.journal import NotCommitted, OutcomeUnknown
from domain.ledger import (
    Ticket,
)
from domain.payments import Payment
from storage.callbacks import PostgresCallbacks
from storage.journal import PostgresJournal
from storage.payments import PostgresPayments
from storage.pool import Pool


class Killed(BaseException):
    """kill -9: nothing of ours does anything any more."""


Place = tuple[str, int]
"""Between two steps: its name, and the how-manieth passing of it is meant, from 1."""


class Points:
    """The places between two steps; `at` one of them we are killed."""

    def __init__(self, at: Place | None = None) -> None:
        self.at = at
        self.passed: list[Place] = []
        self.dead = False

    def reach(self, name: str) -> None:
        """Pass a place, or die there; the dead reach nothing any more."""
        place = (name, 1 + sum(passed == name for passed, _ in self.passed))
        if not self.dead:
            self.passed.append(place)
        if self.dead or place == self.at:
            self.dead = True
            raise Killed(name)


@dataclass
class Faults:
    """How often storage fails from now on: it is away, or its answer to a write is lost."""

    journal_away: int = 0
    journal_lost: int = 0
    table_away: int = 0
    table_lost: int = 0
    after_commit: Callable[[], None] = lambda: None

    def take(self, name: str) -> bool:
        """Whether this time is one of them."""
        left: int = getattr(self, name)
        setattr(self, name, max(left - 1, 0))
        return left > 0


class KillableJournal(PostgresJournal):
    """The real writer; killed before or after a commit has landed, or failing."""

    def __init__(self, dsn: str, points: Points, faults: Faults) -> None:
        super().__init__(dsn)
        self._points = points
        self._faults = faults

    async def commit(self, batch: Batch, epoch: int, meanwhile: Callable[[], None]) -> None:
        self._points.reach("before a commit")
        if self._faults.take("journal_away"):
            await self.close()
            raise NotCommitted("the tests took the database away")
        await super().commit(batch, epoch, meanwhile)
        if self._faults.take("journal_lost"):
            await self.close()
            raise OutcomeUnknown("the tests cut the connection")
        self._points.reach("after a commit")
        self._faults.after_commit()


class KillablePayments(PostgresPayments):
    """The real table; killed before or after a write has landed, or failing."""

    def __init__(self, pool: Pool, points: Points, faults: Faults) -> None:
        super().__init__(pool)
        self._points = points
        self._faults = faults

    async def insert(self, payment: Payment, ticket: Ticket | None, outcome: bytes) -> None:
        self._points.reach("before a payment is stored")
        await super().insert(payment, ticket, outcome)
        self._points.reach("after a payment was stored")

    async def update(self, payment: Payment) -> bool:
        self._points.reach("before a payment is updated")
        if self._faults.take("table_away"):
            raise StoreUnavailable("the tests took the database away")
        updated = await super().update(payment)
        if self._faults.take("table_lost"):
            raise StoreUnavailable("the tests cut the connection")
        self._points.reach("after a payment was updated")
        return updated


class KillableCallbacks(PostgresCallbacks):
    """The real table; killed before or after a write has landed."""

    def __init__(self, pool: Pool, points: Points) -> None:
        super().__init__(pool)
        self._points = points

    async def store(
        self, source: Source, hash_: str, key_hash: bytes, client: str, body: bytes, at_us: int
    ) -> int:
        self._points.reach("before a callback is stored")
        callback_id = await super().store(source, hash_, key_hash, client, body, at_us)
        self._points.reach("after a callback was stored")
        return callback_id

    async def handled(self, verdicts: Sequence[tuple[int, str]]) -> None:
        self._points.reach("before a callback is handled")
        await super().handled(verdicts)
        self._points.reach("after a callback was handled")
