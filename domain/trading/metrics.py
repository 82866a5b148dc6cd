"""Totals over bots (AMKT-C24) and what a backtest reports."""

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from domain.trading.market import WHOLE
from domain.trading.records import Metrics, RiskLevel

_LOW_BP: Final = 1_000
_MODERATE_BP: Final = 4_000


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """One bot's part in the totals, money in units of ZAR; `open` is in open positions."""

    active: bool
    profit: int
    capital: int
    open: int
    closed_trades: int
    winning_trades: int


def totals(shares: Iterable[Share]) -> Metrics:
    """AMKT-C24; zeros and "low" without bots."""
    bots = list(shares)
    capital = sum(bot.capital for bot in bots)
    closed = sum(bot.closed_trades for bot in bots)
    exposure = 10_000 * sum(bot.open for bot in bots) // capital if capital > 0 else 0
    return Metrics(
        total_profit=sum(bot.profit for bot in bots),
        total_capital=capital,
        active_bots=sum(bot.active for bot in bots),
        total_bots=len(bots),
        win_rate_bp=10_000 * sum(bot.winning_trades for bot in bots) // closed if closed else 0,
        exposure_bp=exposure,
        risk_level=risk_level(exposure),
    )


def risk_level(exposure_bp: int) -> RiskLevel:
    """low < 10 %, moderate < 40 %, high (AMKT-C24)."""
    if exposure_bp < _LOW_BP:
        return RiskLevel.LOW
    return RiskLevel.MODERATE if exposure_bp < _MODERATE_BP else RiskLevel.HIGH


def drawdown_ppm(curve: Sequence[int]) -> int:
    """The deepest fall of a curve from the peak before it."""
    deepest = peak = 0
    for worth in curve:
        peak = max(peak, worth)
        if peak > 0:
            deepest = max(deepest, (peak - worth) * WHOLE // peak)
    return deepest
