"""What a strategy looks at: candles made from ticks, and the moment it decides in."""

from collections.abc import Callable
from enum import Enum

import msgspec


class Candle(msgspec.Struct, frozen=True, gc=False):
    """Prices within one span of time that began at `open_us`."""

    open_us: int
    open: int
    high: int
    low: int
    close: int


def fold(forming: Candle | None, price: int, at_us: int, span_us: int) -> Candle:
    """The candle in which `at_us` lies after this tick; another one than `forming` when that one
    is over. A tick that comes late counts in the candle that forms: candles never go back."""
    begins_us = at_us - at_us % span_us
    if forming is None or begins_us > forming.open_us:
        return Candle(begins_us, price, price, price, price)
    return Candle(
        forming.open_us,
        forming.open,
        max(forming.high, price),
        min(forming.low, price),
        price,
    )


class Move(Enum):
    """Which way a strategy wants to go."""

    BUY = "buy"
    SELL = "sell"


class Signal(msgspec.Struct, frozen=True, gc=False):
    """What a strategy wants: buy with `share_ppm` of what risk allows for one position, or sell
    that share of the position. It is a wish: risk and protections decide."""

    move: Move
    share_ppm: int
    reason: str


class Moment(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One tick as a strategy sees it.

    `candle` is the one that this tick closed, for strategies with a span. `position` base units
    that cost `position_cost`, bought in `entries` steps; `last_price` and `last_us` are of the
    bot's last fill, 0 before the first; `peak` is the highest price since the position was opened.
    """

    price: int
    at_us: int
    candle: Candle | None = None
    position: int = 0
    position_cost: int = 0
    entries: int = 0
    last_price: int = 0
    last_us: int = 0
    peak: int = 0


class Strategy(msgspec.Struct, frozen=True, kw_only=True):
    """A way to trade: `decide(state, moment)` gives the state after and a wish, or None.

    Pure: everything it remembers is in its state, a frozen struct of type `state` whose defaults
    are the beginning. `span_us` is the length of the candles it wants, 0 for none.
    """

    name: str
    state: type[msgspec.Struct]
    decide: Callable[[msgspec.Struct, Moment], tuple[msgspec.Struct, Signal | None]]
    span_us: int = 0


WHOLE = 1_000_000  # ppm
BUY_ALL = Signal(Move.BUY, WHOLE, "entry")
SELL_ALL = Signal(Move.SELL, WHOLE, "exit")


def above(price: int, base: int, ppm: int) -> bool:
    """Whether `price` is at least `ppm` above `base`."""
    return price * WHOLE >= base * (WHOLE + ppm)


def below(price: int, base: int, ppm: int) -> bool:
    """Whether `price` is at least `ppm` below `base`."""
    return price * WHOLE <= base * (WHOLE - ppm)
