"""Rates of exchange as integers, and what they do to amounts.

A rate is an `int` of 10⁻⁸: units of the quote asset for one whole of the base asset, always in
the direction of the market (CASH-C57). It is rounded once, when it is made; the rounded rate is
both the shown and the applied one, so whoever multiplies the shown numbers gets the shown
result (X-C18, CASH-C20).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, NamedTuple

from domain.money import ASSETS, UNIT_DECIMALS, UNITS_PER_WHOLE, plain, round_down, round_up

HUB: Final = "USD"
# Which asset of a pair is priced in the other: a cryptocurrency in money, and of two assets the
# earlier of this list in the later (CASH-C57: BTC, TRX, USDC, USDT).
MARKET_ORDER: Final = (
    *("BTC", "WBTC", "ETH", "WETH", "CELO", "TRX", "USDC", "USDT", "DAI"),
    *("USD", "ZAR", "KES", "NGN"),
)
_RANK: Final = {code: rank for rank, code in enumerate(MARKET_ORDER)}
# A rate keeps 2 decimals, and below 1000 as many more as make 6 significant digits: 133.33 and
# 42650.5 stay what they are, and a stablecoin's 0.9998 does not become 1.
_RATE_MIN_DECIMALS: Final = 2
_RATE_DIGITS: Final = 6
# Beyond ten billion for one, or below a unit, something else than a price was read.
MAX_RATE: Final = 10**10 * UNITS_PER_WHOLE
_PERCENT_DECIMALS: Final = 4


@dataclass(frozen=True, slots=True)
class Quote:
    """A stored rate: one whole `base` costs `rate` units of `quote`.

    `id` is the row that journals and `fx_rate_id` refer to; `at_us` is when the source said so.
    """

    id: int
    base: str
    quote: str
    rate: int
    at_us: int


class Converted(NamedTuple):
    """An amount after conversion and rounding.

    `remainder` ≥ 0, in the same asset, is what rounding left with the platform; it belongs to
    the rounding account where a journal must show it (X-C18).
    """

    units: int
    remainder: int


def market_pair(one: str, other: str) -> tuple[str, str]:
    """(base, quote) in market direction, whichever way round they are given.

    KeyError for an asset nobody prices.
    """
    return (one, other) if _RANK[one] <= _RANK[other] else (other, one)


def pair_name(one: str, other: str) -> str:
    """The market's name of the pair: ("KES", "USD") → "USD/KES"."""
    return "/".join(market_pair(one, other))


def _round_tenths(tenths: int) -> int:
    """Half up, to the decimals a rate is shown with; of a rate cut off one digit later than a unit,
    so that nothing is rounded twice."""
    whole_digits = len(str(tenths)) - 1 - UNIT_DECIMALS  # 0 for 0.1…, −1 for 0.01…
    decimals = min(max(_RATE_DIGITS - whole_digits, _RATE_MIN_DECIMALS), UNIT_DECIMALS)
    step: int = 10 ** (UNIT_DECIMALS - decimals)
    return (tenths + step * 5) // (step * 10) * step


def rate_from(value: Decimal) -> int | None:
    """The rounded rate of a price somebody else stated, or None if it cannot be a price."""
    if not value.is_finite() or value <= 0 or not -40 < value.adjusted() < 40:
        return None
    rate = _round_tenths(int(value.scaleb(UNIT_DECIMALS + 1)))
    return rate if 0 < rate <= MAX_RATE else None


def inverse_from(value: Decimal) -> int | None:
    """As rate_from, for a price stated in the other direction (USD for one KES)."""
    if not value.is_finite() or value <= 0 or not -40 < value.adjusted() < 40:
        return None
    return rate_from(1 / value)


def rate_text(rate: int) -> str:
    """Plain notation with at least two decimals: "42650.50", "0.9998" (CASH-C57)."""
    return plain(rate, _RATE_MIN_DECIMALS)


def cross_rate(rates: Mapping[str, int], one: str, other: str) -> int | None:
    """The rounded market rate between two assets, by way of USD.

    `rates` holds market pairs with USD in them ("BTC/USD", "USD/KES"); None if one is missing.
    """
    base, quote = market_pair(one, other)
    if base == quote:
        return UNITS_PER_WHOLE
    if HUB in {base, quote}:
        return rates.get(f"{base}/{quote}")
    of_base, of_quote = _in_usd(rates, base), _in_usd(rates, quote)
    if of_base is None or of_quote is None:
        return None
    top, bottom = of_base[0] * of_quote[1], of_base[1] * of_quote[0]
    rate = _round_tenths(top * UNITS_PER_WHOLE * 10 // bottom)
    return rate if 0 < rate <= MAX_RATE else None


def _in_usd(rates: Mapping[str, int], asset: str) -> tuple[int, int] | None:
    """One whole of `asset` in USD, as an exact fraction."""
    base, quote = market_pair(asset, HUB)
    rate = rates.get(f"{base}/{quote}")
    if rate is None:
        return None
    return (rate, UNITS_PER_WHOLE) if base == asset else (UNITS_PER_WHOLE, rate)


def receive(quote: Quote, source: str, units: int, decimals: int | None = None) -> Converted:
    """What a customer gets for `units` of `source`: rounded down (X-C18).

    `source` is one side of the quote, the result is of the other, at that asset's decimals
    unless `decimals` says otherwise. 1000 KES at 133.33 → 7.50 USD.
    """
    target, top, bottom = _ratio(quote, source)
    exact = units * top // bottom
    shown = round_down(exact, ASSETS[target].decimals if decimals is None else decimals)
    return Converted(shown, exact - shown)


def cost(quote: Quote, target: str, units: int, decimals: int | None = None) -> Converted:
    """What a customer pays to get `units` of `target`: rounded up (X-C18).

    The result is of the quote's other asset; `decimals=0` gives M-PESA's whole shillings.
    0.5 USDC at 133.33 → 66.67 KES, or 67 KES.
    """
    source, top, bottom = _ratio(quote, target)
    exact = -(-units * top // bottom)
    shown = round_up(exact, ASSETS[source].decimals if decimals is None else decimals)
    return Converted(shown, shown - exact)


def _ratio(quote: Quote, known: str) -> tuple[str, int, int]:
    """The other asset, and the fraction that turns units of `known` into units of it."""
    if known == quote.base:
        return quote.quote, quote.rate, UNITS_PER_WHOLE
    if known == quote.quote:
        return quote.base, UNITS_PER_WHOLE, quote.rate
    raise ValueError(f"{known} is no side of {quote.base}/{quote.quote}")


def percentage(part: int, whole: int) -> int:
    """`part` of `whole` in per cent, as units, half up at 4 decimals (CASH-C23)."""
    step: int = 10 ** (UNIT_DECIMALS - _PERCENT_DECIMALS)
    return (part * 100 * UNITS_PER_WHOLE * 2 // whole + step) // (2 * step) * step


def jump_percent(old: int, new: int) -> int:
    """How far a rate moved from `old`, in whole per cent of the smaller one, rounded down.

    By the smaller one, so that a doubling and a halving count the same: 100.
    """
    return abs(new - old) * 100 // min(old, new)
