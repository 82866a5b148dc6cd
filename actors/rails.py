"""Rails: what payment actors ask of outside money movers, and what they may be told.

One vocabulary for every mobile-money provider; `providers/mpesa` implements it, app.py hands it
in. A call is answered at once with "accepted", "refused" or "unknown"; what became of the money
arrives later as a callback body, which the reader methods turn into the result types below.
Amounts asked for are whole shillings; amounts reported are units of 10⁻⁸, as the wire said.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final, Protocol


class Cause(Enum):
    """Why money definitely did not move."""

    NOT_SENT = "not sent"  # the request never left us
    INVALID = "invalid request"
    BUSY = "provider or subscriber busy"
    LIMITED = "same amount to the same party too soon"
    CANCELLED = "cancelled by the payer"
    WRONG_PIN = "wrong PIN"
    INSUFFICIENT_FUNDS = "payer has too little"
    FLOAT_SHORT = "our float is too small"
    BELOW_MINIMUM = "below the minimum"
    ABOVE_MAXIMUM = "above the maximum"
    DAILY_LIMIT = "daily limit"
    BALANCE_LIMIT = "maximum balance"
    UNREACHABLE = "handset unreachable"
    EXPIRED = "expired"
    PUSH_FAILED = "prompt could not be shown"
    PARTY_INACTIVE = "party inactive or in an invalid state"
    PARTY_UNKNOWN = "no such party"
    LOCKED = "payer's credential is locked"
    CREDENTIALS = "our credentials were refused"
    CONFIGURATION = "our account is not set up for this"
    ALREADY_REVERSED = "already reversed"
    INVALID_ORIGINAL = "the original cannot be reversed"
    DECLINED = "declined"


_OPERATOR_CAUSES: Final = frozenset({Cause.CREDENTIALS, Cause.CONFIGURATION, Cause.FLOAT_SHORT})
_RETRY_CAUSES: Final = frozenset({Cause.NOT_SENT, Cause.BUSY, Cause.LIMITED})


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """No money moved and none will. `code` is the provider's own, "" where there is none."""

    cause: Cause
    code: str
    message: str

    @property
    def needs_operator(self) -> bool:
        """Whether only our own operators can mend it: raise an alert."""
        return self.cause in _OPERATOR_CAUSES

    @property
    def may_retry(self) -> bool:
        """Whether the same request may succeed a little later."""
        return self.cause in _RETRY_CAUSES


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    """Money may or may not have moved: keep the hold, ask again, then a person. `silent`: no
    answer came at all."""

    message: str
    code: str = ""
    silent: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """The provider is still at it."""

    message: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotFound:
    """The provider does not know the payment asked about (it may still learn of it)."""

    message: str
    code: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """Money moved. Members are None where this piece of evidence does not carry them: a push
    query names no receipt, and only a status result names both parties."""

    receipt: str | None = None
    amount_units: int | None = None
    phone: str | None = None  # 2547…, of the payer of a push or the receiver of a payout
    completed_at: str | None = None  # as the provider wrote it, East Africa Time
    message: str = ""
    code: str = "0"
    submitted: str = ""  # the receipt a customer named, who may mean another payment's
    unasked: bool = False  # it only names the payment: its payer may have typed that


@dataclass(frozen=True, slots=True, kw_only=True)
class Reversed:
    """It was paid once, and given back since."""

    message: str
    code: str = ""


Outcome = Paid | Refused | Pending | NotFound | Unknown | Reversed


@dataclass(frozen=True, slots=True, kw_only=True)
class PushAccepted:
    """The prompt is on its way to the handset."""

    checkout: str
    merchant: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferAccepted:
    """Queued at the provider; a result will be called back.

    `originator` is ours for payouts and the provider's for everything else. `conversation` is
    None where the provider only said that it has had this originator id before (`duplicate`).
    """

    originator: str
    conversation: str | None
    duplicate: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """An address of ours is known to the provider, now or already before."""

    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PushResult:
    """Callback of a push. `outcome` is Paid, Refused or Unknown."""

    checkout: str
    merchant: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferResult:
    """Callback of a payout, bill payment or reversal; a queue-timeout notice is Unknown.

    Apply it only to the payment whose originator or conversation id it names.
    """

    originator: str
    conversation: str
    outcome: Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class StatusResult:
    """Callback of a status request: evidence about *another* payment.

    `originator` and `conversation` are the request's; those of the payment asked about are
    `original_*`. A failed request says nothing about the payment (Unknown or NotFound).
    """

    originator: str
    conversation: str
    outcome: Outcome
    original_originator: str | None = None
    original_conversation: str | None = None
    debit_party: str | None = None  # number of the payer: a phone or a short code
    credit_party: str | None = None  # number of the payee


@dataclass(frozen=True, slots=True, kw_only=True)
class FloatBalance:
    """One of our accounts at the provider."""

    account: str
    currency: str
    available_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BalanceResult:
    """Callback of a balance request."""

    originator: str
    conversation: str
    balances: tuple[FloatBalance, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class IncomingPayment:
    """A customer paid us unasked, or is about to (validation). `phone` may be masked."""

    receipt: str
    amount_units: int
    shortcode: str
    reference: str
    phone: str
    payer_name: str
    paid_at: str  # as the provider wrote it


@dataclass(frozen=True, slots=True, kw_only=True)
class Malformed:
    """A callback body that could not be read: keep it, acknowledge it, ask for the status."""

    reason: str


class MobileMoney(Protocol):
    """A mobile-money provider. No method raises for anything the outside can do. Whoever cancels
    a call that moves money must take it for Unknown.

    URLs are absolute and carry the payment's own callback secret.
    """

    async def push(
        self,
        *,
        payment_id: str,
        phone: str,
        amount_kes: int,
        reference: str,
        description: str,
        callback_url: str,
    ) -> PushAccepted | Refused | Unknown:
        """Ask the payer's handset for its PIN. Sent at most once: it has no idempotency."""
        ...

    async def query_push(self, checkout: str) -> Outcome:
        """What became of a push. Never names the receipt; may be asked any number of times."""
        ...

    async def pay_out(
        self,
        *,
        payment_id: str,
        phone: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
    ) -> TransferAccepted | Refused | Unknown:
        """Pay a customer. `payment_id` is the provider's idempotency key: calling again with
        the same one never pays twice, so an Unknown may be asked again."""
        ...

    async def pay_bill(
        self,
        *,
        payment_id: str,
        paybill: str,
        account: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
        requester: str | None = None,
    ) -> TransferAccepted | Refused | Unknown:
        """Pay a paybill number. Sent at most once: it has no idempotency."""
        ...

    async def pay_till(
        self,
        *,
        payment_id: str,
        till: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
        requester: str | None = None,
    ) -> TransferAccepted | Refused | Unknown:
        """Pay a till number. Sent at most once: it has no idempotency."""
        ...

    async def request_status(
        self,
        *,
        result_url: str,
        timeout_url: str,
        receipt: str = "",
        originator: str = "",
    ) -> TransferAccepted | Refused | Unknown:
        """Ask what became of a payment, by its receipt or by its originator (or conversation)
        id. The answer is a StatusResult at `result_url`, which `read_status` reads."""
        ...

    async def request_reversal(
        self,
        *,
        receipt: str,
        amount_kes: int,
        remarks: str,
        result_url: str,
        timeout_url: str,
    ) -> TransferAccepted | Refused | Unknown:
        """Ask for an incoming payment to be given back; answered by a TransferResult."""
        ...

    async def request_balance(
        self, *, result_url: str, timeout_url: str
    ) -> TransferAccepted | Refused | Unknown:
        """Ask for our float; answered by a BalanceResult."""
        ...

    async def register_incoming(
        self, *, confirmation_url: str, validation_url: str, accept_when_silent: bool
    ) -> Registered | Refused | Unknown:
        """Say where payments made unasked are announced."""
        ...

    async def list_incoming(
        self, *, from_us: int, to_us: int, offset: int = 0
    ) -> tuple[IncomingPayment, ...] | Refused | Unknown:
        """What was paid to us in that time (at most the last 48 h), oldest first: the last
        resort when callbacks were lost. `offset` skips rows; ask until it is empty."""
        ...


class MobileMoneyCallbacks(Protocol):
    """Reads callback bodies. Pure; never raises."""

    def read_push(self, body: bytes) -> PushResult | Malformed:
        """Body posted to a push's callback URL."""
        ...

    def read_result(self, body: bytes) -> TransferResult | StatusResult | BalanceResult | Malformed:
        """Body posted to the result URL of a payout, bill payment, reversal or balance."""
        ...

    def read_timeout(self, body: bytes) -> TransferResult | Malformed:
        """Body posted to a queue-timeout URL: always Unknown, never a failure."""
        ...

    def read_status(self, body: bytes) -> StatusResult | Malformed:
        """Body posted to a status request's result URL. Kept apart from `read_result` because
        a *failed status request* looks exactly like a *failed payout*."""
        ...

    def read_incoming(self, body: bytes) -> IncomingPayment | Malformed:
        """Validation or confirmation of a payment made unasked."""
        ...

    def answer_validation(self, refusal: str | None) -> bytes:
        """Body that accepts (None) or refuses, by the provider's code, a payment made unasked."""
        ...
