"""What requests have in common; each refuses what is not one."""

from typing import Final, TypeVar

from msgspec import Raw

from domain.money import ASSETS, AmountError
from domain.trading.platforms import PLATFORMS, Platform
from protocols.amarktai.codec import units_in
from protocols.amarktai.errors import invalid, of_amount
from protocols.amarktai.wire.base import ABSENT
from protocols.http import Request

_SHOWN: Final = 50  # characters of a bad value that an error repeats
T = TypeVar("T")


def positive(amount: Raw, asset: str, member: str) -> int:
    """Units of an amount above zero with no more decimals than its currency has."""
    if amount == ABSENT:
        raise invalid(f"{member} is required")
    units = units_in(amount, ASSETS[asset].decimals)
    if isinstance(units, AmountError):
        raise of_amount(units, member)
    if units <= 0:
        raise invalid(f"{member} must be greater than zero")
    return units


def platform_in(name: str, member: str) -> Platform:
    """A platform by its id."""
    if name not in PLATFORMS:
        raise invalid(f"{member}: unknown platform {name[:_SHOWN]!r}")
    return PLATFORMS[name]


def whole_in(request: Request, name: str, default: int, least: int, most: int) -> int:
    """A whole number of the query within its bounds (AMKT-C22)."""
    text = request.query.get(name)
    if text is None:
        return default
    number = int(text) if text.isascii() and text.isdigit() and len(text) <= 10 else -1
    if not least <= number <= most:
        raise invalid(f"{name} must be a whole number from {least} to {most}")
    return number


def text_in(text: str, member: str, longest: int) -> str:
    """A text that says something, without blanks around it."""
    bare = text.strip()
    if not bare:
        raise invalid(f"{member} must not be empty")
    if len(bare) > longest:
        raise invalid(f"{member} must have at most {longest} characters")
    if any(0xD800 <= ord(character) <= 0xDFFF for character in bare):
        raise invalid(f"{member} is not valid text")
    return bare
