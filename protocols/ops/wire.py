"""Bodies of the operators' endpoints."""

from typing import Annotated, Any

import msgspec

from protocols.described import Number, meta


class _Body(msgspec.Struct, frozen=True, kw_only=True):
    pass


class ReviewRow(_Body, frozen=True, kw_only=True):
    """Something that waits; `requested_at` is when it began to wait."""

    reference: str
    kind: str
    user_id: str
    amount: Number
    currency: str
    reasons: list[str]
    requested_at: str


class ReviewList(_Body, frozen=True, kw_only=True):
    """The longest waiting first of every kind."""

    reviews: list[ReviewRow]


class RulingRequest(_Body, frozen=True, kw_only=True):
    """`decision` is "approve" or "reject"."""

    decision: Annotated[Any, meta(wanted=True, type="string", enum=["approve", "reject"])] = None
    note: Annotated[Any, meta(type=["string", "null"])] = ""


class RulingResponse(_Body, frozen=True, kw_only=True):
    """The decision holds; `status` is what its subject became."""

    reference: str
    kind: str
    decision: str
    status: str
    note: str
    decided_by: str


class ErrorBody(_Body, frozen=True, kw_only=True):
    """Every error."""

    error: str


class ReversalRequest(_Body, frozen=True, kw_only=True):
    """`receipt` is M-Pesa's, of cash that lies in suspense."""

    receipt: str
    note: str = ""


class ReversalResponse(_Body, frozen=True, kw_only=True):
    """The order is recorded. `status`: completed or failed; sending, pending or unknown while
    M-Pesa has not said, and then it goes on by itself."""

    reference: str
    receipt: str
    amount: Number
    currency: str
    status: str
    message: str
    note: str
    decided_by: str


class FloatAccount(_Body, frozen=True, kw_only=True):
    """One of our accounts at M-Pesa."""

    account: str
    currency: str
    available: Number


class FloatResponse(_Body, frozen=True, kw_only=True):
    """What M-Pesa says we have; `booked` is what our books say came in less what went out."""

    accounts: list[FloatAccount]
    booked: Number


class KillSwitchRequest(_Body, frozen=True, kw_only=True):
    """`user_id` absent: everybody."""

    on: bool
    user_id: str | None = None


class KillSwitchResponse(_Body, frozen=True, kw_only=True):
    """As it is now."""

    on: bool
    user_id: str | None
