"""What each risk mode allows (AMKT-C19), as ratios of the bot's own capital."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import msgspec

from domain.trading.protections import (
    Cooldown,
    LowProfit,
    MaxDrawdown,
    Protection,
    StopLossGuard,
)
from domain.trading.records import RiskMode

_S: Final = 1_000_000
_MINUTE: Final = 60 * _S
_HOUR: Final = 60 * _MINUTE


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """All in parts per million.

    `position_ppm` of the capital may be in a position; it is sold when the price is
    `stop_loss_ppm` below what it cost. Once the day's loss reaches `daily_loss_ppm` of the capital
    at the start of the UTC day, the position is sold and the bot waits for the next day; once the
    capital is `drawdown_ppm` below its peak, it is sold and the bot pauses until it is resumed.
    """

    position_ppm: int
    stop_loss_ppm: int
    daily_loss_ppm: int
    drawdown_ppm: int
    protections: tuple[Protection, ...]


def _protections(patience: int) -> tuple[Protection, ...]:
    """`patience` losing trades more or less before a pause."""
    return (
        Cooldown(pause_us=2 * _S),
        StopLossGuard(lookback_us=30 * _MINUTE, stops=1 + patience, pause_us=10 * _MINUTE),
        MaxDrawdown(
            lookback_us=_HOUR, loss_ppm=40_000 * patience, least_trades=3, pause_us=30 * _MINUTE
        ),
        LowProfit(
            lookback_us=_HOUR, loss_ppm=10_000 * patience, least_trades=6, pause_us=15 * _MINUTE
        ),
    )


LIMITS: Final[Mapping[RiskMode, Limits]] = MappingProxyType(
    {
        RiskMode.CONSERVATIVE: Limits(
            position_ppm=250_000,
            stop_loss_ppm=20_000,
            daily_loss_ppm=30_000,
            drawdown_ppm=100_000,
            protections=_protections(1),
        ),
        RiskMode.BALANCED: Limits(
            position_ppm=500_000,
            stop_loss_ppm=40_000,
            daily_loss_ppm=60_000,
            drawdown_ppm=200_000,
            protections=_protections(2),
        ),
        RiskMode.AGGRESSIVE: Limits(
            position_ppm=900_000,
            stop_loss_ppm=80_000,
            daily_loss_ppm=120_000,
            drawdown_ppm=350_000,
            protections=_protections(3),
        ),
    }
)
