"""Buy a fifth each step down, sell the last fifth each step up from where it was bought."""

from typing import Any, Final

import msgspec

from domain.trading.market import WHOLE, Moment, Move, Signal, Strategy, above, below

LEVELS: Final = 5
STEP_PPM: Final = 10_000
_BUY: Final = Signal(Move.BUY, WHOLE // LEVELS, "grid level down")


class State(msgspec.Struct, frozen=True, gc=False):
    """The price the grid hangs from while nothing is held: the highest since then."""

    anchor: int = 0


def decide(state: Any, moment: Moment) -> tuple[State, Signal | None]:
    """See the module."""
    price = moment.price
    if not moment.position:
        anchor = max(state.anchor, price)
        return State(anchor), _BUY if below(price, anchor, STEP_PPM) else None
    if above(price, moment.last_price, STEP_PPM):
        share = -(-WHOLE // max(moment.entries, 1))
        return State(price), Signal(Move.SELL, share, "grid level up")
    if moment.entries < LEVELS and below(price, moment.last_price, STEP_PPM):
        return state, _BUY
    return state, None


STRATEGY: Final = Strategy(name="grid", state=State, decide=decide)
