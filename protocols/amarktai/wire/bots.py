"""Bots, trades and totals (document 004, "Bot Management" and "Trading Endpoints")."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from domain.trading.records import BotStatus
from protocols.amarktai.wire.base import Amount, PageQuery, Success, Wire, absent
from protocols.described import BalanceAfter, Number, Sequence, meta

Additive = Annotated[str, meta(additive=True)]


class BotsQuery(Wire, frozen=True, kw_only=True):
    """What the caller's bots are narrowed to."""

    platform: str | UnsetType = UNSET
    status: BotStatus | UnsetType = UNSET


class OwnerQuery(Wire, frozen=True, kw_only=True):
    """Whose bots an administrator sees; everybody's without."""

    user_id: str | UnsetType = UNSET


class TradesQuery(PageQuery, frozen=True, kw_only=True):
    """Of which bot; of all without."""

    bot_id: str | UnsetType = UNSET


class NewBot(Wire, frozen=True, kw_only=True):
    """`POST /api/bots`; `symbol` is additive."""

    name: str
    exchange: str
    trading_mode: str = "paper"
    risk_mode: str = "balanced"
    initial_capital: Amount = msgspec.field(default_factory=absent)
    strategy: str = "momentum"
    symbol: str = ""


class Bot(Wire, frozen=True, kw_only=True):
    """A bot in lists and events (AMKT-C38); from `symbol` on additive."""

    id: str
    name: str
    exchange: str
    status: str
    trading_mode: str
    risk_mode: str
    initial_capital: Number
    current_capital: Number
    total_profit: Number
    profit_percentage: Number
    created_at: str
    symbol: Additive
    strategy: Additive
    currency: Additive
    note: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class Bots(Success, frozen=True, kw_only=True):
    """A list of bots; `total` is how many are in it."""

    bots: list[Bot]
    total: int


class CreatedBot(Wire, frozen=True, kw_only=True):
    """A bot that was just made."""

    id: str
    name: str
    status: str


class BotCreated(Success, frozen=True, kw_only=True):
    """201 of `POST /api/bots`; the additive members are of the account that funded it."""

    bot: CreatedBot
    balance_after: BalanceAfter
    sequence: Sequence


class BotDeleted(Success, frozen=True, kw_only=True):
    """200 of `DELETE /api/bots/:id`; the additive members are of the account it gave back to."""

    message: str
    balance_after: BalanceAfter
    sequence: Sequence


class BotMoved(Success, frozen=True, kw_only=True):
    """A bot's new status."""

    bot_id: str
    status: str


class Trade(Wire, frozen=True, kw_only=True):
    """A trade as REST and SSE show it; `fee` and `currency` are additive."""

    id: str
    bot_id: str
    exchange: str
    symbol: str
    side: str
    amount: Number
    price: Number
    profit_loss: Number
    timestamp: str
    fee: Annotated[Raw, meta(type="number", additive=True)]
    currency: Additive


class Trades(Success, frozen=True, kw_only=True):
    """A page of trades; `total` counts all of them (AMKT-C22)."""

    trades: list[Trade]
    total: int


class Totals(Wire, frozen=True, kw_only=True):
    """The overview; money in ZAR."""

    total_profit: Number
    total_capital: Number
    active_bots: int
    total_bots: int
    win_rate: Number
    exposure: Number
    risk_level: str


class Metrics(Success, frozen=True, kw_only=True):
    """`GET /api/metrics`."""

    metrics: Totals


class Heartbeat(Wire, frozen=True, kw_only=True):
    """SSE `heartbeat`."""

    timestamp: str
    counter: int


class OverviewUpdate(Wire, frozen=True, kw_only=True):
    """SSE `overview_update`."""

    type: Literal["overview"] = "overview"
    active_bots: int
    total_bots: int
    total_profit: Number
    total_capital: Number
    timestamp: str


class CountUpdate(Wire, frozen=True, kw_only=True):
    """SSE `bot_update`."""

    type: Literal["bot_count_changed"] = "bot_count_changed"
    total_bots: int
    timestamp: str


class TradeUpdate(Wire, frozen=True, kw_only=True):
    """SSE `trade_update`."""

    type: Literal["recent_trades"] = "recent_trades"
    trades: list[Trade]
    count: int
    timestamp: str


class ReloadRequired(Wire, frozen=True, kw_only=True):
    """Additive, on SSE and socket: what was missed is not kept any more."""

    type: Literal["reload_required"] = "reload_required"
    message: str
    offset: int


class Incoming(Wire, frozen=True, kw_only=True):
    """A client's message; what else it holds does not matter."""

    type: str


class Pong(Wire, frozen=True, kw_only=True):
    """The server's time (AMKT-C36)."""

    type: Literal["pong"] = "pong"
    timestamp: str


class Problem(Wire, frozen=True, kw_only=True):
    """A message that is none of ours (AMKT-C36)."""

    type: Literal["error"] = "error"
    message: str


class BotUpdate(Wire, frozen=True, kw_only=True):
    """Socket `bot_update`; `offset` for clients that resume."""

    type: Literal["bot_update"] = "bot_update"
    bot_id: str
    status: str
    data: Bot
    offset: int | UnsetType = UNSET


class ExecutedTrade(Wire, frozen=True, kw_only=True):
    """A trade as the socket shows it (AMKT-C23)."""

    id: str
    bot_id: str
    symbol: str
    side: str
    profit: Number


class TradeExecuted(Wire, frozen=True, kw_only=True):
    """Socket `trade_executed`."""

    type: Literal["trade_executed"] = "trade_executed"
    trade: ExecutedTrade
    offset: int | UnsetType = UNSET


class Alert(Wire, frozen=True, kw_only=True):
    """Socket `alert`; `bot_id` is additive."""

    type: Literal["alert"] = "alert"
    level: str
    message: str
    bot_id: str | UnsetType = UNSET
    offset: int | UnsetType = UNSET
