"""What the document calls the states of deposits and withdrawals (CASH-214..218, CASH-362)."""

from typing import Final

from domain.payments import Kind, Payment, State

DEPOSITS: Final = (
    Kind.PARTNER_DEPOSIT,
    Kind.BANK_DEPOSIT,
    Kind.AGENT_DEPOSIT,
    Kind.CRYPTO_DEPOSIT,
)
WITHDRAWALS: Final = (
    Kind.PARTNER_WITHDRAWAL,
    Kind.BANK_WITHDRAWAL,
    Kind.AGENT_WITHDRAWAL,
    Kind.CRYPTO_WITHDRAWAL,
)

_WHILE_OPEN: Final = {
    Kind.PARTNER_DEPOSIT: "pending_stk_push",
    Kind.BANK_DEPOSIT: "pending_bank_transfer",
    Kind.AGENT_DEPOSIT: "sent_to_agent",
    Kind.CRYPTO_DEPOSIT: "awaiting_deposit",
    Kind.PARTNER_WITHDRAWAL: "processing",
    Kind.BANK_WITHDRAWAL: "processing",
    Kind.AGENT_WITHDRAWAL: "pending_agent",
    Kind.CRYPTO_WITHDRAWAL: "processing",
}
_ENDED: Final = {
    State.COMPLETED: "completed",
    State.CANCELLED: "cancelled",
    State.FAILED: "failed",
    State.EXPIRED: "expired",
    State.UNDER_REVIEW: "under_review",
}


def status(payment: Payment) -> str:
    """The payment's status in the document's words; later ones are additive (CASH-C41)."""
    return _ENDED.get(payment.state) or _WHILE_OPEN[payment.kind]
