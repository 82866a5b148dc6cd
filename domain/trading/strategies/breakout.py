"""Over minute candles: buy a close above the highest of the last ten, sell one below the lowest of
the last five."""

from typing import Any, Final

import msgspec

from domain.trading.market import BUY_ALL, SELL_ALL, Moment, Signal, Strategy

SPAN_US: Final = 60_000_000
ENTRY_CANDLES: Final = 10
EXIT_CANDLES: Final = 5


class State(msgspec.Struct, frozen=True, gc=False):
    """Highs and lows of the last closed candles, oldest first."""

    highs: tuple[int, ...] = ()
    lows: tuple[int, ...] = ()


def decide(state: Any, moment: Moment) -> tuple[State, Signal | None]:
    """See the module."""
    candle = moment.candle
    if candle is None:
        return state, None
    highs, lows = state.highs, state.lows
    after = State(
        (*highs[1 - ENTRY_CANDLES :], candle.high), (*lows[1 - ENTRY_CANDLES :], candle.low)
    )
    if moment.position:
        exits = len(lows) >= EXIT_CANDLES and candle.close < min(lows[-EXIT_CANDLES:])
        return after, SELL_ALL if exits else None
    enters = len(highs) == ENTRY_CANDLES and candle.close > max(highs)
    return after, BUY_ALL if enters else None


STRATEGY: Final = Strategy(name="breakout", state=State, decide=decide, span_us=SPAN_US)
