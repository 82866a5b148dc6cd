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


class SweepRequest(_Body, frozen=True, kw_only=True):
    """`minimum_usd`: what is worth less stays; `everything`: look at addresses without new
    deposits, too. Without `execute` nothing is moved."""

    chain: str
    minimum_usd: Annotated[Any, meta(type="string", examples=["5.00"])] = "1"
    execute: bool = False
    everything: bool = False


class SweepRow(_Body, frozen=True, kw_only=True):
    """One token on one address. `action`: sweep, top up, under way, later, too small, no key,
    empty. `fee` and `gas` (what is sent there for it) are in the chain's own coin."""

    address: str
    user_id: str
    purpose: str
    token: str
    amount: str
    usd: str | None
    fee: str
    gas: str
    action: str
    id: str | None


class SweepPlan(_Body, frozen=True, kw_only=True):
    """What lies on a chain's deposit addresses, and what is done with it; `to` is the hot
    wallet."""

    chain: str
    to: str
    executed: bool
    rows: list[SweepRow]


class SweepStatus(_Body, frozen=True, kw_only=True):
    """A sweep, or the gas for one. `amount` and `fee` as the chain counts them, in raw units."""

    id: str
    kind: str
    chain: str
    token: str
    source: str
    to: str
    amount: str
    status: str
    tx_hash: str | None
    fee: str
    reason: str | None
    created_at: str


class SweepList(_Body, frozen=True, kw_only=True):
    """Newest first."""

    sweeps: list[SweepStatus]


class KillSwitchRequest(_Body, frozen=True, kw_only=True):
    """`user_id` absent: everybody."""

    on: bool
    user_id: str | None = None


class KillSwitchResponse(_Body, frozen=True, kw_only=True):
    """As it is now."""

    on: bool
    user_id: str | None
