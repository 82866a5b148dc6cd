"""What the transactions of document 002 ask of storage.

Every read raises StoreUnavailable while the database is away.
"""

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import msgspec

from domain.nexuspay.business import Business
from domain.nexuspay.paging import Page
from domain.nexuspay.transactions import Filters, Insights, Transaction


class TransactionMade(msgspec.Struct, frozen=True, gc=False):
    """A person's row of a finished transfer, written with its journal; `address` is theirs."""

    transaction: Transaction
    address: str


class Found(NamedTuple):
    """One page and the size of the whole filtered set."""

    transactions: Sequence[Transaction]
    total: int


class TransactionStore(Protocol):
    """Transactions at rest; implemented by storage.nexuspay."""

    async def history(
        self, user_id: int, filters: Filters, page: Page, now_us: int, *, whole: bool = False
    ) -> tuple[Found, Insights]:
        """A person's transactions, newest first, and all of them counted (NXPY-C49).

        `whole`: each as `find` finds it, with its block and its balance.
        """
        ...

    async def everybodys(self, filters: Filters, page: Page) -> Found:
        """Transactions by their owners, each once, newest first."""
        ...

    async def find(self, user_id: int, wanted: str) -> Transaction | None:
        """A person's transaction by its id or its 24-hex id."""
        ...

    async def find_any(self, wanted: str) -> Transaction | None:
        """Anybody's transaction, its owner's row."""
        ...

    async def by_address(self, address: str, chain: str | None, page: Page) -> Found:
        """Token transfers from or to an address (any case), newest first."""
        ...


class BusinessStore(Protocol):
    """Businesses at rest; implemented by storage.businesses."""

    async def save_pending(self, business: Business) -> Business:
        """Store it, or give the pending one of the same owner these particulars; as stored.

        One that is complete stays, and is returned as it is.
        """
        ...

    async def complete(self, business_id: str, address: str, at_us: int) -> Business | None:
        """Give a pending one its merchant number and address; None when it is not pending."""
        ...

    async def by_id(self, business_id: str) -> Business | None: ...

    async def by_number(self, number: int) -> Business | None:
        """The business with this merchant number."""
        ...

    async def by_address(self, address: str) -> Business | None:
        """The business with this wallet address, in any case."""
        ...
