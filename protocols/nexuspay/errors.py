"""Every error of the surface: codes with their status, and how a refusal is answered."""

from enum import Enum
from typing import Final, assert_never

from actors.clock import Clock
from domain.identity import Reason
from domain.identity import Refused as Denied
from domain.ledger import Refusal
from domain.money import AmountError
from protocols.http import JSON, Response
from protocols.nexuspay.codec import encode, iso
from protocols.nexuspay.wire.base import ErrorDetail, ErrorReply, SpecialError
from protocols.web import ErrorKind

RETRY_AFTER_S: Final = 5


class Problem(Enum):
    """Error codes (NXPY-C42) with their HTTP status and the message they have by default."""

    VALIDATION_ERROR = (400, "Invalid input")
    INVALID_CREDENTIALS = (401, "Invalid email or password")
    UNAUTHORIZED = (401, "Authentication required")
    FORBIDDEN = (403, "Insufficient permissions")
    NOT_FOUND = (404, "Resource not found")
    USER_EXISTS = (400, "User already exists")
    NOT_VERIFIED = (403, "Please verify your account first. A new code has been sent.")
    INVALID_OTP = (400, "Invalid OTP")
    OTP_EXPIRED = (400, "OTP has expired")
    AMOUNT_MISMATCH = (400, "Amount does not match the transaction")
    RECEIPT_NOT_VERIFIED = (400, "M-Pesa receipt could not be verified")
    RECEIPT_ALREADY_USED = (409, "M-Pesa receipt already used")
    TRANSACTION_ALREADY_COMPLETED = (409, "Transaction already completed")
    CONVERSION_RATE_EXCEEDED = (400, "Conversion rate tolerance exceeded")
    INSUFFICIENT_BALANCE = (400, "Insufficient balance")
    INSUFFICIENT_LIQUIDITY = (400, "Platform liquidity is insufficient")
    UNSUPPORTED_CHAIN = (400, "Unsupported chain")
    UNSUPPORTED_TOKEN = (400, "Unsupported token")
    RATE_LIMIT_EXCEEDED = (429, "Rate limit exceeded")
    PROVIDER_ERROR = (502, "Payment provider error")
    REQUEST_IN_PROGRESS = (409, "Request in progress")
    IDEMPOTENCY_KEY_REUSED = (422, "Idempotency key already used for a different request")
    INTERNAL_ERROR = (500, "Server error")
    SERVICE_UNAVAILABLE = (503, "Service temporarily unavailable")

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message


# Answers that say "not now": never remembered under an idempotency key.
PASSING: Final = frozenset(
    {
        Problem.REQUEST_IN_PROGRESS,
        Problem.SERVICE_UNAVAILABLE,
        Problem.INTERNAL_ERROR,
        Problem.RATE_LIMIT_EXCEEDED,
    }
)


class Refused(Exception):
    """A request is answered with this instead of a result; raised by checks and handlers.

    `message` and `details` default to the problem's own text. `body` is a whole body of its own.
    """

    def __init__(
        self,
        problem: Problem,
        message: str | None = None,
        details: str | None = None,
        *,
        body: SpecialError | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(problem.name)
        self.problem = problem
        self.message = problem.message if message is None else message
        self.details = self.message if details is None else details
        self.body = body
        self.status = problem.status if status is None else status

    def response(self, clock: Clock) -> Response:
        """The whole answer."""
        body: ErrorReply | SpecialError | None = self.body
        if body is None:
            detail = ErrorDetail(code=self.problem.name, details=self.details)
            body = ErrorReply(message=self.message, error=detail, timestamp=iso(clock.now_us()))
        headers: tuple[tuple[str, str], ...] = ()
        if self.problem is Problem.SERVICE_UNAVAILABLE:
            headers = (("Retry-After", str(RETRY_AFTER_S)),)
        return Response(self.status, encode(body), JSON, headers)


def invalid(details: str, message: str | None = None) -> Refused:
    """400 VALIDATION_ERROR."""
    return Refused(Problem.VALIDATION_ERROR, message, details)


def of_code(denied: Denied) -> Refused:
    """Why a one-time code was not accepted (NXPY-C08)."""
    match denied.reason:
        case Reason.CODE_EXPIRED:
            return Refused(Problem.OTP_EXPIRED)
        case Reason.EMAIL_TAKEN | Reason.PHONE_TAKEN:
            return Refused(Problem.USER_EXISTS)
        case Reason.OVERLOADED | Reason.UNAVAILABLE:
            return Refused(Problem.SERVICE_UNAVAILABLE)
        case _:
            return Refused(Problem.INVALID_OTP)


def of_sending(denied: Denied) -> Refused:
    """Why no code was sent."""
    match denied.reason:
        case Reason.EMAIL_TAKEN:
            return Refused(Problem.USER_EXISTS, details="The email belongs to a registered user")
        case Reason.PHONE_TAKEN:
            return Refused(Problem.USER_EXISTS, details="The phone belongs to a registered user")
        case Reason.DELIVERY_FAILED:
            return Refused(Problem.PROVIDER_ERROR, "The verification code could not be sent")
        case Reason.LOCKED | Reason.TOO_MANY_REQUESTS:
            return Refused(Problem.RATE_LIMIT_EXCEEDED)
        case _:
            return Refused(Problem.SERVICE_UNAVAILABLE)


def of_refusal(refusal: Refusal) -> Refused:
    """What the journal's refusal is called here."""
    match refusal:
        case Refusal.ACCOUNT_NOT_FOUND | Refusal.INSUFFICIENT_FUNDS:
            return Refused(Problem.INSUFFICIENT_BALANCE)
        case Refusal.ACCOUNT_LOCKED:
            return Refused(Problem.FORBIDDEN, "Account is locked")
        case Refusal.KEY_REUSED:
            return Refused(Problem.IDEMPOTENCY_KEY_REUSED)
        case Refusal.IN_PROGRESS:
            return Refused(Problem.REQUEST_IN_PROGRESS)
        case Refusal.CONFLICT:
            return Refused(Problem.INTERNAL_ERROR, "Request conflicts with another one")
        case Refusal.OVERLOADED | Refusal.UNAVAILABLE:
            return Refused(Problem.SERVICE_UNAVAILABLE)
        case Refusal.UNKNOWN:
            return Refused(
                Problem.INTERNAL_ERROR,
                "Outcome unknown",
                "Retry with the same Idempotency-Key, or look at the transaction history",
            )
        case _:
            assert_never(refusal)


def of_amount(error: AmountError, member: str) -> Refused:
    """What an amount that is none is called here (NXPY-C33)."""
    return invalid(f"{member}: {error.value}")


_FRAMEWORK: Final = {
    ErrorKind.BAD_REQUEST: (Problem.VALIDATION_ERROR, "Bad request"),
    ErrorKind.MALFORMED: (Problem.VALIDATION_ERROR, "Malformed JSON"),
    ErrorKind.INVALID: (Problem.VALIDATION_ERROR, "Invalid input"),
    ErrorKind.NOT_FOUND: (Problem.NOT_FOUND, "Resource not found"),
    ErrorKind.METHOD_NOT_ALLOWED: (Problem.VALIDATION_ERROR, "Method not allowed"),
    ErrorKind.TOO_LARGE: (Problem.VALIDATION_ERROR, "Request body too large"),
    ErrorKind.TIMEOUT: (Problem.VALIDATION_ERROR, "Request timeout"),
    ErrorKind.UPGRADE_REQUIRED: (Problem.VALIDATION_ERROR, "Upgrade required"),
    ErrorKind.OVERLOADED: (Problem.SERVICE_UNAVAILABLE, None),
    ErrorKind.INTERNAL: (Problem.INTERNAL_ERROR, None),
}


def render_error(clock: Clock, status: int, kind: ErrorKind, detail: str) -> Response:
    """Framework errors in the standard body (X-C21); of our own faults nothing is told."""
    problem, message = _FRAMEWORK[kind]
    details = detail if kind is not ErrorKind.INTERNAL and detail else None
    return Refused(problem, message, details, status=status).response(clock)
