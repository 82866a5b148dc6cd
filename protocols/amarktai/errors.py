"""Every error of the surface: codes with their status, and how a refusal is answered."""

from enum import Enum
from typing import Final, assert_never

from actors.clock import Clock
from domain.identity import Reason
from domain.identity import Refused as Denied
from domain.ledger import Refusal
from domain.money import AmountError
from protocols.amarktai.codec import encode, iso
from protocols.amarktai.wire.base import ErrorReply
from protocols.http import JSON, Response
from protocols.web import ErrorKind

RETRY_AFTER_S: Final = 5


class Problem(Enum):
    """Error codes (document 004, "Error Codes") with the status and text they have by default.

    MALFORMED and INVALID are both VALIDATION_ERROR on the wire (AMKT-C04); the last four codes
    are ours, for what the document does not name.
    """

    AUTH_REQUIRED = (401, "Authentication token required")
    AUTH_INVALID = (401, "Invalid or expired token")
    MALFORMED = (400, "Malformed JSON")
    INVALID = (422, "Request payload validation failed")
    REFUSED = (400, "Request refused")
    NOT_FOUND = (404, "Resource not found")
    PERMISSION_DENIED = (403, "Insufficient permissions")
    RATE_LIMIT = (429, "Rate limit exceeded")
    PROVIDER_ERROR = (502, "External provider error")
    INSUFFICIENT_FUNDS = (400, "Insufficient funds")
    REQUEST_IN_PROGRESS = (409, "Request in progress")
    IDEMPOTENCY_KEY_REUSED = (422, "Idempotency key already used for a different request")
    INTERNAL_ERROR = (500, "Internal server error")
    SERVICE_UNAVAILABLE = (503, "Service temporarily unavailable")

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        self.text = text

    @property
    def code(self) -> str:
        """As it stands on the wire."""
        return "VALIDATION_ERROR" if self in _VALIDATION else self.name


_VALIDATION: Final = frozenset({Problem.MALFORMED, Problem.INVALID, Problem.REFUSED})
# Answers that say "not now": never remembered under an idempotency key.
PASSING: Final = frozenset(
    {
        Problem.REQUEST_IN_PROGRESS,
        Problem.SERVICE_UNAVAILABLE,
        Problem.INTERNAL_ERROR,
        Problem.RATE_LIMIT,
    }
)


class Refused(Exception):
    """A request is answered with this instead of a result; raised by checks and handlers."""

    def __init__(
        self, problem: Problem, text: str | None = None, *, status: int | None = None
    ) -> None:
        super().__init__(problem.name)
        self.problem = problem
        self.text = problem.text if text is None else text
        self.status = problem.status if status is None else status

    def response(self, clock: Clock) -> Response:
        """The whole answer."""
        body = ErrorReply(
            error=self.text, error_code=self.problem.code, timestamp=iso(clock.now_us())
        )
        headers: tuple[tuple[str, str], ...] = ()
        if self.problem is Problem.SERVICE_UNAVAILABLE:
            headers = (("Retry-After", str(RETRY_AFTER_S)),)
        return Response(self.status, encode(body), JSON, headers)


def invalid(text: str) -> Refused:
    """422 VALIDATION_ERROR: right JSON, wrong members."""
    return Refused(Problem.INVALID, text)


def refused(text: str) -> Refused:
    """400 VALIDATION_ERROR: what is asked may not be."""
    return Refused(Problem.REFUSED, text)


def not_found(what: str) -> Refused:
    """404 NOT_FOUND; somebody else's is as unknown as nobody's."""
    return Refused(Problem.NOT_FOUND, f"{what} not found")


def of_login(denied: Denied) -> Refused:
    """Why somebody is not let in (AMKT-C05)."""
    match denied.reason:
        case Reason.TOO_MANY_REQUESTS | Reason.LOCKED:
            return Refused(Problem.RATE_LIMIT, "Too many failed attempts. Try again later")
        case Reason.OVERLOADED | Reason.UNAVAILABLE:
            return Refused(Problem.SERVICE_UNAVAILABLE)
        case Reason.WRONG_CODE:
            return Refused(Problem.AUTH_INVALID, "Invalid 2FA code")
        case _:
            return Refused(Problem.AUTH_INVALID, "Invalid credentials")


def of_change(denied: Denied) -> Refused:
    """Why a person was not changed (AMKT-C03, C07, C44)."""
    match denied.reason:
        case Reason.EMAIL_TAKEN:
            return refused("Email already registered")
        case Reason.TOTP_ALREADY_ENABLED:
            return refused("2FA already enabled")
        case Reason.TOTP_NOT_STARTED:
            return refused("2FA enrolment not started")
        case Reason.WRONG_CODE:
            return refused("Invalid TOTP code")
        case _:
            return Refused(Problem.SERVICE_UNAVAILABLE)


def of_refusal(refusal: Refusal) -> Refused:
    """What the journal's refusal is called here."""
    match refusal:
        case Refusal.ACCOUNT_NOT_FOUND | Refusal.INSUFFICIENT_FUNDS:
            return Refused(Problem.INSUFFICIENT_FUNDS)
        case Refusal.ACCOUNT_LOCKED:
            return Refused(Problem.PERMISSION_DENIED, "Account is locked")
        case Refusal.KEY_REUSED:
            return Refused(Problem.IDEMPOTENCY_KEY_REUSED)
        case Refusal.IN_PROGRESS:
            return Refused(Problem.REQUEST_IN_PROGRESS)
        case Refusal.CONFLICT:
            return Refused(Problem.REQUEST_IN_PROGRESS, "Request conflicts with another one")
        case Refusal.OVERLOADED | Refusal.UNAVAILABLE:
            return Refused(Problem.SERVICE_UNAVAILABLE)
        case Refusal.UNKNOWN:
            text = "Outcome unknown; repeat with the same Idempotency-Key"
            return Refused(Problem.INTERNAL_ERROR, text)
        case _:
            assert_never(refusal)


def of_amount(error: AmountError, member: str) -> Refused:
    """What an amount that is none is called here."""
    return invalid(f"{member}: {error.value}")


_FRAMEWORK: Final = {
    ErrorKind.BAD_REQUEST: (Problem.MALFORMED, "Bad request"),
    ErrorKind.MALFORMED: (Problem.MALFORMED, "Malformed JSON"),
    ErrorKind.NOT_FOUND: (Problem.NOT_FOUND, "Resource not found"),
    ErrorKind.METHOD_NOT_ALLOWED: (Problem.REFUSED, "Method not allowed"),
    ErrorKind.TOO_LARGE: (Problem.REFUSED, "Request body too large"),
    ErrorKind.TIMEOUT: (Problem.REFUSED, "Request timeout"),
    ErrorKind.UPGRADE_REQUIRED: (Problem.REFUSED, "Upgrade required"),
    ErrorKind.OVERLOADED: (Problem.SERVICE_UNAVAILABLE, None),
    ErrorKind.INTERNAL: (Problem.INTERNAL_ERROR, None),
}


def render_error(clock: Clock, status: int, kind: ErrorKind, detail: str) -> Response:
    """Framework errors in the standard body (X-C21); of our own faults nothing is told."""
    if kind is ErrorKind.INVALID:
        return _of_shape(detail).response(clock)
    problem, text = _FRAMEWORK[kind]
    return Refused(problem, text, status=status).response(clock)


def _of_shape(detail: str) -> Refused:
    """A body that is no object is no payload at all (400); one with wrong members is (422)."""
    if detail.startswith("Expected `object`") and " - at " not in detail:
        return Refused(Problem.MALFORMED, "Request body must be a JSON object")
    return invalid(detail)
