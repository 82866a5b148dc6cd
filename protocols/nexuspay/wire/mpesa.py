"""Document 002, "MPESA Integration" and "Crypto Spending System"."""

from typing import Final

from msgspec import UNSET, UnsetType

from protocols.described import Number, narrowed
from protocols.nexuspay.wire.base import Amount, Moved, SpecialError, Wire


class Deposit(Wire, frozen=True, kw_only=True):
    amount: Amount
    phone: str


class BuyCrypto(Wire, frozen=True, kw_only=True):
    """`chainName` is taken for `chain` (NXPY-C15)."""

    crypto_amount: Amount
    phone: str
    chain: str | UnsetType = UNSET
    chain_name: str | UnsetType = UNSET
    token_type: str


class SubmitReceipt(Wire, frozen=True, kw_only=True):
    transaction_id: str
    mpesa_receipt_number: str
    amount: Amount


class Withdraw(Wire, frozen=True, kw_only=True):
    amount: Amount
    phone: str


class Paybill(Wire, frozen=True, kw_only=True):
    amount: Amount
    business_number: str
    account_number: str


class Till(Wire, frozen=True, kw_only=True):
    amount: Amount
    till_number: str


class PayWithCrypto(Wire, frozen=True, kw_only=True):
    """`account_number` means nothing for a till (NXPY-C48)."""

    amount: Amount
    crypto_amount: Amount
    target_type: str
    target_number: str
    account_number: str | None = None
    chain: str | UnsetType = UNSET
    chain_name: str | UnsetType = UNSET
    token_type: str
    description: str | None = None


class Deposited(Wire, frozen=True, kw_only=True):
    """`checkout_request_id` is null when M-Pesa has not said whether it took the push."""

    transaction_id: str
    status: str
    checkout_request_id: str | None


class Bought(Wire, frozen=True, kw_only=True):
    transaction_id: str
    mpesa_amount: int
    crypto_amount: Number
    token_type: str
    chain: str
    status: str
    checkout_request_id: str | None
    created_at: str
    estimated_completion_time: str
    success_code: str


class ReceiptVerified(Moved, frozen=True, kw_only=True):
    transaction_id: str
    mpesa_receipt_number: str
    crypto_amount: Number
    token_type: str
    chain: str
    recipient: str | None
    crypto_transaction_hash: str
    explorer_url: str
    status: str
    completed_at: str
    platform_balance: str
    note: str


class Withdrawn(Moved, frozen=True, kw_only=True):
    transaction_id: str
    status: str
    estimated_completion_time: str


class BillOrdered(Moved, frozen=True, kw_only=True):
    transaction_id: str
    status: str


class TransactionStatus(Wire, frozen=True, kw_only=True):
    transaction_id: str
    type: str
    amount: str
    status: str
    crypto_amount: str | None
    timestamp: str
    completed_at: str | None


class CryptoPaid(Moved, frozen=True, kw_only=True):
    transaction_id: str
    fiat_amount: Number
    crypto_amount: Number
    token_type: str
    chain: str
    target_type: str
    target_number: str
    account_number: str | None
    status: str
    completed_at: str
    crypto_transaction_hash: str
    mpesa_transaction_id: str | None
    explorer_url: str
    processing_time_ms: int
    conversion_rate: Number
    description: str | None
    note: str


class Short(Wire, frozen=True, kw_only=True):
    """`data` of the documented INSUFFICIENT_BALANCE."""

    requested_amount: Number
    available_amount: Number
    token_type: str
    chain: str


class RolledBack(Wire, frozen=True, kw_only=True):
    """`data` of the documented PAYMENT_FAILED_ROLLED_BACK."""

    transaction_id: str
    rollback_tx_hash: str
    explorer_url: str


# The two refusals of pay-with-crypto that have a body of their own (NXPY-C41).
SHORT: Final = narrowed("InsufficientCrypto", SpecialError, "Too little of the token.", data=Short)
ROLLED_BACK: Final = narrowed(
    "PaymentRolledBack", SpecialError, "M-Pesa refused; the tokens are back.", data=RolledBack
)
