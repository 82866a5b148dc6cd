"""What a piece of evidence means for a payment. Pure: a verdict comes out, nothing is done.

The first terminal result wins (X-C15). Cash is booked once a receipt: to the payment while it is
open and fits, else to suspense. What contradicts the record is a person's to decide. Evidence
that proves nothing leaves everything as it is.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from actors.rails import (
    Cause,
    NotFound,
    Outcome,
    Paid,
    Pending,
    PushResult,
    Refused,
    Reversed,
    StatusResult,
    TransferResult,
    Unknown,
)
from domain.payments import COLLECTIONS, PAYOUTS, SENT_ONCE, Kind, Move, Payment, State
from domain.settlement import expected_cash

Result = PushResult | TransferResult | StatusResult
TIMED_OUT: Final = "Network timeout"  # document 002's reason of an escrow undone by silence
_PHONE_DIGITS = 12  # 2547…; anything else (masked, a name) cannot be compared


class Source(Enum):
    """Where evidence comes from, which decides what it is worth."""

    CALLBACK = "callback"  # the provider's own result of the payment
    QUERY = "query"  # our question about a push; known to call paid ones failed
    STATUS = "status"  # our question about a payout


@dataclass(frozen=True, slots=True)
class Alert:
    """What operators are told."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Settle:
    """The money moved as recorded. `receipt` is "" where the evidence names none; `message` is
    the provider's."""

    receipt: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """Cash moved that the payment cannot take: `amount` local units to (or out of) suspense."""

    receipt: str
    amount: int
    alert: Alert


@dataclass(frozen=True, slots=True)
class Review:
    """A person decides; `amount` local units came in with it, 0 when none did."""

    receipt: str
    amount: int
    reason: str


@dataclass(frozen=True, slots=True)
class End:
    """No money moved and none will. `code` is the provider's, "" where it named none."""

    move: Move
    reason: str
    alert: Alert | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Confirm:
    """The provider says that it was paid under this receipt; it shall say so when asked, too."""

    receipt: str


@dataclass(frozen=True, slots=True)
class Learn:
    """Cash booked before turns out to have this receipt."""

    receipt: str
    alert: Alert | None = None


@dataclass(frozen=True, slots=True)
class Ask:
    """Nothing is proved: ask the provider. `verdict` is what the callback's record says."""

    verdict: str
    alert: Alert | None = None


@dataclass(frozen=True, slots=True)
class Resend:
    """The provider does not know the payout: the same one may be sent again."""


@dataclass(frozen=True, slots=True)
class Nothing:
    """Nothing changes."""

    verdict: str
    alert: Alert | None = None


@dataclass(frozen=True, slots=True)
class Heard:
    """A provider's result that is about the payment: what it says, what its ids tell, and what
    operators are told of it in any case."""

    outcome: Outcome
    source: Source
    confirm: bool
    known: dict[str, Any]
    alert: Alert | None = None


Verdict = Settle | Book | Review | End | Confirm | Learn | Ask | Resend | Nothing


def belongs(payment: Payment, originator: str, result: Result) -> bool:
    """Whether the ids in a callback are those of the payment at whose address it came in.

    A push's callback may overtake the answer that names its checkout (MPWS-C11).
    """
    match result:
        case PushResult(checkout=checkout):
            return payment.kind in COLLECTIONS and payment.checkout in ("", checkout)
        case TransferResult():
            if payment.kind in SENT_ONCE and not payment.conversation:
                return True  # its ids are the provider's, and not known before its answer
            named = (result.originator, result.conversation)
            mine = (originator, payment.conversation or originator)
            return payment.kind in PAYOUTS and any(name in mine for name in named if name)
        case StatusResult() if payment.kind is Kind.REVERSAL:
            return True  # about the payment that is given back; who may say so is in the address
        case StatusResult():
            conversation = result.original_conversation
            return (
                payment.kind in PAYOUTS
                and (
                    payment.kind in SENT_ONCE
                    or result.original_originator in (None, "", originator)
                )
                and (not payment.conversation or conversation in (None, "", payment.conversation))
            )


def has_overtaken(payment: Payment, result: Result | Outcome) -> bool:
    """Whether it is the callback of a push that the provider has not answered yet: whoever
    ordered it is told that it was accepted first (MPWS-C11)."""
    is_push = isinstance(result, PushResult) and payment.kind in COLLECTIONS
    return is_push and payment.is_open and payment.asking and not payment.checkout


def hear(
    payment: Payment, originator: str, result: Result, *, confirms: bool
) -> Heard | Ask | Nothing:
    """Whether a result that came in at the payment's own address counts.

    Of one that was tried again (NXPY-C57) it may be an earlier order's. That one's failure is
    known already; what it paid is this payment's cash like any other (X-C15), and the last order
    may be paid as well.
    """
    source = Source.STATUS if isinstance(result, StatusResult) else Source.CALLBACK
    confirm = confirms and isinstance(result, PushResult)
    if not _is_earlier(payment, originator, result):
        if not belongs(payment, originator, result):
            return Ask("another payment's")
        return Heard(result.outcome, source, confirm, known_by(payment, result))
    if confirm or not isinstance(result.outcome, Paid):
        return Nothing("an earlier order's")  # cash of a push is in the provider's list, too
    alert = None
    if payment.is_open:
        said = f"receipt {result.outcome.receipt}; the last order may be paid, too"
        alert = Alert("earlier_order_paid", said)
    return Heard(result.outcome, source, confirm, {}, alert)


def _is_earlier(payment: Payment, originator: str, result: Result) -> bool:
    """Whether it is about an order before the last: it names one, or what is not the last's."""
    match result:
        case PushResult(checkout=checkout):
            named = {checkout}
        case TransferResult():
            named = {result.originator, result.conversation}
        case StatusResult():
            named = {result.original_originator or "", result.original_conversation or ""}
    if not payment.retries or named & {payment.checkout, payment.conversation, originator} - {""}:
        return False
    return not named.isdisjoint(payment.earlier) or not belongs(payment, originator, result)


def known_by(payment: Payment, result: Result) -> dict[str, Any]:
    """Members of the payment that a provider's result tells, where they were not known."""
    match result:
        case PushResult(checkout=checkout, merchant=merchant):
            return {
                "checkout": payment.checkout or checkout,
                "merchant": payment.merchant or merchant,
            }
        case TransferResult(conversation=conversation):
            return {"conversation": payment.conversation or conversation}
        case StatusResult():
            return {}


def weigh(
    payment: Payment, outcome: Outcome, source: Source, owner: int | None, *, confirm: bool = False
) -> Verdict:
    """What to do about `outcome`. `owner` is the payment its receipt was booked for, if any;
    with `confirm` a callback that would credit a deposit only makes the provider be asked."""
    if payment.kind is Kind.REVERSAL and source is Source.STATUS:
        return _given_back(payment, outcome)
    match outcome:
        case Paid() if payment.kind in COLLECTIONS:
            verdict = _collected(payment, outcome, owner)
            if confirm and isinstance(verdict, Settle):
                return Confirm(verdict.receipt)
            return verdict
        case Paid() if payment.kind in PAYOUTS:
            return _paid_out(payment, outcome, owner)
        case Paid():
            return Nothing("no provider's payment")
        case Refused():
            return _refused(payment, outcome, source)
        case NotFound() if source is Source.STATUS and payment.is_open:
            return _not_found(payment)
        case Pending() | NotFound() | Unknown() | Reversed():
            # An answer to a question must not lead to the next one: the timer asks again.
            if source is Source.CALLBACK:
                return Ask("asked for evidence")
            return Nothing("nothing proved")


def _given_back(payment: Payment, outcome: Outcome) -> Verdict:
    """What became of the payment that a reversal gives back, which is what can be asked: that it
    still counts as paid proves nothing while the order may be under way."""
    if not isinstance(outcome, Reversed):
        return Nothing("nothing proved")
    if payment.awaits_evidence:
        return Settle("", outcome.message)
    if payment.state is State.COMPLETED:
        return Nothing("already ended")
    if payment.cash:  # it names no receipt by which it would be known again
        return Nothing("duplicate")
    wrong = f"reversed although {payment.state.value}"
    return Book("", expected_cash(payment), Alert("suspense", wrong))


def _collected(payment: Payment, paid: Paid, owner: int | None) -> Verdict:
    known = _known_cash(payment, paid, owner)
    if known is not None:
        return known
    receipt, expected = paid.receipt or "", expected_cash(payment)
    amount = expected if paid.amount_units is None else paid.amount_units
    if owner is not None:
        reason = f"receipt {receipt} was used before"
        if payment.is_open:
            return Review("", 0, reason)
        return Nothing("receipt used before", Alert("receipt_used", reason))
    if not payment.is_open:
        return Book(receipt, amount, Alert("suspense", _late(payment, receipt)))
    if amount != expected:
        return Review(receipt, amount, f"paid {_whole(amount)} of {_whole(expected)}")
    if _somebody_else(paid.phone, payment.phone):
        return Review(receipt, amount, "paid by another phone")
    return Settle(receipt, paid.message)


def _paid_out(payment: Payment, paid: Paid, owner: int | None) -> Verdict:
    known = _known_cash(payment, paid, owner)
    if known is not None:
        return known
    receipt, expected = paid.receipt or "", expected_cash(payment)
    amount = expected if paid.amount_units is None else paid.amount_units
    wrong = None
    if owner is not None:
        wrong = f"receipt {receipt} was used before"
    elif not payment.awaits_evidence:
        return Book(receipt, amount, Alert("suspense", _late(payment, receipt)))
    elif amount != expected:
        wrong = f"paid out {_whole(amount)} instead of {_whole(expected)}"
    elif _somebody_else(paid.phone, payment.phone):
        wrong = "paid out to another phone"
    if wrong is None:
        return Settle(receipt, paid.message)
    # The hold stays until a person has looked: money is out, and not as recorded.
    return Nothing("contradicts the record", Alert("payout_mismatch", wrong))


def _known_cash(payment: Payment, paid: Paid, owner: int | None) -> Verdict | None:
    """Whether this cash is in the books already; None when it is not."""
    receipt = paid.receipt or ""
    if owner == payment.id:
        return Nothing("duplicate")
    if not receipt:
        doubtful = payment.state is State.UNDER_REVIEW and not payment.awaits_evidence
        return Nothing("duplicate") if payment.cash or doubtful else None
    if not payment.unreceipted or owner is not None:
        return None
    alert = None
    if paid.amount_units is not None and paid.amount_units != payment.cash:
        if paid.unasked:
            return None  # a prompt is paid as it was asked for: this is other cash
        booked = f"booked {_whole(payment.cash)}, receipt {receipt} says "
        alert = Alert("amount_differs", booked + _whole(paid.amount_units))
    return Learn(receipt, alert)


def _refused(payment: Payment, refused: Refused, source: Source) -> Verdict:
    if payment.is_open and payment.claim:
        said = f"called back as paid ({payment.claim}), asked about it: {refused.message}"
        return Review("", 0, said)
    if payment.awaits_evidence:
        told = Alert("provider", refused.message) if refused.needs_operator else None
        reason = refused.message
        if payment.kind is Kind.TOKEN_ESCROW and refused.cause is Cause.UNREACHABLE:
            reason = TIMED_OUT
        return End(_end_of(payment, refused, source), reason, told, refused.code)
    if payment.state is State.COMPLETED and source is not Source.QUERY:
        message = f"refused after it was completed: {refused.message}"
        return Nothing("contradicts the record", Alert("contradiction", message))
    return Nothing("already ended")


def _end_of(payment: Payment, refused: Refused, source: Source) -> Move:
    """A hash is told who ended its push: the payer, or silence (FM-03)."""
    if payment.kind is Kind.PUSH and refused.cause is Cause.CANCELLED:
        return Move.CANCEL
    if payment.kind is Kind.PUSH and refused.cause is Cause.UNREACHABLE and source is Source.QUERY:
        return Move.EXPIRE
    return Move.REFUSED


def _not_found(payment: Payment) -> Verdict:
    """Two independent words (the call was refused, nothing is known of it) end a payout."""
    if payment.refusal:
        return End(Move.REFUSED, payment.refusal)
    unheard = payment.state is State.UNKNOWN and not payment.conversation
    if unheard and payment.kind not in SENT_ONCE:
        return Resend()
    return Nothing("nothing proved")


def _late(payment: Payment, receipt: str) -> str:
    """With the receipt, which is what a reversal is ordered by."""
    again = payment.state is State.COMPLETED
    paid = "paid twice" if again else f"paid although {payment.state.value}"
    return f"{paid}, receipt {receipt or 'not known'}"


def _somebody_else(phone: str | None, expected: str) -> bool:
    """Whether `phone` is certainly another one; providers mask it at will."""
    if phone is None or len(phone) != _PHONE_DIGITS or not phone.isdecimal():
        return False
    return phone != expected


def _whole(units: int) -> str:
    return str(units // 10**8)
