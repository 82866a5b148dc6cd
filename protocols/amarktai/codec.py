"""Values of the wire: amounts in, numbers and times out. Pure.

Amounts never become floats: they are read from the text of a JSON number and written in plain
notation with at least two decimals (X-C11, X-C12).
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

import msgspec
from msgspec import Raw

from domain.money import UNIT_DECIMALS, AmountError, plain, units_from

US: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1)
_SHOWN_DECIMALS: Final = 2

encode: Final = msgspec.json.Encoder().encode


def units_in(amount: Raw, decimals: int = UNIT_DECIMALS) -> int | AmountError:
    """Exact units of a request's JSON number; strings and booleans are none. Sign kept."""
    raw = bytes(amount)
    if raw[:1] not in b"-0123456789" or not raw:
        return AmountError.NOT_A_NUMBER
    return units_from(Decimal(raw.decode()), decimals)


def number(units: int) -> Raw:
    """Units as a JSON number: 1000.00, 0.001."""
    return Raw(plain(units, _SHOWN_DECIMALS))


def iso(at_us: int) -> str:
    """Whole seconds, UTC, Z (X-C13)."""
    return (_EPOCH + timedelta(seconds=at_us // US)).isoformat() + "Z"


def iso_or_none(at_us: int) -> str | None:
    """None for what has not happened."""
    return iso(at_us) if at_us else None
