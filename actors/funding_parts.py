"""What funding desks are given, and the book each keeps of one person's fundings."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Protocol

from actors.clock import Clock
from actors.funding_notices import Notices
from actors.funding_store import FundingMoved, FundingSource, FundingStore
from actors.ledger import Ledger
from actors.people import People
from domain.funding import Funding, State


class EventLog(Protocol):
    """The wallet's own log (WOTP-115): a structlog logger."""

    def info(self, event: str, **fields: Any) -> Any: ...


class Transactions:
    """Gives out `TXN-` numbers: the milliseconds of now, made unique by bumping (WOTP-C21)."""

    def __init__(self) -> None:
        self.last = 0

    def next(self, now_us: int) -> int:
        """A number above every one before."""
        self.last = max(self.last + 1, now_us // 1000)
        return self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class DeskParts:
    """Handed to every desk by app.py.

    `daily_limit` is units a person and UTC day; `unavailable` are the exceptions by which storage
    says that an account cannot be read now.
    """

    store: FundingStore
    source: FundingSource
    people: People
    ledger: Ledger
    notices: Notices
    clock: Clock
    events: EventLog
    random_bytes: Callable[[int], bytes]
    daily_limit: int
    unavailable: tuple[type[Exception], ...]
    transactions: Transactions


class FundingBook:
    """One person's unfinished fundings, as storage has them; every change is written first."""

    def __init__(self, user_id: int, unfinished: Iterable[Funding], parts: DeskParts) -> None:
        self.user_id = user_id
        self._unfinished = {funding.reference: funding for funding in unfinished}
        self._parts = parts

    @property
    def pending(self) -> Funding | None:
        """The one that waits for a code."""
        found = (f for f in self._unfinished.values() if f.state is State.PENDING)
        return next(found, None)

    @property
    def cleared(self) -> list[Funding]:
        """Those that may be credited and are not yet."""
        return [f for f in self._unfinished.values() if f.state is State.CLEARED]

    def get(self, reference: str) -> Funding | None:
        """An unfinished one by its reference."""
        return self._unfinished.get(reference)

    async def add(self, funding: Funding) -> None:
        """A new pending one, in the place of the one before (WOTP-C11)."""
        await self._parts.store.add(funding)
        before = self.pending
        if before is not None:
            del self._unfinished[before.reference]
        self._unfinished[funding.reference] = funding

    async def write(self, funding: Funding, *changes: Any) -> None:
        """A funding's next version, with `changes` in one transaction."""
        await self._parts.store.write(FundingMoved(funding), *changes)
        self.written(funding)

    def written(self, funding: Funding) -> None:
        """A funding's next version is in storage."""
        if funding.state in (State.PENDING, State.CLEARED):
            self._unfinished[funding.reference] = funding
        else:
            self._unfinished.pop(funding.reference, None)

    def note(self, event: str, funding: Funding, **fields: Any) -> None:
        """One line in the wallet's log; support works from the ids in it (WOTP-116)."""
        self._parts.events.info(
            event,
            user_id=self.user_id,
            reference=funding.reference,
            transaction_id=funding.transaction_id,
            **fields,
        )
