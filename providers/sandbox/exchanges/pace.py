"""How simulated prices move by themselves: waves, until somebody says where they are.

A wave is twelve ticks of one per cent up and twelve down again, every half second by default,
so that a trend is there to be found within twelve seconds of any start. A price set from outside
is the next tick; nothing moves for ten seconds after it, and then from there.
"""

from typing import Final, Literal, get_args

import trio

from providers.sandbox.exchanges.engine import Market, Venue

Script = Literal["waves", "trend", "crash", "flat"]
SCRIPTS: Final = frozenset(get_args(Script))
TICK_SECONDS: Final = 0.5
_WAVE_TICKS: Final = 12
_LONGEST_TREND: Final = 240  # then it stays: prices must fit
_HOLD_SECONDS: Final = 10.0
_CRASH_TICKS: Final = 8  # at five per cent: a third is lost


class Pace:
    """Moves one market of one venue; real time, as an outside system does."""

    def __init__(self, venue: Venue, market: Market, tick_seconds: float = TICK_SECONDS) -> None:
        self._venue = venue
        self._market = market
        self._seconds = tick_seconds
        self._script: Script = "waves"
        self._anchor = market.price
        self._steps = 0
        self._held_until = 0.0

    async def run(self) -> None:
        """Tick until cancelled."""
        while True:
            await trio.sleep(self._seconds)
            if trio.current_time() >= self._held_until:
                self._venue.tick(self._market.symbol, self._next())

    def set_price(self, price: int) -> None:
        """The next tick, now; the script goes on from there."""
        self._held_until = trio.current_time() + _HOLD_SECONDS
        self._anchor, self._steps = price, 0
        self._venue.tick(self._market.symbol, price)

    def play(self, script: Script) -> None:
        """Move like this from the next tick on."""
        self._script, self._held_until = script, 0.0
        self._anchor, self._steps = self._market.price, 0

    def _next(self) -> int:
        """Of where the script began, so that rounding never adds up."""
        self._steps += 1
        match self._script:
            case "flat":
                return self._anchor
            case "trend":
                return _risen(self._anchor, min(self._steps, _LONGEST_TREND))
            case "crash":
                return _fallen(self._anchor, min(self._steps, _CRASH_TICKS))
            case "waves":
                into = self._steps % (2 * _WAVE_TICKS)
                return _risen(self._anchor, min(into, 2 * _WAVE_TICKS - into))


def _risen(price: int, ticks: int) -> int:
    """By one per cent, so many times."""
    return int(price * 101**ticks // 100**ticks)


def _fallen(price: int, ticks: int) -> int:
    """By five per cent, so many times."""
    return int(price * 95**ticks // 100**ticks)
