"""Document 002, "Business Account"."""

from msgspec import UNSET, UnsetType

from protocols.nexuspay.wire.base import Amount, Moved, Wire


class RequestUpgrade(Wire, frozen=True, kw_only=True):
    business_name: str
    owner_name: str
    location: str
    business_type: str
    phone_number: str


class CompleteUpgrade(Wire, frozen=True, kw_only=True):
    business_id: str
    otp: str


class TransferFunds(Wire, frozen=True, kw_only=True):
    """`chain` is additive: without it one with enough is chosen (NXPY-C36)."""

    business_id: str
    amount: Amount
    wallet_address: str
    chain: str | UnsetType = UNSET


class UpgradeRequested(Wire, frozen=True, kw_only=True):
    business_id: str
    status: str


class UpgradeCompleted(Wire, frozen=True, kw_only=True):
    business_id: str
    business_name: str
    merchant_id: str
    wallet_address: str


class FundsTransferred(Moved, frozen=True, kw_only=True):
    transaction_id: str
    amount: str
    timestamp: str
