"""What Daraja's codes mean for money, one table per kind of operation.

Three sources of codes: ResultCode (what became of a payment), errorCode (the gateway's or the
API's refusal of a call) and TransactionStatus (what a status request says). A code that stands
in no table proves nothing, so it is Unknown: never a failure.
"""

from enum import Enum
from typing import Final

from actors.rails import Cause, NotFound, Outcome, Paid, Pending, Refused, Reversed, Unknown


class Operation(Enum):
    """The same code means different things in different operations."""

    STK = "the customer pays us"
    TRANSFER = "we pay: B2C, B2B, reversal"
    STATUS = "we ask about a payment"


STK_PROCESSING: Final = "4999"
PROCESSING_ERROR: Final = "500.001.1001"
DUPLICATE_ERROR: Final = "500.002.1001"
_TOKEN_ERRORS: Final = frozenset({"404.001.03", "400.003.01", "401.003.01"})

_COMMON: Final[dict[str, Cause]] = {
    "2": Cause.BELOW_MINIMUM,
    "3": Cause.ABOVE_MAXIMUM,
    "4": Cause.DAILY_LIMIT,
    "8": Cause.BALANCE_LIMIT,
    "11": Cause.PARTY_INACTIVE,
    "17": Cause.LIMITED,
    "21": Cause.CREDENTIALS,
    "1001": Cause.BUSY,
    "1019": Cause.EXPIRED,
    "1025": Cause.PUSH_FAILED,
    "1032": Cause.CANCELLED,
    "1037": Cause.UNREACHABLE,
    "2006": Cause.PARTY_INACTIVE,
    "2028": Cause.CONFIGURATION,
    "2040": Cause.PARTY_UNKNOWN,
    "SFC_IC0003": Cause.PARTY_UNKNOWN,
    "R000001": Cause.ALREADY_REVERSED,
    "R000002": Cause.INVALID_ORIGINAL,
}
# The customer is the debit party and types the PIN.
_STK: Final = _COMMON | {
    "1": Cause.INSUFFICIENT_FUNDS,
    "2001": Cause.WRONG_PIN,
    "8006": Cause.LOCKED,
}
# We are the debit party; the credential is our initiator's.
_OURS: Final = _COMMON | {
    "1": Cause.FLOAT_SHORT,
    "2001": Cause.CREDENTIALS,
    "8006": Cause.CREDENTIALS,
}
# Codes by which a status request says that it knows no such payment (2032 as the sandbox has it).
_NOT_FOUND: Final = frozenset({"2032", "R000002"})

_STATUS_REFUSED: Final[dict[str, Cause]] = {
    "failed": Cause.DECLINED,
    "declined": Cause.DECLINED,
    "cancelled": Cause.CANCELLED,
    "expired": Cause.EXPIRED,
}
_STATUS_PENDING: Final = frozenset({"pending", "authorized", "submitted", "initiated"})

# (words of errorMessage, cause): errorCode 500.001.1001 stands for all of these.
_INTERNAL: Final[tuple[tuple[str, Cause], ...]] = (
    ("unable to lock subscriber", Cause.BUSY),
    ("merchant does not exist", Cause.CONFIGURATION),
    ("wrong credentials", Cause.CREDENTIALS),
)
_ERRORS: Final[dict[str, Cause]] = {
    "400.008.01": Cause.CREDENTIALS,
    "400.008.02": Cause.CONFIGURATION,
    "404.001.01": Cause.CONFIGURATION,
    "405.001": Cause.CONFIGURATION,
    # spike arrest and quota: turned away at the gate; both spellings are seen
    "500.003.02": Cause.BUSY,
    "500.003.03": Cause.BUSY,
}


def result(operation: Operation, code: str, message: str) -> Outcome:
    """What a ResultCode says about the payment it belongs to. Paid comes back bare."""
    if code == "0":
        return Paid(message=message)
    if operation is Operation.STK and code == STK_PROCESSING:
        return Pending(message=message, code=code)
    if operation is Operation.STATUS:
        return _of_status_request(code, message)
    table = _STK if operation is Operation.STK else _OURS
    cause = table.get(code)
    if cause is None:
        return Unknown(message=message, code=code)
    return Refused(cause=cause, code=code, message=message)


def _of_status_request(code: str, message: str) -> Outcome:
    """A status request that failed says nothing about the payment asked about."""
    if code in _NOT_FOUND:
        return NotFound(message=message, code=code)
    return Unknown(message=message, code=code)


def transaction_status(status: str, reason: str) -> Outcome:
    """What a TransactionStatus says; `reason` may lead with a result code."""
    word = status.lower()
    if word == "completed":
        return Paid(message=status)
    if word in _STATUS_PENDING:
        return Pending(message=status)
    if word == "reversed":
        return Reversed(message=status)
    if word not in _STATUS_REFUSED:
        return Unknown(message=status)
    code, _, text = reason.partition(" ")
    code = code.rstrip(":")
    if code not in _COMMON:
        return Refused(cause=_STATUS_REFUSED[word], code="", message=reason or status)
    return Refused(cause=_COMMON[code], code=code, message=text or reason)


def is_token_error(status: int, code: str) -> bool:
    """Whether the gateway turned a call away for its token: nothing was done."""
    return status == 401 or code in _TOKEN_ERRORS


def call_error(status: int, code: str, message: str) -> Refused | Unknown:
    """What an error answer to a call that moves money proves.

    4xx is said before anything is done. 5xx proves nothing unless it is one of the refusals
    that are known to be made before the request is queued. The code outweighs the HTTP status.
    """
    if is_token_error(status, code):
        return Refused(cause=Cause.CREDENTIALS, code=code, message=message)
    if code == PROCESSING_ERROR:
        return _internal_error(code, message)
    cause = _ERRORS.get(code)
    if cause is None and status == 429:
        cause = Cause.BUSY
    if cause is None and (code or str(status)).startswith("4") and status != 408:
        cause = Cause.INVALID
    if cause is None:
        return Unknown(message=message or f"HTTP {status}", code=code)
    return Refused(cause=cause, code=code, message=message or f"HTTP {status}")


def _internal_error(code: str, message: str) -> Refused | Unknown:
    words = message.lower()
    for said, cause in _INTERNAL:
        if said in words:
            return Refused(cause=cause, code=code, message=message)
    return Unknown(message=message, code=code)


def is_processing(code: str, message: str) -> bool:
    """Whether an error answer to a push query says "not finished yet"."""
    return code == PROCESSING_ERROR and "being processed" in message.lower()


def is_duplicate(code: str, message: str) -> bool:
    """Whether Daraja has had this originator id before, so that the first request counts."""
    words = message.lower()
    return "duplicate originatorconversationid" in words or (
        code == DUPLICATE_ERROR and (not words or "duplicate" in words)
    )
