"""Wallet fundings: what may be funded, how risky it looks, and what becomes of it.

Document 003 with decisions WOTP-C01..C11 and C21. Amounts are units of 10⁻⁸ NGN, times are
microseconds of the application clock.
"""

import re
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, Final

import msgspec

from domain.identity.windows import DAY
from domain.ledger import Posting, SystemPurpose, system, wallet
from domain.money import units_of

CURRENCY: Final = "NGN"
LOWEST: Final = units_of("100")
HIGHEST: Final = units_of("5000000")
# From here on an amount is a fraud signal, as are so many wrong codes in a day (WOTP-C04).
LARGE: Final = units_of("1000000")
MANY_FAILED: Final = 3
JOURNAL_KIND: Final = "WALLET_FUNDING"

_ALPHABET: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_SUFFIX: Final = 8
_REFERENCE: Final = re.compile(r"FUND-[0-9]{13}-[a-z0-9]{8}", re.ASCII)


class State(StrEnum):
    """Where a funding stands."""

    PENDING = "pending"  # waits for its code
    CLEARED = "cleared"  # may be credited: code right, and an operator agreed if one had to
    UNDER_REVIEW = "under_review"  # code right; waits for an operator
    COMPLETED = "completed"  # credited
    FAILED = "failed"  # the funding source declined
    REJECTED = "rejected"  # an operator declined
    VOID = "void"  # a newer one took its place, or its code could not be sent


MOVES: Final[dict[State, frozenset[State]]] = {
    State.PENDING: frozenset({State.CLEARED, State.UNDER_REVIEW, State.VOID}),
    State.CLEARED: frozenset({State.COMPLETED, State.FAILED, State.UNDER_REVIEW}),
    State.UNDER_REVIEW: frozenset({State.CLEARED, State.REJECTED}),
}
"""Every legal move; a state without an entry is an end."""

# Counted against the daily limit: credited, or possibly so.
COUNTED: Final = frozenset({State.CLEARED, State.UNDER_REVIEW, State.COMPLETED})


class Signal(StrEnum):
    """What makes a funding look like fraud, or keeps it from being credited by itself."""

    OTHER_EMAIL = "other_email"  # the code goes to another address than the proved one (C03)
    LARGE_AMOUNT = "large_amount"
    FAILED_CODES = "failed_codes"
    LOCKOUT = "lockout"
    UNCERTAIN = "collection_uncertain"  # the source did not say whether it paid


class RiskLevel(StrEnum):
    """`fraudRiskLevel` of the document."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def signals(amount: int, other_email: bool, failed: int, lockouts: int) -> tuple[Signal, ...]:
    """What speaks against this funding; `failed` and `lockouts` of the last 24 hours."""
    found = {
        Signal.OTHER_EMAIL: other_email,
        Signal.LARGE_AMOUNT: amount >= LARGE,
        Signal.FAILED_CODES: failed >= MANY_FAILED,
        Signal.LOCKOUT: lockouts > 0,
    }
    return tuple(signal for signal, holds in found.items() if holds)


def risk_level(found: Iterable[Signal]) -> RiskLevel:
    """High for a lockout or two signals, medium for one (WOTP-C04)."""
    risky = set(found) - {Signal.UNCERTAIN}
    if Signal.LOCKOUT in risky or len(risky) >= 2:
        return RiskLevel.HIGH
    return RiskLevel.MEDIUM if risky else RiskLevel.LOW


class IllegalMove(Exception):
    """A move that the table does not have: a defect of the caller."""


class Funding(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One funding. `version` counts its moves, from 0.

    `review`: an operator decides after the code. `proved_us` is when the code was right, 0 before.
    `transaction_ms` is the number in its `TXN-` id, given with the proof. `collected` is True
    once the money is known to be there; `source_ref` is the source's own id of it.
    """

    reference: str
    user_id: int
    amount: int
    email: str
    created_us: int
    signals: tuple[Signal, ...] = ()
    review: bool = False
    state: State = State.PENDING
    version: int = 0
    proved_us: int = 0
    transaction_ms: int = 0
    collected: bool = False
    source_ref: str = ""

    @property
    def risk(self) -> RiskLevel:
        """How risky it looks."""
        return risk_level(self.signals)

    @property
    def transaction_id(self) -> str:
        """`TXN-` and thirteen digits (WOTP-C21); "" before its code was right."""
        return f"TXN-{self.transaction_ms}" if self.transaction_ms else ""

    def moved(self, to: State, **changes: Any) -> "Funding":
        """Its next version, in state `to`; raises IllegalMove."""
        if to not in MOVES.get(self.state, frozenset()):
            raise IllegalMove(f"{self.reference}: {self.state} to {to}")
        return self.changed(state=to, **changes)

    def changed(self, **changes: Any) -> "Funding":
        """Its next version in the same state."""
        return msgspec.structs.replace(self, version=self.version + 1, **changes)

    def suspected(self, found: Iterable[Signal], always_review: bool) -> "Funding":
        """The same funding with what was found added: a suspicion never goes away."""
        together = {*self.signals, *found}
        ordered = tuple(signal for signal in Signal if signal in together)
        review = self.review or always_review or risk_level(ordered) is RiskLevel.HIGH
        if (ordered, review) == (self.signals, self.review):
            return self
        return self.changed(signals=ordered, review=review)

    def posting(self) -> Posting:
        """The credit, against what the funding source owes us (WOTP-C01)."""
        source = system(CURRENCY, SystemPurpose.FUNDING_CLEARING)
        return Posting(source, wallet(self.user_id, CURRENCY), self.amount, "Wallet funding")


def new_reference(now_us: int, random_bytes: Callable[[int], bytes]) -> str:
    """`FUND-<milliseconds>-<8 of a-z0-9>` (WOTP-C21), uniform in its random part."""
    letters = ""
    fair = 256 - 256 % len(_ALPHABET)
    while len(letters) < _SUFFIX:
        (byte,) = random_bytes(1)
        if byte < fair:
            letters += _ALPHABET[byte % len(_ALPHABET)]
    return f"FUND-{now_us // 1000:013d}-{letters}"


def is_reference(text: str) -> bool:
    """Whether `text` looks like a reference we gave out."""
    return _REFERENCE.fullmatch(text) is not None


def in_range(amount: int) -> bool:
    """Whether an amount may be funded at once (WOTP-026)."""
    return LOWEST <= amount <= HIGHEST


def day_start(now_us: int) -> int:
    """Midnight UTC before `now_us`: the daily limit counts from there."""
    return now_us - now_us % DAY
