"""What the server says unasked (document, "Event Notifications"): `data` of each frame."""

from protocols.cashier.wire.base import Amount, Wire


class Connected(Wire, frozen=True, kw_only=True):
    """`connected`: the first frame of every connection."""

    user_id: str
    timestamp: int


class DepositCompleted(Wire, frozen=True, kw_only=True):
    """`deposit_completed`, partner and crypto; also `deposit_failed` (CASH-C41)."""

    request_ref: str
    amount: Amount
    currency: str
    receipt_code: str | None
    status: str
    completed_at: str | None


class DepositRequested(Wire, frozen=True, kw_only=True):
    """The additive `deposit_request_received`, to an agent (CASH-C37)."""

    request_ref: str
    from_user_id: str
    amount: Amount
    currency: str


class AgentDepositCompleted(Wire, frozen=True, kw_only=True):
    """`deposit_completed`, agent: told apart by `is_deposit` (CASH-C36)."""

    from_user_id: str
    amount: Amount
    currency: str
    description: str
    receipt_code: str
    deposit_request_ref: str
    is_deposit: bool
    agent_id: str
    agent_name: str


class WithdrawCompleted(Wire, frozen=True, kw_only=True):
    """`withdraw_completed`; also the additive `withdraw_failed` (CASH-C42)."""

    request_ref: str
    amount: Amount
    currency: str
    receipt_code: str
    status: str
    completed_at: str | None


class TransferReceived(Wire, frozen=True, kw_only=True):
    """`transfer_received`."""

    from_user_id: str
    amount: Amount
    currency: str
    description: str
    receipt_code: str
    transfer_type: str


class ReloadRequired(Wire, frozen=True, kw_only=True):
    """The additive `reload_required`: what was missed is not kept any more (X-C28)."""

    reason: str
