"""Decisions that wait for a person: one shape for everything an operator approves or rejects.

Whoever has something to decide implements `ReviewDesk`; app.py hands all desks to the operators'
surface, which neither knows nor cares what is behind a reference.
"""

from collections.abc import Sequence
from enum import Enum, StrEnum
from typing import Protocol

import msgspec


class Decision(StrEnum):
    """What an operator may say."""

    APPROVE = "approve"
    REJECT = "reject"


class Review(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Something that waits. `amount` in units of `asset`; `since_us` on the application clock."""

    reference: str
    kind: str
    user_id: int
    amount: int
    asset: str
    reasons: tuple[str, ...]
    since_us: int


class Ruling(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What an administrator decided, how they proved to be one (`amr`), and why."""

    decision: Decision
    operator_id: int
    how: str
    note: str = ""


class Ruled(msgspec.Struct, frozen=True, gc=False):
    """The ruling holds, durably; `status` is what its subject became."""

    status: str


class NotRuled(Enum):
    """Why a ruling does not hold."""

    UNKNOWN = "no such reference"
    DECIDED = "not under review"
    OWNER_GONE = "its owner was deleted"
    NOT_COVERED = "its owner's balance does not cover it"
    LOCKED = "its owner's account is locked"
    UNAVAILABLE = "temporarily unavailable"


class ReviewDesk(Protocol):
    """One kind of thing that waits for operators."""

    @property
    def kind(self) -> str:
        """What it is called on the wire: "funding"."""
        ...

    async def waiting(self, limit: int) -> Sequence[Review]:
        """The longest waiting first. Raises StoreUnavailable."""
        ...

    async def rule(self, reference: str, ruling: Ruling) -> Ruled | NotRuled:
        """Carry the ruling out and audit it, together or not at all."""
        ...
