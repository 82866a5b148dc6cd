"""Payments as this surface shows them: status replies and updates are the same (MPWS-C01)."""

from typing import Final

from msgspec import UNSET, UnsetType

from domain.events import Fact, PayoutMoved, PushMoved
from domain.payments import State
from protocols.mpesa.codec import amount, encode, provider_code
from protocols.mpesa.wire import Message, PushStatus, ReloadRequired, Withdrawal

ACCEPTED: Final = 0  # the code of what goes well so far
PENDING: Final = "pending"
QUEUED: Final = "queued"
_PROCESSING: Final = "processing"

_PUSH: Final[dict[str, str]] = {
    State.SENDING: PENDING,
    State.PENDING: PENDING,
    State.UNKNOWN: PENDING,
    State.COMPLETED: "completed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
    State.EXPIRED: "timeout",
    State.UNDER_REVIEW: "under_review",
}
_PAYOUT: Final[dict[str, str]] = {
    State.SENDING: QUEUED,
    State.PENDING: _PROCESSING,
    State.UNKNOWN: _PROCESSING,
    State.COMPLETED: "completed",
    State.FAILED: "failed",
}
# M-Pesa's own number for what ended without its word; everything else went well so far.
_CODES: Final = {"failed": 1, "cancelled": 1032, "timeout": 1037}
# What is said where the provider has said nothing.
_TEXTS: Final = {
    PENDING: "Waiting for the payer",
    "completed": "The payment is complete",
    "failed": "The payment failed",
    "cancelled": "The payer cancelled",
    "timeout": "No result within 120 seconds",
    "under_review": "Under review",
    QUEUED: "The withdrawal is queued",
    _PROCESSING: "The withdrawal is being processed",
}


def frame(fact: Fact, offset: int | None = None) -> bytes | None:
    """A fact as an update, with `offset` for clients that resume; None for facts of others."""
    match fact:
        case PushMoved():
            message = Message(kind="status", payload=push_status(fact), offset=_shown(offset))
        case PayoutMoved():
            message = Message(kind="withdraw", payload=withdrawal(fact), offset=_shown(offset))
        case _:
            return None
    return encode(message)


def reload_required(offset: int) -> bytes:
    """What was missed cannot be told any more; updates after `offset` follow (X-C28)."""
    payload = ReloadRequired(reason="updates after this offset are not kept")
    return encode(Message(kind="reload_required", payload=payload, offset=offset))


def push_status(fact: PushMoved) -> PushStatus:
    """The payload of `status`."""
    status = _PUSH[fact.state]
    return PushStatus(
        checkout=fact.checkout,
        status=status,
        code=_code(fact.code, status),
        message=fact.message or _TEXTS[status],
        phone=fact.phone,
        amount=amount(fact.amount),
        receipt=fact.receipt or None,
    )


def withdrawal(fact: PayoutMoved) -> Withdrawal:
    """The payload of `withdraw`, without what only the reply has."""
    status = _PAYOUT[fact.state]
    return Withdrawal(
        conversation=fact.conversation,
        phone=fact.phone,
        amount=amount(fact.amount),
        description=fact.description,
        status=status,
        code=_code(fact.code, status),
        message=fact.message or _TEXTS[status],
        receipt=fact.receipt or None,
    )


def _code(code: str, status: str) -> int:
    """A number in every state (MPWS-C01): the provider's last word about what is over."""
    if status in (PENDING, QUEUED, _PROCESSING):
        return ACCEPTED
    return provider_code(code) if code else _CODES.get(status, ACCEPTED)


def _shown(offset: int | None) -> int | UnsetType:
    return UNSET if offset is None else offset
