"""Every error of the surface: its code, its text, its HTTP status (MPWS-C02, MPWS-C05)."""

from enum import StrEnum
from http import HTTPStatus
from typing import Final, assert_never

from domain.ledger import Refusal
from domain.money import AmountError


class Code(StrEnum):
    """MPWS-C02; the last one is only said over HTTP (contract.md, "Idempotency over REST")."""

    INVALID_JSON = "INVALID_JSON"
    INVALID_KIND = "INVALID_KIND"
    VALIDATION_ERROR = "VALIDATION_ERROR"
    NOT_FOUND = "NOT_FOUND"
    UNAUTHORIZED = "UNAUTHORIZED"
    INSUFFICIENT_FUNDS = "INSUFFICIENT_FUNDS"
    DUPLICATE = "DUPLICATE"
    PROVIDER_ERROR = "PROVIDER_ERROR"
    TIMEOUT = "TIMEOUT"
    INTERNAL_ERROR = "INTERNAL_ERROR"
    IDEMPOTENCY_KEY_REUSED = "IDEMPOTENCY_KEY_REUSED"


_STATUS: Final = {
    Code.INVALID_JSON: HTTPStatus.BAD_REQUEST,
    Code.INVALID_KIND: HTTPStatus.BAD_REQUEST,
    Code.VALIDATION_ERROR: HTTPStatus.BAD_REQUEST,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.UNAUTHORIZED: HTTPStatus.UNAUTHORIZED,
    Code.INSUFFICIENT_FUNDS: HTTPStatus.BAD_REQUEST,
    Code.DUPLICATE: HTTPStatus.CONFLICT,
    Code.PROVIDER_ERROR: HTTPStatus.BAD_GATEWAY,
    Code.TIMEOUT: HTTPStatus.BAD_GATEWAY,
    Code.INTERNAL_ERROR: HTTPStatus.INTERNAL_SERVER_ERROR,
    Code.IDEMPOTENCY_KEY_REUSED: HTTPStatus.UNPROCESSABLE_ENTITY,
}


class Refused(Exception):
    """A request that is not carried out. `passing`: the same one may succeed a little later."""

    def __init__(
        self,
        code: Code,
        message: str,
        field: str | None = None,
        *,
        status: HTTPStatus | None = None,
        passing: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.field = field
        self.status = _STATUS[code] if status is None else status
        self.passing = passing


def invalid(field: str | None, message: str) -> Refused:
    """A member that is missing or wrong."""
    return Refused(Code.VALIDATION_ERROR, message, field)


def unauthorized(message: str = "a valid token is required") -> Refused:
    """Nobody, or somebody whose token is no good."""
    return Refused(Code.UNAUTHORIZED, message)


def forbidden() -> Refused:
    """Somebody else's hash."""
    return Refused(
        Code.UNAUTHORIZED, "this hash belongs to another user", status=HTTPStatus.FORBIDDEN
    )


def unavailable() -> Refused:
    """Storage is away; nothing was done."""
    return Refused(
        Code.INTERNAL_ERROR,
        "temporarily unavailable",
        status=HTTPStatus.SERVICE_UNAVAILABLE,
        passing=True,
    )


def internal() -> Refused:
    """A defect of ours; the log knows more."""
    return Refused(Code.INTERNAL_ERROR, "internal error")


def of_refusal(refusal: Refusal) -> Refused:
    """The ledger's refusal in this surface's words. An account that was never opened is empty."""
    match refusal:
        case Refusal.ACCOUNT_NOT_FOUND | Refusal.INSUFFICIENT_FUNDS:
            return Refused(Code.INSUFFICIENT_FUNDS, "insufficient balance")
        case Refusal.ACCOUNT_LOCKED:
            return Refused(Code.UNAUTHORIZED, "the account is locked", status=HTTPStatus.FORBIDDEN)
        case Refusal.KEY_REUSED:
            return Refused(Code.IDEMPOTENCY_KEY_REUSED, refusal.value)
        case Refusal.IN_PROGRESS | Refusal.CONFLICT:
            return Refused(Code.DUPLICATE, Refusal.IN_PROGRESS.value, passing=True)
        case Refusal.OVERLOADED | Refusal.UNAVAILABLE:
            return unavailable()
        case Refusal.UNKNOWN:
            return Refused(Code.TIMEOUT, "the outcome is not known yet", passing=True)
        case _:
            assert_never(refusal)


def of_amount(error: AmountError) -> str:
    """What is wrong with an amount."""
    match error:
        case AmountError.NOT_A_NUMBER:
            return "amount must be a number"
        case AmountError.TOO_PRECISE:
            return "amount must be whole shillings"
        case AmountError.TOO_LARGE:
            return "amount is too large"
        case _:
            assert_never(error)
