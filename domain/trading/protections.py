"""Pauses after what went wrong lately: each looks back over the closed trades and may forbid new
entries for a while. Exits are never forbidden."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from domain.trading.market import WHOLE

STOP_LOSS: Final = "stop loss"
COOLDOWN: Final = "cooldown"


class Closed(msgspec.Struct, frozen=True, gc=False):
    """A trade that closed a position or a part of it; `capital` is what the bot had before."""

    at_us: int
    profit: int
    capital: int
    reason: str


class Lock(msgspec.Struct, frozen=True):
    """No entries before `until_us`; `reason` is fit for the user."""

    until_us: int
    reason: str


class Cooldown(msgspec.Struct, frozen=True, kw_only=True):
    """A pause after every exit."""

    pause_us: int

    def lock(self, closed: Sequence[Closed]) -> Lock | None:
        return Lock(closed[-1].at_us + self.pause_us, COOLDOWN) if closed else None


class StopLossGuard(msgspec.Struct, frozen=True, kw_only=True):
    """A pause after `stops` stop losses within `lookback_us`."""

    lookback_us: int
    stops: int
    pause_us: int

    def lock(self, closed: Sequence[Closed]) -> Lock | None:
        recent = _recent(closed, self.lookback_us)
        hits = [trade for trade in recent if trade.reason == STOP_LOSS]
        if len(hits) < self.stops:
            return None
        return Lock(hits[-1].at_us + self.pause_us, f"{len(hits)} stop losses")


class MaxDrawdown(msgspec.Struct, frozen=True, kw_only=True):
    """A pause when closed trades within `lookback_us` fell `loss_ppm` from their best."""

    lookback_us: int
    loss_ppm: int
    least_trades: int
    pause_us: int

    def lock(self, closed: Sequence[Closed]) -> Lock | None:
        recent = _recent(closed, self.lookback_us)
        if len(recent) < self.least_trades:
            return None
        peak = capital = recent[0].capital
        for trade in recent:
            capital += trade.profit
            peak = max(peak, capital)
        if (peak - capital) * WHOLE < peak * self.loss_ppm:
            return None
        return Lock(recent[-1].at_us + self.pause_us, "drawdown")


class LowProfit(msgspec.Struct, frozen=True, kw_only=True):
    """A pause when closed trades within `lookback_us` lost `loss_ppm` in all."""

    lookback_us: int
    loss_ppm: int
    least_trades: int
    pause_us: int

    def lock(self, closed: Sequence[Closed]) -> Lock | None:
        recent = _recent(closed, self.lookback_us)
        if len(recent) < self.least_trades:
            return None
        profit = sum(trade.profit for trade in recent)
        if -profit * WHOLE < recent[0].capital * self.loss_ppm:
            return None
        return Lock(recent[-1].at_us + self.pause_us, "low profit")


Protection = Cooldown | StopLossGuard | MaxDrawdown | LowProfit


def locked(protections: Iterable[Protection], closed: Sequence[Closed]) -> Lock | None:
    """The lock that lasts longest after the newest of `closed` (oldest first), None for none."""
    locks = [lock for protection in protections if (lock := protection.lock(closed)) is not None]
    return max(locks, key=lambda lock: lock.until_us, default=None)


def _recent(closed: Sequence[Closed], lookback_us: int) -> Sequence[Closed]:
    """Those within `lookback_us` of the newest."""
    if not closed:
        return ()
    since_us = closed[-1].at_us - lookback_us
    return [trade for trade in closed if trade.at_us >= since_us]
