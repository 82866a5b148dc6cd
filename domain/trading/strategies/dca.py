"""Dollar-cost averaging: buy a tenth every hour, sell all at 3 % above the average paid."""

from typing import Any, Final

import msgspec

from domain.trading.market import SELL_ALL, WHOLE, Moment, Move, Signal, Strategy, above

EVERY_US: Final = 3_600_000_000
STEPS: Final = 10
PROFIT_PPM: Final = 30_000
_UNITS: Final = 10**8
_BUY: Final = Signal(Move.BUY, WHOLE // STEPS, "scheduled")


class State(msgspec.Struct, frozen=True, gc=False):
    """Nothing: the bot's own last fill says when the next one is due."""


def decide(state: Any, moment: Moment) -> tuple[State, Signal | None]:
    """See the module."""
    if moment.position:
        average = moment.position_cost * _UNITS // moment.position
        if above(moment.price, average, PROFIT_PPM):
            return state, SELL_ALL
    due = moment.at_us - moment.last_us >= EVERY_US
    return state, _BUY if due and moment.entries < STEPS else None


STRATEGY: Final = Strategy(name="dca", state=State, decide=decide)
