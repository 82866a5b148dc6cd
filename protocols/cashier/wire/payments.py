"""Reply payloads around payments: verification, deposits, withdrawals, transfers, fees."""

from protocols.cashier.wire.base import Amount, Wire
from protocols.described import BalanceAfter, Sequence


class TotpWanted(Wire, frozen=True, kw_only=True):
    """`verification_request`, TOTP: nothing was sent."""

    method: str
    purpose: str
    next_step: str


class OtpSent(Wire, frozen=True, kw_only=True):
    """`verification_request`, OTP; `expires_in` seconds."""

    method: str
    channel: str
    purpose: str
    masked_recipient: str
    next_step: str
    expires_in: int


class Verified(Wire, frozen=True, kw_only=True):
    """`verify_totp`, `verify_otp`; `expires_in` seconds."""

    verification_token: str
    purpose: str
    method: str
    expires_in: int
    message: str


class PartnerRef(Wire, frozen=True, kw_only=True):
    """A partner as deposits and withdrawals name it."""

    id: str
    name: str


class AgentRef(Wire, frozen=True, kw_only=True):
    """An agent as deposits and withdrawals name it; `phone` masked (CASH-C13)."""

    id: str
    name: str
    phone: str


class PartnerDeposit(Wire, frozen=True, kw_only=True):
    """`deposit_request`, partner; a bank asks no phone (CASH-C60)."""

    request_ref: str
    amount_local: Amount
    local_currency: str
    amount_usd: Amount
    exchange_rate: Amount
    status: str
    partner: PartnerRef
    phone_number: str | None
    instructions: str


class AgentDeposit(Wire, frozen=True, kw_only=True):
    """`deposit_request`, agent."""

    request_ref: str
    amount: Amount
    currency: str
    status: str
    agent: AgentRef
    instructions: str


class CryptoDeposit(Wire, frozen=True, kw_only=True):
    """`deposit_request`, crypto."""

    request_ref: str
    amount: Amount
    currency: str
    chain: str
    wallet_address: str
    qr_code_url: str
    status: str
    instructions: str
    minimum_confirmations: int


class DepositStatus(Wire, frozen=True, kw_only=True):
    """`get_deposit_status`, the same members for every kind and state (CASH-C43)."""

    request_ref: str
    status: str
    amount_local: Amount
    local_currency: str
    amount_usd: Amount
    receipt_code: str | None
    completed_at: str | None


class DepositCancelled(Wire, frozen=True, kw_only=True):
    """`cancel_deposit`."""

    request_ref: str
    status: str


class PartnerWithdrawal(Wire, frozen=True, kw_only=True):
    """`withdraw_request`, partner; the fee is on top of `amount_usd` (CASH-C22)."""

    request_ref: str
    receipt_code: str
    amount_usd: Amount
    amount_local: Amount
    local_currency: str
    exchange_rate: Amount
    fee: Amount
    destination: str
    partner: PartnerRef
    status: str
    estimated_completion: str
    balance_after: BalanceAfter  # additive, as `sequence`: the caller's account
    sequence: Sequence


class AgentWithdrawal(Wire, frozen=True, kw_only=True):
    """`withdraw_request`, agent; the fee is on top of `amount`."""

    request_ref: str
    receipt_code: str
    amount: Amount
    currency: str
    fee: Amount
    agent: AgentRef
    status: str
    instructions: str
    balance_after: BalanceAfter
    sequence: Sequence


class CryptoWithdrawal(Wire, frozen=True, kw_only=True):
    """`withdraw_request`, crypto; the fees are inside `amount`."""

    request_ref: str
    receipt_code: str
    amount: Amount
    currency: str
    chain: str
    destination_address: str
    network_fee: Amount
    platform_fee: Amount
    total_fee: Amount
    amount_to_receive: Amount
    status: str
    tx_hash: str | None
    estimated_completion: str
    balance_after: BalanceAfter
    sequence: Sequence


class WithdrawalFulfilled(Wire, frozen=True, kw_only=True):
    """The additive `fulfill_withdrawal`, to the agent who paid the cash out (CASH-C38)."""

    request_ref: str
    receipt_code: str
    amount: Amount
    currency: str
    agent_commission: Amount
    status: str
    balance_after: BalanceAfter
    sequence: Sequence


class TransferDone(Wire, frozen=True, kw_only=True):
    """`transfer`, P2P."""

    receipt_code: str
    journal_id: int
    amount: Amount
    currency: str
    fee: Amount
    to_user_id: str
    transfer_type: str
    created_at: str
    balance_after: BalanceAfter
    sequence: Sequence


class DepositFulfilled(Wire, frozen=True, kw_only=True):
    """`transfer` with `deposit_request_ref`, to the agent."""

    receipt_code: str
    journal_id: int
    amount: Amount
    currency: str
    fee: Amount
    to_user_id: str
    transfer_type: str
    agent_id: str
    agent_name: str
    agent_commission: Amount
    deposit_request_ref: str
    deposit_completed: bool
    created_at: str
    balance_after: BalanceAfter
    sequence: Sequence


class Converted(Wire, frozen=True, kw_only=True):
    """`convert_and_transfer`; `fx_rate` is a string, unlike every other rate (CASH-C57)."""

    receipt_code: str
    journal_id: int
    source_currency: str
    dest_currency: str
    source_amount: Amount
    converted_amount: Amount
    fx_rate: str
    fx_rate_id: int
    fee: Amount
    created_at: str
    balance_after: BalanceAfter  # of the source account
    sequence: Sequence


class FeeQuote(Wire, frozen=True, kw_only=True):
    """`calculate_fee` (CASH-C22, CASH-C23)."""

    platform_fee: Amount
    network_fee: Amount
    total_fee: Amount
    fee_percentage: Amount
    amount_after_fee: Amount
    currency: str


class PartnerFees(Wire, frozen=True, kw_only=True):
    """Percentages (CASH-C21)."""

    deposit: Amount
    withdrawal: Amount


class PartnerItem(Wire, frozen=True, kw_only=True):
    """One partner of `get_partners`."""

    id: str
    name: str
    service: str
    currency: str
    is_active: bool
    fees: PartnerFees


class Partners(Wire, frozen=True, kw_only=True):
    """`get_partners`."""

    partners: list[PartnerItem]
    count: int
