"""Amounts on exchanges' wires: decimal strings in, units of 10⁻⁸ inside, plain notation out."""

from decimal import ROUND_DOWN, Decimal, InvalidOperation
from typing import Final

from domain.money import UNITS_PER_WHOLE, AmountError, convert, plain, units_from

_UNIT: Final = Decimal(1).scaleb(-8)
_LARGEST_EXPONENT: Final = 30  # checked before any arithmetic: 1e400 costs nothing


def read_units(value: Decimal) -> int:
    """Units, rounded down: exchanges keep up to 18 decimals. ValueError for what is no amount."""
    if not value.is_finite() or abs(value.adjusted()) > _LARGEST_EXPONENT:
        raise ValueError("not an amount")
    try:
        units = units_from(value.quantize(_UNIT, rounding=ROUND_DOWN))
    except InvalidOperation as error:
        raise ValueError("not an amount") from error
    if isinstance(units, AmountError):
        raise ValueError(units.value)
    return units


def write_units(units: int) -> str:
    """How every exchange here reads an amount or a price."""
    return plain(units)


def split(symbol: str) -> tuple[str, str]:
    """Base and quote of the document's symbol: "BTC/ZAR" → ("BTC", "ZAR")."""
    base, _, quote = symbol.partition("/")
    return base, quote


def step_of(decimals: int) -> int:
    """The step of a number with so many decimals, at least one unit."""
    return int(10 ** max(8 - decimals, 0))


def cost_of(amount: int, price: int) -> int:
    """Quote units of `amount` base units, rounded down."""
    return convert(amount, price)


def middle(bid: int, ask: int) -> int:
    """The price between the best bid and the best ask."""
    return (bid + ask) // 2


def average(cost: int, filled: int) -> int:
    """Quote units per whole base, 0 when nothing was filled."""
    return cost * UNITS_PER_WHOLE // filled if filled else 0
