"""Values of the wire: amounts in, numbers and times out. Pure.

Amounts never become floats: they are read from the text of a JSON number or string and written
in plain notation (X-C11, X-C12).
"""

import re
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Raw

from domain.money import UNIT_DECIMALS, AmountError, plain, round_down, units_from
from protocols.nexuspay.wire.base import Amount

US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1)
# A string holds nothing but the digits of a decimal: no sign, blank or exponent (NXPY-C33).
_DECIMAL: Final = re.compile(rb'"[0-9]+(\.[0-9]+)?"')
_DATE: Final = re.compile(
    r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)

encode: Final = msgspec.json.Encoder().encode


def units_in(amount: Amount, decimals: int = UNIT_DECIMALS) -> int | AmountError:
    """Exact units of a request's amount, a JSON number or a decimal string; sign kept."""
    raw = bytes(amount)
    if _DECIMAL.fullmatch(raw):
        raw = raw[1:-1]
    if raw[:1] not in b"-0123456789" or not raw:
        return AmountError.NOT_A_NUMBER
    return units_from(Decimal(raw.decode()), decimals)


def number(units: int) -> Raw:
    """Units as a JSON number, shortest notation."""
    return Raw(plain(units))


def cents(units: int) -> Raw:
    """Units as a JSON number, cut to 2 decimals."""
    return Raw(plain(round_down(units, 2)))


def iso(at_us: int) -> str:
    """Whole seconds, UTC, Z (X-C13)."""
    return (_EPOCH + timedelta(seconds=at_us // US)).isoformat() + "Z"


def iso_ms(at_us: int) -> str:
    """Milliseconds, as the M-Pesa section writes times."""
    at = _EPOCH + timedelta(milliseconds=at_us // 1000)
    return at.isoformat(timespec="milliseconds") + "Z"


def iso_or_none(at_us: int) -> str | None:
    """None for a time that has not come (NXPY-C64)."""
    return iso(at_us) if at_us else None


def us_from(text: str, *, end_of_day: bool = False) -> int | None:
    """Microseconds of an ISO 8601 date or time, UTC unless it says otherwise; None for others.

    A date alone is its first moment, or its last with `end_of_day`.
    """
    if not _DATE.fullmatch(text):
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    offset = at.utcoffset() or timedelta()
    since = at.replace(tzinfo=None) - _EPOCH - offset
    if end_of_day and len(text) == len("2024-01-15"):
        since += timedelta(days=1) - timedelta(microseconds=1)
    return since // timedelta(microseconds=1)


def text_of(value: Any) -> str:
    """A value as an error's details show it, bounded."""
    return str(value)[:100]
