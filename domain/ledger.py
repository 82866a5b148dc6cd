"""Accounts, postings and holds: what a journal may contain and when it is refused.

`decide(accounts, intent)` is the whole rule; actors only carry its verdict out.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import Enum
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from domain.events import Event

SYSTEM: Final = 0  # owner id of the platform's own accounts


class AccountKey(NamedTuple):
    """What an account is for; unique in the ledger (X-C09). Owner 0 is the platform."""

    owner: int
    asset: str
    purpose: str = "WALLET"
    chain: str = ""
    provider: str = ""
    mode: str = "REAL"


class SystemPurpose:
    """Purposes of the platform's accounts; they may be overdrawn (X-C10)."""

    FEE_INCOME: Final = "FEE_INCOME"
    FX_POSITION: Final = "FX_POSITION"
    ROUNDING: Final = "ROUNDING"
    COMMISSION: Final = "COMMISSION_EXPENSE"
    COST_OF_FLOAT: Final = "COST_OF_FLOAT"
    MPESA_FLOAT: Final = "MPESA_FLOAT"
    BANK_FLOAT: Final = "BANK_FLOAT"
    FUNDING_CLEARING: Final = "FUNDING_CLEARING"
    PARTNER_PAYABLE: Final = "PARTNER_PAYABLE"
    SUSPENSE: Final = "SUSPENSE"
    PAYOUT_LOSS: Final = "PAYOUT_LOSS"  # paid out although it was given back, and ours to bear
    SANDBOX_FUNDING: Final = "SANDBOX_FUNDING"
    DEMO_FUNDING: Final = "DEMO_FUNDING"
    CUSTODY: Final = "CHAIN_CUSTODY"  # of one chain: what came to our addresses and left them
    NETWORK_INCOME: Final = "NETWORK_FEE_INCOME"  # what customers pay for transactions
    NETWORK_COST: Final = "NETWORK_COST"  # what transactions cost us


# Of a customer: money that arrived but may not be credited yet (X-C15).
SUSPENSE: Final = "SUSPENSE"


def system(asset: str, purpose: str, mode: str = "REAL") -> AccountKey:
    """The platform's account for `purpose` in `asset`."""
    return AccountKey(SYSTEM, asset, purpose, mode=mode)


def wallet(user_id: int, asset: str) -> AccountKey:
    """A person's REAL wallet in `asset`, no chain (the cashier's accounts)."""
    return AccountKey(user_id, asset)  # no cache: a miss in one costs more than making it


def may_overdraw(key: AccountKey) -> bool:
    """Only the platform's own accounts may go below zero."""
    return key.owner == SYSTEM


class Posting(msgspec.Struct, frozen=True, gc=False):
    """`amount` units (> 0) move from `source` to `destination`: it cannot be unbalanced."""

    source: AccountKey
    destination: AccountKey
    amount: int
    description: str = ""

    def __post_init__(self) -> None:
        if self.amount <= 0:
            raise ValueError("a posting moves a positive amount")
        if self.source.asset != self.destination.asset:
            raise ValueError("a posting stays within one asset")


class Hold(msgspec.Struct, frozen=True, gc=False):
    """Units of an account set aside by journal `id`; posted or voided once."""

    account: AccountKey
    amount: int
    id: int = 0


class Fee(msgspec.Struct, frozen=True, gc=False):
    """A fee as a receipt shows it; `amount` in units."""

    type: str
    amount: int
    currency: str


class Ticket(msgspec.Struct, frozen=True, gc=False):
    """An idempotency key in flight: bound to its caller (`scope`) and the request's hash."""

    scope: str
    key: str
    fingerprint: bytes


class Line(msgspec.Struct, frozen=True, gc=False):
    """One account after one journal: `balance` posted units, `sequence` of its last entry."""

    account: AccountKey
    number: str
    balance: int
    sequence: int


class Recorded(msgspec.Struct, frozen=True, gc=False):
    """A journal as it was (or is about to be) committed. Times in microseconds."""

    journal_id: int
    receipt: int
    recorded_us: int
    lines: Sequence[Line]

    def line(self, key: AccountKey) -> Line | None:
        """The state of `key` after this journal, None when it was not touched."""
        for line in reversed(self.lines):
            if line.account == key:
                return line
        return None


class Effects(msgspec.Struct, frozen=True, gc=False):
    """What is committed together with a journal.

    `changes` are rows of other tables, each a struct that storage knows how to write; `outcome`
    is what a repeat of the same idempotency key is answered.
    """

    events: tuple[Event, ...] = ()
    changes: tuple[Any, ...] = ()
    outcome: bytes = b""


class Intent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One atomic thing the journal is asked to record.

    `place` sets money aside; `close` ends an earlier hold, posting what `postings` take from
    it and releasing the rest. `receipt` 0 asks for a new one. `effects` is called with
    the numbers the journal got, before the commit; it must not fail or do I/O.
    `strict_credit`: a locked destination refuses too.
    """

    kind: str
    postings: tuple[Posting, ...] = ()
    place: Hold | None = None
    close: Hold | None = None
    initiator: int = SYSTEM
    description: str = ""
    ref: str = ""
    receipt: int = 0
    quote_id: int = 0
    fees: tuple[Fee, ...] = ()
    occurred_us: int = 0
    effects: Callable[[Recorded], Effects] | None = None
    ticket: Ticket | None = None
    strict_credit: bool = False


class Refusal(Enum):
    """Why an intent is not recorded, in order of precedence. Business replies, not failures."""

    ACCOUNT_NOT_FOUND = "account not found"
    ACCOUNT_LOCKED = "account is locked"
    INSUFFICIENT_FUNDS = "insufficient balance"
    KEY_REUSED = "idempotency key already used for a different request"
    IN_PROGRESS = "request in progress"
    CONFLICT = "conflict"  # a row that had to be there once was not
    OVERLOADED = "overloaded"  # nothing was done; try again
    UNAVAILABLE = "unavailable"  # nothing was done: the database is away
    UNKNOWN = "outcome unknown"  # find out by the idempotency key

    @property
    def retry(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self in (Refusal.IN_PROGRESS, Refusal.OVERLOADED, Refusal.UNAVAILABLE)


class AccountView(Protocol):
    """What a decision looks at."""

    @property
    def available(self) -> int: ...
    @property
    def overdraft(self) -> bool: ...
    @property
    def frozen(self) -> bool: ...


def decide(accounts: Mapping[AccountKey, AccountView], intent: Intent) -> Refusal | None:
    """None when `intent` may be recorded on these accounts, else the first reason why not.

    Credits open missing accounts (CASH-C16), so only debited ones must exist. Credits of the
    same intent do not fund its debits.
    """
    locked = short = False
    for key, need in _needs(intent).items():
        account = accounts.get(key)
        if account is None:
            return Refusal.ACCOUNT_NOT_FOUND
        # Held money was decided on when the hold was placed; a lock since then does not stop it.
        if account.frozen and (intent.close is None or key != intent.close.account):
            locked = True
        if need > account.available and not account.overdraft:
            short = True
    if intent.strict_credit and not locked:
        for posting in intent.postings:
            account = accounts.get(posting.destination)
            locked = locked or (account is not None and account.frozen)
    if locked:
        return Refusal.ACCOUNT_LOCKED
    return Refusal.INSUFFICIENT_FUNDS if short else None


def _needs(intent: Intent) -> dict[AccountKey, int]:
    """Units each debited account must have available."""
    needs: dict[AccountKey, int] = {}
    for posting in intent.postings:
        needs[posting.source] = needs.get(posting.source, 0) + posting.amount
    if (place := intent.place) is not None:
        needs[place.account] = needs.get(place.account, 0) + place.amount
    if (close := intent.close) is not None:
        needs[close.account] = needs.get(close.account, 0) - close.amount
    return needs


def receipt_code(receipt: int) -> str:
    """`RCP-` and at least six digits (CASH-C46)."""
    return f"RCP-{receipt:06d}"


def receipt_number(code: str) -> int | None:
    """The number in a receipt code, None when it is not one."""
    digits = code.removeprefix("RCP-")
    if digits == code or not digits.isascii() or not digits.isdigit() or len(digits) > 18:
        return None
    return int(digits)
