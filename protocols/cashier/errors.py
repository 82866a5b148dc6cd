"""Every error text of the cashier, once (document, "Error Codes & Messages"; CASH-C04)."""

from enum import StrEnum
from typing import assert_never

from domain.identity import Reason
from domain.ledger import Refusal
from domain.money import AmountError


class Problem(StrEnum):
    """What an error reply says. The first twelve are the document's table."""

    VERIFICATION_MISSING = "verification token is required"
    VERIFICATION_INVALID = "invalid or expired verification token"
    INSUFFICIENT_BALANCE = "insufficient balance"
    ACCOUNT_NOT_FOUND = "account not found"
    UNAUTHORIZED = "unauthorized"
    TOTP_NOT_ENABLED = "2FA not enabled"
    INVALID_TOTP = "invalid TOTP code"
    INVALID_OTP = "invalid OTP code"
    CURRENCY_NOT_SUPPORTED = "currency not supported"
    AMOUNT_NOT_POSITIVE = "amount must be greater than zero"
    ONLY_AGENTS_DEPOSIT = "only agents can fulfill deposits"
    DEPOSIT_NOT_FOUND = "deposit request not found"

    INVALID_FORMAT = "invalid message format"
    INVALID_DATA = "invalid request data"
    INVALID_METHOD = "invalid verification method"
    INVALID_PURPOSE = "invalid purpose"
    NO_METHOD = "no verification method available"
    NO_PHONE = "phone number not available"
    NO_EMAIL = "email not available"
    NO_CONSENT = "consent is required"
    PARTNER_NOT_FOUND = "partner not found"
    AGENT_NOT_FOUND = "agent not found"
    RECIPIENT_NOT_FOUND = "recipient not found"
    TO_YOURSELF = "cannot transfer to yourself"
    SAME_CURRENCY = "source and destination currencies must differ"
    DEPOSIT_MISMATCH = "amount does not match deposit request"
    DEPOSIT_NOT_PENDING = "deposit request is not pending"
    TRANSACTION_NOT_FOUND = "transaction not found"
    INVALID_DESTINATION = "invalid destination"
    INVALID_DATES = "invalid date range"
    ACCOUNT_LOCKED = "account is locked"
    TOO_MANY_REQUESTS = "too many requests"
    INTERNAL = "internal server error"

    TOO_PRECISE = "amount has too many decimal places"
    TOO_LARGE = "amount exceeds the M-Pesa limit"
    TOO_SMALL = "amount too small to cover fees"
    ONLY_AGENTS_WITHDRAW = "only agents can fulfill withdrawals"
    WITHDRAWAL_NOT_FOUND = "withdrawal request not found"
    WITHDRAWAL_NOT_PENDING = "withdrawal request is not pending"
    KEY_REUSED = "idempotency key already used for a different request"
    IN_PROGRESS = "request in progress"
    NOT_DELIVERED = "verification code could not be sent"
    UNAVAILABLE = "service temporarily unavailable"
    UNKNOWN_OUTCOME = "outcome unknown, retry with the same idempotency key"
    STATEMENT_TOO_LONG = "too many transactions in this period, use get_ledgers"
    CONFLICT = "request conflicts with another one"
    NO_CRYPTO_DEPOSITS = "crypto deposits are not available"
    NO_CRYPTO_WITHDRAWALS = "crypto withdrawals are not available"


class Refused(Exception):
    """A request is answered with `text` instead of a result; raised by checks and handlers."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


def unknown_type(name: str) -> str:
    """For a `type` that no message has (CASH-013)."""
    return f"unknown message type: {name}"


def account_exists(currency: str, mode: str, number: str) -> str:
    """For `create_account` a second time (CASH-132)."""
    return f"{currency} {mode} wallet account already exists: {number}"


def cannot_cancel(status: str) -> str:
    """For `cancel_deposit` in a state that has no way back (CASH-C39)."""
    return f"cannot cancel deposit with status: {status}"


def of_refusal(refusal: Refusal) -> Problem:
    """What the journal's refusal is called here."""
    match refusal:
        case Refusal.ACCOUNT_NOT_FOUND:
            return Problem.ACCOUNT_NOT_FOUND
        case Refusal.ACCOUNT_LOCKED:
            return Problem.ACCOUNT_LOCKED
        case Refusal.INSUFFICIENT_FUNDS:
            return Problem.INSUFFICIENT_BALANCE
        case Refusal.KEY_REUSED:
            return Problem.KEY_REUSED
        case Refusal.IN_PROGRESS:
            return Problem.IN_PROGRESS
        case Refusal.CONFLICT:
            return Problem.CONFLICT
        case Refusal.OVERLOADED | Refusal.UNAVAILABLE:
            return Problem.UNAVAILABLE
        case Refusal.UNKNOWN:
            return Problem.UNKNOWN_OUTCOME
        case _:
            assert_never(refusal)


def of_amount(error: AmountError) -> Problem:
    """What an unreadable amount is called here."""
    match error:
        case AmountError.TOO_PRECISE:
            return Problem.TOO_PRECISE
        case AmountError.NOT_A_NUMBER | AmountError.TOO_LARGE:
            return Problem.INVALID_DATA
        case _:
            assert_never(error)


def of_reason(reason: Reason, wrong: Problem) -> Problem:
    """What the identity base's refusal is called here.

    `wrong` is the text of a proof that does not hold: of a code (CASH-C10) or of a token.
    """
    match reason:
        case Reason.NO_CODE | Reason.CODE_EXPIRED | Reason.WRONG_CODE | Reason.INVALID_TOKEN:
            return wrong
        case Reason.TOTP_NOT_ENABLED:
            return Problem.TOTP_NOT_ENABLED
        case Reason.NO_METHOD:
            return Problem.NO_METHOD
        case Reason.NO_PHONE:
            return Problem.NO_PHONE
        case Reason.NO_EMAIL:
            return Problem.NO_EMAIL
        case Reason.TOO_MANY_REQUESTS | Reason.LOCKED:
            return Problem.TOO_MANY_REQUESTS
        case Reason.UNKNOWN_USER:
            return Problem.UNAUTHORIZED
        case Reason.DELIVERY_FAILED:
            return Problem.NOT_DELIVERED
        case Reason.OVERLOADED | Reason.UNAVAILABLE:
            return Problem.UNAVAILABLE
        case _:
            # The rest is about registration, enrolment and passwords: never asked for here.
            return Problem.INTERNAL
