"""What fundings ask of storage and of the funding source."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from domain.funding import Funding
from domain.ledger import Ticket


class FundingMoved(msgspec.Struct, frozen=True, gc=False):
    """A funding's next version; its row must still be the version before."""

    funding: Funding


class Remembered(msgspec.Struct, frozen=True, gc=False):
    """The outcome of a request that is written with what the request changed (X-C29)."""

    ticket: Ticket
    outcome: bytes
    at_us: int


class FundingStore(Protocol):
    """Fundings at rest; implemented by storage.funding. Every method raises StoreUnavailable."""

    async def last_transaction_ms(self) -> int:
        """The highest `TXN-` number given out, 0 for none."""
        ...

    async def unfinished(self, user_id: int) -> Sequence[Funding]:
        """A person's pending and cleared fundings."""
        ...

    async def find(self, reference: str) -> Funding | None: ...

    async def add(self, funding: Funding) -> None:
        """Store a new pending funding, voiding the person's older one (WOTP-C11)."""
        ...

    async def write(self, *changes: Any) -> None:
        """Write row changes in one transaction; raises StaleWrite when one finds no row."""
        ...

    async def counted_since(self, user_id: int, from_us: int) -> int:
        """Units proved since then that were credited or may yet be."""
        ...

    async def unsettled(self) -> Sequence[int]:
        """Everybody with a cleared funding that is not credited yet."""
        ...

    async def under_review(self, limit: int) -> Sequence[Funding]:
        """What waits for operators, the longest waiting first."""
        ...


@dataclass(frozen=True, slots=True)
class Collected:
    """The source has paid, or owes us the amount; `source_ref` is its own id, if it has one."""

    source_ref: str = ""


@dataclass(frozen=True, slots=True)
class Declined:
    """The source has not paid and will not."""

    reason: str


@dataclass(frozen=True, slots=True)
class Uncertain:
    """The source may have paid: an operator finds out."""

    reason: str


class FundingSource(Protocol):
    """Where the money of a funding comes from (WOTP-C01); implemented by providers.funding."""

    @property
    def needs_operator(self) -> bool:
        """Whether only a person can see that the money has arrived."""
        ...

    async def collect(
        self, reference: str, user_id: int, amount: int
    ) -> Collected | Declined | Uncertain:
        """Take `amount` units of NGN from the person's source.

        Asked again with the same reference, it must not take the money again. Failures of the
        network are outcomes (a timeout after sending is Uncertain); an exception is a defect.
        """
        ...
