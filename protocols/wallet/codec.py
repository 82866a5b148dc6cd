"""Amounts and saved answers of the wallet: text in, units inside, text out. Pure."""

from decimal import Decimal
from typing import Any, Final

import msgspec
from msgspec import Raw

from domain.funding import CURRENCY, in_range
from domain.money import ASSETS, UNITS_PER_WHOLE, AmountError, plain, units_from

_DECIMALS: Final = ASSETS[CURRENCY].decimals

encode: Final = msgspec.json.Encoder().encode


class Answer(msgspec.Struct, frozen=True):
    """What a request is answered: status and encoded body.

    `kept`: it is saved under the request's idempotency key already, with what it tells of.
    """

    status: int
    body: Raw
    kept: bool = False

    @property
    def lasting(self) -> bool:
        """Whether a repeat may be answered with it: not when it says "not now"."""
        return self.status < 500 and self.status not in (409, 429)


def answer(body: Any, status: int = 200, *, kept: bool = False) -> Answer:
    """A struct of wire.py as an answer."""
    return Answer(status, Raw(encode(body)), kept)


def save(made: Answer) -> bytes:
    """The bytes kept for repeats."""
    return encode((made.status, made.body))


_load: Final = msgspec.json.Decoder(tuple[int, Raw]).decode


def load(saved: bytes) -> Answer:
    """What was kept."""
    status, body = _load(saved)
    return Answer(status, body, kept=True)


def funding_amount(raw: Raw) -> int | None:
    """Units of a request's amount; None for what may not be funded (FW-06, WOTP-C21).

    Numbers only, no strings or booleans, read from their text (X-C12).
    """
    text = bytes(raw)
    if not text or text[:1] not in b"0123456789":
        return None
    try:
        units = units_from(Decimal(text.decode()), _DECIMALS)
    except ArithmeticError:  # an exponent beyond what Decimal itself can hold
        return None
    return None if isinstance(units, AmountError) or not in_range(units) else units


def amount(units: int) -> Raw:
    """Units as a number of the document: 50000, or with two decimals 50000.50."""
    return Raw(plain(units, 2 if units % UNITS_PER_WHOLE else 0))
