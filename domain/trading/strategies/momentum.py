"""Go with a move: buy when the price has risen off its recent low, sell when it falls off its peak.

With moves of 1 % a tick it enters on the first rise (contract.md, "Amarktai"); with the small
ticks of a real market it takes a rise of 0.8 % within the window.
"""

from typing import Any, Final

import msgspec

from domain.trading.market import BUY_ALL, SELL_ALL, Moment, Signal, Strategy, above, below

WINDOW: Final = 20  # ticks
RISE_PPM: Final = 8_000
FALL_PPM: Final = 8_000


class State(msgspec.Struct, frozen=True, gc=False):
    """The last prices, oldest first."""

    prices: tuple[int, ...] = ()


def decide(state: Any, moment: Moment) -> tuple[State, Signal | None]:
    """See the module."""
    price, prices = moment.price, state.prices
    after = State((*prices[1 - WINDOW :], price))
    if moment.position:
        return after, SELL_ALL if below(price, moment.peak, FALL_PPM) else None
    if prices and price > prices[-1] and above(price, min(prices), RISE_PPM):
        return after, BUY_ALL
    return after, None


STRATEGY: Final = Strategy(name="momentum", state=State, decide=decide)
