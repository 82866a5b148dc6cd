"""What document 002 calls a token payment and its states. The database derives the same
(storage/migrations)."""

from typing import Final

from domain.nexuspay.transactions import Status
from domain.payments import Kind, Payment, State

PAYBILL: Final = "paybill"
TILL: Final = "till"
# The longest a request waits for a bill to be paid; what is silent then is undone (NXPY-C47).
ASK_AFTER_US: Final = 20_000_000
GIVE_UP_AFTER_US: Final = 28_000_000
_FAILED: Final = frozenset({State.FAILED, State.CANCELLED, State.EXPIRED})


def status_of(payment: Payment) -> Status:
    """Its status (document, "Transaction Statuses"; NXPY-C25)."""
    if payment.state is State.COMPLETED:
        return Status.COMPLETED
    if payment.state in _FAILED:
        return Status.FAILED
    if payment.state is State.UNDER_REVIEW:
        return Status.ERROR
    return Status.RESERVED if payment.kind is Kind.TOKEN_PURCHASE else Status.PENDING
