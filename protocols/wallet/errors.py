"""Every error of the wallet surface, once: status and exact body (document 003, WOTP-C16)."""

from enum import Enum
from typing import Final, assert_never

from msgspec import UNSET

from actors.funding_messages import Trouble, WrongCode
from domain.ledger import Refusal
from protocols.http import Response, json_response
from protocols.wallet.wire import ErrorBody
from protocols.web import ErrorKind

RETRY_AFTER_S: Final = 30  # document, "Error Handling Guide": 500, retry after 30 s


def error_body(status: int, message: str, **more: str) -> ErrorBody:
    """An error body of this status."""
    return ErrorBody(success=False if status >= 500 else UNSET, message=message, **more)


class Problem(Enum):
    """Status, message, and the second member some errors have: details or hint."""

    AMOUNT = (
        400,
        "Invalid funding amount",
        "details",
        "Amount must be between 100 and 5000000",
    )
    DAILY_LIMIT = (400, "Invalid funding amount", "details", "Daily funding limit exceeded")
    EMAIL = (400, "Invalid email address")
    PURPOSE = (400, "Invalid purpose")
    FIELDS = (400, "OTP and transaction reference are required")
    LOCKED = (400, "Maximum OTP attempts exceeded. Please try again after 15 minutes.")
    EXPIRED = (400, "OTP has expired. Please request a new one.")
    DECLINED = (400, "Funding was declined")
    BAD_KEY = (400, "Invalid idempotency key")
    UNAUTHORIZED = (401, "Unauthorized")
    INACTIVE = (403, "Wallet is inactive")
    NO_USER = (404, "User not found")
    NO_TRANSACTION = (
        404,
        "Transaction not found or already processed",
        "hint",
        "Make sure you're using the transactionReference field from the initiate response, "
        "not otpId",
    )
    IN_PROGRESS = (409, "Request in progress", "code", "REQUEST_IN_PROGRESS")
    KEY_REUSED = (
        422,
        "Idempotency key already used for a different request",
        "code",
        "IDEMPOTENCY_KEY_REUSED",
    )
    TOO_MANY = (429, "Too many requests. Please try again later.")
    NOT_SENT = (500, "Failed to generate OTP", "details", "The OTP could not be sent by email")
    NO_OTP = (500, "Failed to generate OTP", "details", "Service temporarily unavailable")
    UNAVAILABLE = (500, "Server error", "details", "Service temporarily unavailable")

    def __init__(self, status: int, message: str, name: str = "", text: str = "") -> None:
        self.status = status
        self.body = error_body(status, message, **({name: text} if name else {}))


def refused(problem: Problem) -> Response:
    """The whole answer; server errors say when to try again."""
    headers = (("Retry-After", str(RETRY_AFTER_S)),) if problem.status >= 500 else ()
    return json_response(problem.body, problem.status, headers)


def wrong_code(answer: WrongCode) -> ErrorBody:
    """Fixed template: clients match the digits (WOTP-C06)."""
    return error_body(400, f"Invalid OTP. {answer.attempts_left} attempts remaining.")


def of_trouble(trouble: Trouble, unavailable: Problem) -> Problem:
    """What a desk's refusal is called here; `unavailable` differs by endpoint (WOTP-029)."""
    match trouble:
        case Trouble.LOCKED:
            return Problem.LOCKED
        case Trouble.DAILY_LIMIT:
            return Problem.DAILY_LIMIT
        case Trouble.NOT_FOUND:
            return Problem.NO_TRANSACTION
        case Trouble.EXPIRED:
            return Problem.EXPIRED
        case Trouble.NOT_SENT:
            return Problem.NOT_SENT
        case Trouble.DECLINED:
            return Problem.DECLINED
        case Trouble.UNAVAILABLE:
            return unavailable
        case _:
            assert_never(trouble)


def of_key(refusal: Refusal) -> Problem:
    """Why an idempotency key is not good for this request now (X-C29)."""
    return Problem.KEY_REUSED if refusal is Refusal.KEY_REUSED else Problem.IN_PROGRESS


_FRAMEWORK: Final = {
    ErrorKind.BAD_REQUEST: "Bad request",
    ErrorKind.MALFORMED: "Malformed JSON",
    ErrorKind.INVALID: "Invalid request body",
    ErrorKind.NOT_FOUND: "Not found",
    ErrorKind.METHOD_NOT_ALLOWED: "Method not allowed",
    ErrorKind.TOO_LARGE: "Request body too large",
    ErrorKind.TIMEOUT: "Request timeout",
    ErrorKind.UPGRADE_REQUIRED: "Upgrade required",
    ErrorKind.OVERLOADED: "Service temporarily unavailable",
    ErrorKind.INTERNAL: "Server error",
}


def render_error(status: int, kind: ErrorKind, _detail: str) -> Response:
    """Framework errors in the surface's shape (X-C21)."""
    return json_response(error_body(status, _FRAMEWORK[kind]), status)
