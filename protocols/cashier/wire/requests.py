"""What clients may send: one struct per message type, `data` of its frame."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from protocols.cashier.wire.base import Amount, Wire
from protocols.described import meta

# Nothing the document shows comes near these; they bound what one request can make us store.
_Id = Annotated[str, Meta(max_length=128)]
_Text = Annotated[str, Meta(max_length=1000)]
_Key = Annotated[str, Meta(min_length=1, max_length=200)]
_Limit = Annotated[int, Meta(ge=1, le=2**53)]
_Offset = Annotated[int, Meta(ge=0, le=2**53)]


class SocketQuery(Wire, frozen=True, kw_only=True):
    """Query of the upgrade: `token` where it comes in no other way; `resume_from`, the offset of
    the last event seen (X-C28)."""

    token: str | UnsetType = UNSET
    resume_from: int | UnsetType = UNSET


class Nothing(Wire, frozen=True, kw_only=True):
    """Requests without parameters."""


class VerificationRequest(Wire, frozen=True, kw_only=True):
    """`verification_request`; absent, null, "", "auto" choose the method (CASH-C05)."""

    method: str | None = None
    purpose: str | None = None


class Verify(Wire, frozen=True, kw_only=True):
    """`verify_totp` and `verify_otp`; an absent purpose is "withdrawal" (CASH-C06)."""

    code: str
    purpose: str | None = None


class ByAccount(Wire, frozen=True, kw_only=True):
    """`get_account_balance`."""

    account_number: _Id


class CreateAccount(Wire, frozen=True, kw_only=True):
    """`create_account`; `account_type` is "real" (also when absent) or "demo"."""

    currency: str
    account_type: Literal["real", "demo"] | None = None


class DepositRequest(Wire, frozen=True, kw_only=True):
    """`deposit_request`; `amount` counts in `local_currency` (CASH-C19)."""

    amount: Amount
    local_currency: str
    target_currency: str | None = None
    service: str | None = None
    partner_id: _Id | None = None
    agent_id: _Id | None = None
    idempotency_key: _Key | None = None


class ByReference(Wire, frozen=True, kw_only=True):
    """`get_deposit_status`, `cancel_deposit` and the additive `fulfill_withdrawal`."""

    request_ref: _Id
    idempotency_key: _Key | None = None


class WithdrawRequest(Wire, frozen=True, kw_only=True):
    """`withdraw_request`; `amount` counts in the wallet's currency (CASH-C19)."""

    amount: Amount
    local_currency: str
    service: str | None = None
    agent_id: _Id | None = None
    partner_id: _Id | None = None
    destination: _Id | None = None
    verification_token: _Id | None = None
    # Anything but JSON true is "consent is required", whatever its type (CASH-C27).
    consent: Annotated[object, meta(type="boolean")] = None
    idempotency_key: _Key | None = None


class Transfer(Wire, frozen=True, kw_only=True):
    """`transfer`; with `deposit_request_ref` an agent fulfils a deposit."""

    to_user_id: _Id
    amount: Amount
    currency: str
    deposit_request_ref: _Id | None = None
    description: _Text | None = None
    verification_token: _Id | None = None  # additive (CASH-C30)
    idempotency_key: _Key | None = None


class GetHistory(Wire, frozen=True, kw_only=True):
    """`get_history`; both lists are paged alike (CASH-C49)."""

    type: Literal["deposits", "withdrawals", "all"] = "all"
    limit: _Limit = 20
    offset: _Offset = 0


class ByReceipt(Wire, frozen=True, kw_only=True):
    """`get_transaction_by_receipt`."""

    receipt_code: _Id


class StatementRequest(Wire, frozen=True, kw_only=True):
    """`get_account_statement`; dates as in CASH-C54."""

    account_number: _Id
    from_: _Id | None = msgspec.field(name="from", default=None)
    to: _Id | None = None


class OwnerStatementRequest(Wire, frozen=True, kw_only=True):
    """`get_owner_statement`."""

    from_: _Id | None = msgspec.field(name="from", default=None)
    to: _Id | None = None


class GetLedgers(Wire, frozen=True, kw_only=True):
    """`get_ledgers`."""

    account_number: _Id
    from_: _Id | None = msgspec.field(name="from", default=None)
    to: _Id | None = None
    limit: _Limit = 50
    offset: _Offset = 0


class CalculateFee(Wire, frozen=True, kw_only=True):
    """`calculate_fee`; `amount` in `source_currency`."""

    transaction_type: Literal["transfer", "withdrawal", "conversion"]
    amount: Amount
    source_currency: str
    target_currency: str | None = None
    to_address: str | None = None


class ConvertAndTransfer(Wire, frozen=True, kw_only=True):
    """`convert_and_transfer`, between the caller's own accounts (CASH-C56)."""

    from_currency: str
    to_currency: str
    amount: Amount
    description: _Text | None = None
    idempotency_key: _Key | None = None


class GetPartners(Wire, frozen=True, kw_only=True):
    """`get_partners`; no service means every partner (CASH-C61)."""

    service: str | None = None
