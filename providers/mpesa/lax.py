"""Reads what Daraja sends as this type today and as that one tomorrow. No float anywhere."""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import Final, TypeVar

import msgspec

from domain.money import AmountError, units_from

T = TypeVar("T")

# What a decoder can raise on hostile bytes: wrong shape, bad UTF-8, nesting without end.
_UNREADABLE: Final = (ValueError, RecursionError)  # msgspec's errors are ValueErrors
_NUMBER: Final = re.compile(r"-?\d{1,30}(\.\d{1,20})?([eE][+-]?\d{1,3})?", re.ASCII)
_LONGEST_TEXT: Final = 4_096


def decode(decoder: msgspec.json.Decoder[T], body: bytes) -> T | None:
    """The typed body, or None if it is not one."""
    try:
        return decoder.decode(body)
    except _UNREADABLE:
        return None


def clean(value: str) -> str:
    """Printable, trimmed and bounded: what may be stored, shown and logged."""
    return "".join(filter(str.isprintable, value[:_LONGEST_TEXT])).strip()


def text(raw: msgspec.Raw) -> str | None:
    """A text or number as text; None for null, "", a truth value, or anything nested."""
    value = bytes(raw).strip()
    if value[:1] == b'"':
        try:
            return clean(msgspec.json.decode(value, type=str)) or None
        except _UNREADABLE:
            return None
    plain = value.decode("ascii", "replace")
    return plain if _NUMBER.fullmatch(plain) else None


def amount(value: str) -> int | None:
    """Units of 10⁻⁸ of a number, or None."""
    if not _NUMBER.fullmatch(value):
        return None
    units = units_from(Decimal(value))
    return None if isinstance(units, AmountError) else units


def paid_units(value: str | None) -> int | None:
    """The same of an amount that was paid: None unless it is above zero."""
    units = amount(value) if value is not None else None
    return units if units is not None and units > 0 else None


def values(pairs: Iterable[tuple[str, msgspec.Raw]]) -> dict[str, str]:
    """Members by name without its spaces ("Originator Conversation ID" is seen too); the first
    of a name wins, and members without a value are left out."""
    found: dict[str, str] = {}
    for name, raw in pairs:
        value = text(raw)
        if value is not None:
            found.setdefault(name.replace(" ", ""), value)
    return found
