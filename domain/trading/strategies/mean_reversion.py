"""Bet on the return: buy far below the mean of the last prices, sell once the price is back.

Far is two standard deviations, and at least 0.5 %, so that noise around a flat mean is left alone.
"""

from typing import Any, Final

import msgspec

from domain.trading.market import BUY_ALL, SELL_ALL, Moment, Signal, Strategy, below

WINDOW: Final = 20  # ticks
LEAST: Final = 10  # ticks before it has an opinion
FAR_PPM: Final = 5_000


class State(msgspec.Struct, frozen=True, gc=False):
    """The last prices, oldest first, with their sum and the sum of their squares."""

    prices: tuple[int, ...] = ()
    total: int = 0
    squares: int = 0


def decide(state: Any, moment: Moment) -> tuple[State, Signal | None]:
    """See the module."""
    price, count = moment.price, len(state.prices)
    after = _with(state, price)
    if count < LEAST:
        return after, None
    mean = state.total // count
    if moment.position:
        return after, SELL_ALL if price >= mean else None
    # price < mean - 2σ, in integers: (n·price - total)² > 4·(n·squares - total²)
    distance = state.total - count * price
    variance = count * state.squares - state.total * state.total
    if distance > 0 and distance * distance > 4 * variance and below(price, mean, FAR_PPM):
        return after, BUY_ALL
    return after, None


def _with(state: State, price: int) -> State:
    prices, total, squares = state.prices, state.total + price, state.squares + price * price
    if len(prices) == WINDOW:
        oldest, *kept = prices
        return State((*kept, price), total - oldest, squares - oldest * oldest)
    return State((*prices, price), total, squares)


STRATEGY: Final = Strategy(name="mean_reversion", state=State, decide=decide)
