"""Bytes to requests and payloads to bytes: pure, every decoder built once.

Amounts never become floats: they are read from the text of the JSON number and written in plain
notation, at least two decimals (1000.50, 0.05, 0.02345678), never an exponent (X-C11).
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import Raw

from domain.money import UNIT_DECIMALS, UNITS_PER_WHOLE, AmountError, plain, units_from
from protocols.cashier.wire import requests
from protocols.cashier.wire.base import Amount, Envelope, Wire

US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1)
_CENT: Final = UNITS_PER_WHOLE // 100
_NULL: Final = b"null"
_NUL: Final = b"\\u0000"
# More whole digits than any amount we accept; Decimal takes over where this ends.
_FAST_DIGITS: Final = 15

REQUESTS: Final[dict[str, type[Wire]]] = {
    "verification_request": requests.VerificationRequest,
    "verify_totp": requests.Verify,
    "verify_otp": requests.Verify,
    "get_accounts": requests.Nothing,
    "get_account_balance": requests.ByAccount,
    "get_owner_summary": requests.Nothing,
    "create_account": requests.CreateAccount,
    "get_supported_currencies": requests.Nothing,
    "deposit_request": requests.DepositRequest,
    "get_deposit_status": requests.ByReference,
    "cancel_deposit": requests.ByReference,
    "withdraw_request": requests.WithdrawRequest,
    "fulfill_withdrawal": requests.ByReference,
    "transfer": requests.Transfer,
    "get_history": requests.GetHistory,
    "get_transaction_by_receipt": requests.ByReceipt,
    "get_account_statement": requests.StatementRequest,
    "get_owner_statement": requests.OwnerStatementRequest,
    "get_ledgers": requests.GetLedgers,
    "calculate_fee": requests.CalculateFee,
    "convert_and_transfer": requests.ConvertAndTransfer,
    "get_partners": requests.GetPartners,
}

_envelope: Final = msgspec.json.Decoder(Envelope)
_decoders: Final[dict[str, Callable[[bytes], Wire]]] = {
    name: msgspec.json.Decoder(struct).decode for name, struct in REQUESTS.items()
}
encode: Final = msgspec.json.Encoder().encode


def decode_envelope(frame: str | bytes) -> Envelope | None:
    """The frame's envelope; None when it is not JSON, not an object or has no string `type`."""
    try:
        return _envelope.decode(frame)
    # Deeply nested JSON exhausts the decoder's stack instead of failing to decode.
    except (msgspec.DecodeError, RecursionError):
        return None


def decode_data(kind: str, data: Raw) -> Wire | None:
    """The request struct of message type `kind` (known to REQUESTS); None when `data` is not one.

    A null `data` counts as absent. PostgreSQL's text cannot hold NUL, so no request may.
    """
    raw = bytes(data)
    if raw == _NULL:
        raw = b"{}"
    if raw.find(_NUL) >= 0:  # `in` takes bytes for a number first: ten times slower
        return None
    try:
        return _decoders[kind](raw)
    except (msgspec.DecodeError, RecursionError):
        return None


def units_in(amount: Amount) -> int | AmountError:
    """Exact units of a request's amount, sign kept; numbers only, no strings or booleans."""
    raw = bytes(amount)
    whole, _, fraction = raw.partition(b".")
    if len(whole) <= _FAST_DIGITS and whole.isdigit() and len(fraction) <= UNIT_DECIMALS:
        if not fraction:
            return int(whole) * UNITS_PER_WHOLE
        if fraction.isdigit():
            return int(whole + fraction.ljust(UNIT_DECIMALS, b"0"))
    if raw[:1] not in b"-0123456789":
        return AmountError.NOT_A_NUMBER
    return units_from(Decimal(raw.decode()))


def amount(units: int) -> Amount:
    """Units as an amount of the document: at least two decimals, no exponent."""
    cents, rest = divmod(units, _CENT)
    if rest or units < 0:
        return Raw(plain(units, 2))
    return Raw(b"%d.%02d" % divmod(cents, 100))


def percentage(units: int) -> Amount:
    """Units as a percentage of the document: at least one decimal (2.0, 0.5)."""
    return Raw(plain(units, 1))


@lru_cache(maxsize=8192)
def _iso_second(second: int) -> str:
    return (_EPOCH + timedelta(seconds=second)).isoformat() + "Z"


def iso(at_us: int) -> str:
    """Microseconds since the epoch as the document's dates: whole seconds, UTC, Z (X-C13)."""
    return _iso_second(at_us // US)
