"""Money as integers.

Every amount inside daftari is an `int` of *units*, 10⁻⁸ of one whole of its asset (X-C11 with
its override); an `Asset` says how many decimals the outside world may see. Nothing here or
above ever holds an amount in a float.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

UNIT_DECIMALS: Final = 8
UNITS_PER_WHOLE: Final = 10**UNIT_DECIMALS
# Storage must hold 10**15 whole units of any asset; a wire amount beyond it is refused
# before any arithmetic is done with it.
MAX_UNITS: Final = 10**15 * UNITS_PER_WHOLE
_MAX_DIGITS: Final = 40


class AssetKind(Enum):
    """What backs an asset."""

    FIAT = "fiat"
    CRYPTO = "crypto"


@dataclass(frozen=True, slots=True)
class Asset:
    """A currency or token: `decimals` is its display precision, never more than 8."""

    code: str
    name: str
    symbol: str
    kind: AssetKind
    decimals: int

    @property
    def step(self) -> int:
        """Units of the smallest amount that may be shown or credited."""
        return int(10 ** (UNIT_DECIMALS - self.decimals))


_FIAT: Final = (
    ("USD", "US Dollar", "$"),
    ("KES", "Kenyan Shilling", "KSh"),
    ("NGN", "Nigerian Naira", "₦"),
    ("ZAR", "South African Rand", "R"),
)
_CRYPTO: Final = (
    ("BTC", "Bitcoin", "₿", 8),
    ("USDT", "Tether", "₮", 6),
    ("USDC", "USD Coin", "USDC", 6),
    ("TRX", "TRON", "TRX", 6),
    ("ETH", "Ether", "Ξ", 8),
    ("WETH", "Wrapped Ether", "WETH", 8),
    ("WBTC", "Wrapped Bitcoin", "WBTC", 8),
    ("DAI", "Dai", "DAI", 8),
    ("CELO", "Celo", "CELO", 8),
)
ASSETS: Final[dict[str, Asset]] = {
    **{c: Asset(c, n, s, AssetKind.FIAT, 2) for c, n, s in _FIAT},
    **{c: Asset(c, n, s, AssetKind.CRYPTO, d) for c, n, s, d in _CRYPTO},
}


class AmountError(Enum):
    """Why a wire amount is not an amount."""

    NOT_A_NUMBER = "not a number"  # NaN, infinities, exponents out of range
    TOO_PRECISE = "too many decimals"
    TOO_LARGE = "too large"


def units_from(value: Decimal, decimals: int = UNIT_DECIMALS) -> int | AmountError:
    """Exact units of a decimal read from a wire, or why there are none.

    Sign is kept: whether zero or a negative amount is allowed is the caller's rule. Digits and
    exponent are checked before any arithmetic, so 1e400 costs nothing.
    """
    sign, digits, exponent = value.as_tuple()
    if not isinstance(exponent, int):
        return AmountError.NOT_A_NUMBER
    if digits == (0,) or not any(digits):
        return 0
    if len(digits) > _MAX_DIGITS or not -_MAX_DIGITS <= exponent <= _MAX_DIGITS:
        return AmountError.TOO_PRECISE if exponent < 0 else AmountError.TOO_LARGE
    number = int("".join(map(str, digits)))
    shift = exponent + UNIT_DECIMALS
    scale: int = 10 ** abs(shift)
    if shift >= 0:
        units = number * scale
    else:
        units, rest = divmod(number, scale)
        if rest:
            return AmountError.TOO_PRECISE
    if units % 10 ** (UNIT_DECIMALS - decimals):
        return AmountError.TOO_PRECISE
    if units > MAX_UNITS:
        return AmountError.TOO_LARGE
    return -units if sign else units


def units_of(text: str) -> int:
    """Units of a decimal literal that our own code or configuration wrote."""
    units = units_from(Decimal(text))
    if isinstance(units, AmountError):
        raise ValueError(f"{text!r} is {units.value}")
    return units


def plain(units: int, min_decimals: int = 0) -> str:
    """Shortest plain notation, with at least `min_decimals` decimals: 750000000 → "7.5"."""
    whole, fraction = divmod(abs(units), UNITS_PER_WHOLE)
    digits = f"{fraction:08d}".rstrip("0").ljust(min_decimals, "0")
    text = f"{whole}.{digits}" if digits else str(whole)
    return f"-{text}" if units < 0 else text


def to_decimal(units: int) -> Decimal:
    """The same amount as an exact Decimal."""
    return Decimal(units).scaleb(-UNIT_DECIMALS)


def round_down(units: int, decimals: int) -> int:
    """Towards zero at `decimals`: how credits to customers are rounded (X-C18)."""
    step: int = 10 ** (UNIT_DECIMALS - decimals)
    return units - units % step if units >= 0 else -(-units - -units % step)


def round_up(units: int, decimals: int) -> int:
    """Away from zero at `decimals`: how debits from customers are rounded (X-C18)."""
    step: int = 10 ** (UNIT_DECIMALS - decimals)
    if units < 0:
        return -round_up(-units, decimals)
    return -(-units // step) * step


def convert(units: int, rate: int) -> int:
    """`units` × `rate` (units per whole), rounded down to a unit."""
    return units * rate // UNITS_PER_WHOLE
