"""The whole vocabulary of document 003: request and response bodies.

Responses are flat and in camel case, requests as the document mixes them. Members of requests
are decoded loosely, because each wrong one has an error text of its own.
"""

from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from protocols.described import BalanceAfter, Number, Sequence, meta

_Wanted = Annotated[Any, meta(wanted=True, type="string")]
_Email = Annotated[Any, meta(type=["string", "null"], format="email")]
_Purpose = Annotated[
    Any, meta(wanted=True, type="string", enum=["wallet_funding", "wallet_deduction"])
]
OTP_VERIFICATION: Final = "otp_verification"


class Body(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that is read or written here."""


class FundRequest(Body, frozen=True, kw_only=True):
    """`POST /api/wallet/fund`. `amount` is kept as the text of its JSON number."""

    amount: Annotated[Raw, meta(wanted=True, type="number")] = msgspec.field(default_factory=Raw)
    email: _Email = None


class VerifyRequest(Body, frozen=True, kw_only=True):
    """`POST /api/wallet/verify-otp` and its alias; snake case here."""

    otp: _Wanted = None
    transaction_reference: _Wanted = msgspec.field(name="transaction_reference", default=None)

    def __repr__(self) -> str:
        return f"VerifyRequest({self.transaction_reference!r})"


class SendRequest(Body, frozen=True, kw_only=True):
    """`POST /api/wallet/otp/send`."""

    purpose: _Purpose = None
    email: _Email = None


class StatusQuery(Body, frozen=True, kw_only=True):
    """Query of `GET /api/wallet/otp/status`."""

    purpose: _Purpose


class FundResponse(Body, frozen=True, kw_only=True):
    """A funding waits for its code."""

    success: Literal[True] = True
    message: str
    transaction_reference: str
    otp_expires_in: int
    otp_sent: bool
    fraud_risk_level: str
    requires_manual_review: bool
    next_step: str = OTP_VERIFICATION
    warning: str | None


class VerifyResponse(Body, frozen=True, kw_only=True):
    """The code was right. `balance_after` and `sequence` of the NGN account are additive."""

    success: Literal[True] = True
    message: str
    new_balance: Number
    transaction_id: str
    balance_after: BalanceAfter = msgspec.field(name="balance_after")
    sequence: Sequence


class SendResponse(Body, frozen=True, kw_only=True):
    """A code is on its way; `email` as the client wrote it."""

    success: Literal[True] = True
    message: str
    expires_in: int
    email: str


class StatusResponse(Body, frozen=True, kw_only=True):
    """How the code of a purpose stands; seconds in `expires_in`."""

    success: Literal[True] = True
    purpose: str
    has_pending_otp: bool = msgspec.field(name="hasPendingOTP")
    expires_in: int
    attempts_remaining: int
    is_locked: bool


class ErrorBody(Body, frozen=True, kw_only=True):
    """Every error. `success` is there in 500s only (WOTP-C16); `code` is additive."""

    success: bool | UnsetType = UNSET
    message: str
    details: str | UnsetType = UNSET
    hint: str | UnsetType = UNSET
    code: str | UnsetType = UNSET
