"""What surfaces read of the ledger: committed accounts, lines and receipts.

Amounts in units, times in microseconds since the epoch. Reads raise `StoreUnavailable` (or what
storage raises) while the database is away.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol

from actors.account import Account
from domain.ledger import Fee


class AccountReads(Protocol):
    """Committed snapshots of accounts; implemented by storage.accounts."""

    async def owned_by(self, owner_id: int) -> list[Account]:
        """All accounts of one owner, oldest first."""
        ...

    async def by_number(self, number: str) -> Account | None:
        """The account with this number."""
        ...


class Entry(NamedTuple):
    """One committed line of an account; `amount` in units, positive: balance up."""

    id: int
    journal_id: int
    amount: int
    balance_after: int
    description: str
    receipt: int
    recorded_us: int


class Leg(NamedTuple):
    """One line of a receipt, on an account of whoever asked."""

    journal_id: int
    number: str
    asset: str
    amount: int
    balance_after: int
    description: str


class ReceiptJournal(NamedTuple):
    """One journal under a receipt."""

    id: int
    kind: str
    description: str
    recorded_us: int
    fees: tuple[Fee, ...]
    entry_count: int


class Receipt(NamedTuple):
    """What a receipt code stands for, as far as one person may see it here.

    `party`: whether that person initiated it, or has a line or a hold in it. `shown`: whether a
    line or the hold is on an account of the assets asked for; else another surface tells of it.
    """

    journals: tuple[ReceiptJournal, ...]
    legs: tuple[Leg, ...]
    party: bool
    shown: bool


class LedgerReads(Protocol):
    """Lines of the ledger; implemented by storage.reads. Times in microseconds, inclusive."""

    async def balance_before(self, account_id: int, at_us: int) -> int:
        """Posted balance just before `at_us`."""
        ...

    async def lines_after(
        self, account_id: int, start_us: int, end_us: int, sequence: int, limit: int
    ) -> Sequence[tuple[int, Entry]]:
        """(sequence, line) from `start_us` to `end_us` after `sequence`, oldest first."""
        ...

    async def page(
        self, account_id: int, start_us: int, end_us: int, limit: int, offset: int
    ) -> Sequence[Entry]:
        """Lines from `start_us` to `end_us`, newest first."""
        ...

    async def count(self, account_id: int, start_us: int, end_us: int) -> int:
        """How many lines lie between `start_us` and `end_us`."""
        ...

    async def receipt(self, receipt: int, owner_id: int, assets: Collection[str]) -> Receipt | None:
        """The journals under `receipt`, with those lines of `owner_id` that are on wallets in
        `assets` without a chain; None: no such."""
        ...
