"""A transaction as the history shows it: one row a person that took part in it.

Rows of payments (anything with an M-Pesa leg) follow their payment inside the database
(storage/migrations); rows of token transfers are written with their journal, complete.
"""

from enum import StrEnum
from typing import Final

import msgspec

from domain.money import round_down

FEE_PERCENT: Final = 1  # of the token amount, from main to fees wallet (NXPY-C60)
TOLERANCE_PERCENT: Final = 2  # between the offered and the current value, inclusive (NXPY-C43)


class Type(StrEnum):
    """Document 002, "Transaction Types"."""

    FIAT_TO_CRYPTO = "fiat_to_crypto"
    CRYPTO_TO_FIAT = "crypto_to_fiat"
    CRYPTO_TO_PAYBILL = "crypto_to_paybill"
    CRYPTO_TO_TILL = "crypto_to_till"
    TOKEN_TRANSFER = "token_transfer"  # noqa: S105  # a type of transaction


class Status(StrEnum):
    """Document 002, "Transaction Statuses"."""

    PENDING = "pending"
    RESERVED = "reserved"
    COMPLETED = "completed"
    FAILED = "failed"
    ERROR = "error"


class Operation(StrEnum):
    """What was asked for; the first six are the short names of NXPY-C22."""

    DEPOSIT = "deposit"
    WITHDRAW = "withdraw"
    PAYBILL = "paybill"
    TILL = "till"
    BUY_CRYPTO = "buy_crypto"
    PAY_WITH_CRYPTO = "pay_with_crypto"
    SEND = "send"
    PAY = "pay"
    TRANSFER_FUNDS = "transfer_funds"
    FUND = "fund"
    RECEIVE = "receive"  # tokens that came from outside or from another surface


MPESA_OPERATIONS: Final = frozenset(
    {
        Operation.DEPOSIT,
        Operation.WITHDRAW,
        Operation.PAYBILL,
        Operation.TILL,
        Operation.BUY_CRYPTO,
        Operation.PAY_WITH_CRYPTO,
    }
)
PENDING: Final = frozenset({Status.PENDING, Status.RESERVED})
FAILED: Final = frozenset({Status.FAILED, Status.ERROR})


class Transaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One person's view of one transaction. Amounts in units, times in microseconds, 0 never.

    `amount` is of `token`; `kes` and `usd` are its values then, `rate` the KES and `usd_rate`
    the USD for one whole token then. `owner` is False on the row of a transfer's recipient.
    `balance` is the person's balance of the token on the chain afterwards, None where no journal
    of its own says so. `gas_used` and `gas_fee` (units of the chain's own coin, rounded up) are
    what its transaction cost whoever sent it; 0 where the ledger alone moved the tokens.
    """

    id: str
    user_id: int
    owner: bool
    type: Type
    status: Status
    operation: Operation
    chain: str
    token: str
    amount: int
    kes: int
    usd: int
    rate: int
    usd_rate: int
    created_us: int
    completed_us: int = 0
    tx_hash: str = ""
    block: int = 0
    mpesa_id: str = ""
    from_address: str = ""
    to_address: str = ""
    code: str = ""
    target: str = ""
    account: str = ""
    description: str = ""
    reason: str = ""
    balance: int | None = None
    retries: int = 0
    last_retry_us: int = 0
    payment_id: int = 0
    gas_used: int = 0
    gas_fee: int = 0

    @property
    def is_mpesa(self) -> bool:
        """Whether it has an M-Pesa leg (NXPY-C38)."""
        return self.operation in MPESA_OPERATIONS


class Filters(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a list is narrowed to; members combine with AND (NXPY-506). Times inclusive."""

    status: Status | None = None
    type: Type | None = None
    chain: str | None = None
    token: str | None = None
    from_us: int | None = None
    to_us: int | None = None
    user_id: int | None = None


class Insights(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """All transactions of one person, counted (NXPY-C50). Volumes in units, of completed ones."""

    completed: int = 0
    pending: int = 0
    failed: int = 0
    usd: int = 0
    kes: int = 0
    chain: str | None = None
    token: str | None = None
    last_day: int = 0
    last_week: int = 0
    last_month: int = 0

    @property
    def total(self) -> int:
        """Every transaction is in exactly one of the three."""
        return self.completed + self.pending + self.failed

    @property
    def average_usd(self) -> int:
        """Units of USD a completed transaction moved, cut to 2 decimals; 0 of none."""
        cent = 10**6
        return self.usd // self.completed // cent * cent if self.completed else 0


def within_tolerance(value: int, amount: int) -> bool:
    """Whether `value` is no more than 2 % off `amount`, in either direction (NXPY-C43)."""
    return abs(value - amount) * 100 <= TOLERANCE_PERCENT * amount


def platform_fee(amount: int, decimals: int) -> int:
    """What of `amount` units goes into the fees wallet, rounded down at the token's decimals in
    the ledger (NXPY-C60)."""
    return round_down(amount * FEE_PERCENT // 100, decimals)
