"""Bots, trades and facts as the document shows them; pure, values in and wire structs out."""

from msgspec import UNSET, Raw, UnsetType

from domain.trading.records import Bot, Metrics, Overview, Trade
from protocols.amarktai.codec import iso, number
from protocols.amarktai.wire import bots as wire

_BASIS_POINT = 10**6  # units in a hundredth of a per cent


def percent(basis_points: int) -> Raw:
    """Hundredths of a per cent as a JSON number of per cent: 550 is 5.50."""
    return number(basis_points * _BASIS_POINT)


def bot_row(bot: Bot, *, owner: bool = False) -> wire.Bot:
    """A bot in a list or event; `owner` says whose it is, for administrators."""
    return wire.Bot(
        id=bot.id,
        name=bot.name,
        exchange=bot.platform,
        status=bot.status.value,
        trading_mode=bot.trading_mode.value,
        risk_mode=bot.risk_mode.value,
        initial_capital=number(bot.initial_capital),
        current_capital=number(bot.current_capital),
        total_profit=number(bot.total_profit),
        profit_percentage=percent(bot.profit_bp),
        created_at=iso(bot.created_us),
        symbol=bot.symbol,
        strategy=bot.strategy,
        currency=bot.currency,
        note=bot.note or UNSET,
        user_id=str(bot.user_id) if owner else UNSET,
    )


def trade_row(trade: Trade) -> wire.Trade:
    """A trade as REST and SSE show it."""
    return wire.Trade(
        id=trade.id,
        bot_id=trade.bot_id,
        exchange=trade.platform,
        symbol=trade.symbol,
        side=trade.side,
        amount=number(trade.amount),
        price=number(trade.price),
        profit_loss=number(trade.profit),
        timestamp=iso(trade.at_us),
        fee=number(trade.fee),
        currency=trade.currency,
    )


def totals(metrics: Metrics) -> wire.Totals:
    """The overview of /api/metrics."""
    return wire.Totals(
        total_profit=number(metrics.total_profit),
        total_capital=number(metrics.total_capital),
        active_bots=metrics.active_bots,
        total_bots=metrics.total_bots,
        win_rate=percent(metrics.win_rate_bp),
        exposure=percent(metrics.exposure_bp),
        risk_level=metrics.risk_level.value,
    )


def overview_update(overview: Overview, at_us: int) -> wire.OverviewUpdate:
    """SSE `overview_update`."""
    return wire.OverviewUpdate(
        active_bots=overview.active_bots,
        total_bots=overview.total_bots,
        total_profit=number(overview.total_profit),
        total_capital=number(overview.total_capital),
        timestamp=iso(at_us),
    )


def bot_update(bot: Bot, offset: int | UnsetType) -> wire.BotUpdate:
    """Socket `bot_update`."""
    return wire.BotUpdate(bot_id=bot.id, status=bot.status.value, data=bot_row(bot), offset=offset)


def trade_executed(trade: Trade, offset: int | UnsetType) -> wire.TradeExecuted:
    """Socket `trade_executed`."""
    executed = wire.ExecutedTrade(
        id=trade.id,
        bot_id=trade.bot_id,
        symbol=trade.symbol,
        side=trade.side,
        profit=number(trade.profit),
    )
    return wire.TradeExecuted(trade=executed, offset=offset)
