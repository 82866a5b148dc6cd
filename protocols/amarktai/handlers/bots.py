"""Bots, their trades and totals (document 004, "Bot Management", "Trading Endpoints")."""

from typing import Final, TypeVar

from actors.bots import Denied, Once, Opened
from actors.bots import Reason as Why
from domain.money import ASSETS
from domain.trading.records import DEFAULT_SYMBOLS, BotSpec, BotStatus, RiskMode, TradingMode
from protocols.amarktai.calls import respond, save
from protocols.amarktai.checks import platform_in, positive, text_in, whole_in
from protocols.amarktai.codec import number
from protocols.amarktai.errors import Problem, Refused, invalid, not_found, refused
from protocols.amarktai.render import bot_row, totals, trade_row
from protocols.amarktai.service import Amarktai
from protocols.amarktai.wire import bots as wire
from protocols.http import Response
from protocols.keyed import Call

_LONGEST_NAME: Final = 100
_LONGEST_STRATEGY: Final = 50
_TRADES: Final = 100  # by default (AMKT-135)
_TRADES_MOST: Final = 500
_OFFSET_MOST: Final = 10**9
T = TypeVar("T")


class Bots:
    """The endpoints below /api/bots, /api/trades and /api/metrics."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._bots = amarktai.bots
        self._mirror = amarktai.mirror

    async def create(self, call: Call, body: wire.NewBot) -> Response:
        """Take its capital and start it; it says active by an event (AMKT-C16)."""
        once: Once | None = None
        if call.ticket is not None:
            once = Once(call.ticket, lambda made: save(_created(made)))
        spec = _spec(body)
        if spec.trading_mode is TradingMode.LIVE:
            await self._mirror.freshen(call.user_id, (spec.platform,))
        made = granted(await self._bots.create(call.user_id, spec, once))
        call.journaled = True
        return _created(made)

    async def list(self, call: Call) -> wire.Bots:
        """The caller's, in order of creation."""
        platform, status = call.request.query.get("platform"), call.request.query.get("status")
        if platform is not None:
            platform_in(platform, "platform")
        if status is not None and status not in BotStatus._value2member_map_:
            raise invalid("status must be created, active, paused or stopped")
        found = await self._bots.list(
            call.user_id, platform, None if status is None else BotStatus(status)
        )
        return wire.Bots(bots=[bot_row(bot) for bot in found], total=len(found))

    async def delete(self, call: Call) -> wire.BotDeleted:
        """End it and give back what is left (AMKT-C21)."""
        funds = granted(await self._bots.delete(call.user_id, _bot_id(call)))
        return wire.BotDeleted(
            message="Bot deleted successfully",
            balance_after=number(funds.balance),
            sequence=funds.sequence,
        )

    async def pause(self, call: Call) -> wire.BotMoved:
        """No trades until it is resumed."""
        bot_id = _bot_id(call)
        moved = granted(await self._bots.pause(call.user_id, bot_id))
        return wire.BotMoved(bot_id=bot_id, status=moved.status.value)

    async def resume(self, call: Call) -> wire.BotMoved:
        """Trade again."""
        bot_id = _bot_id(call)
        moved = granted(await self._bots.resume(call.user_id, bot_id))
        return wire.BotMoved(bot_id=bot_id, status=moved.status.value)

    async def stop(self, call: Call) -> wire.BotMoved:
        """Additive: open nothing new, manage what is open to its exit."""
        bot_id = _bot_id(call)
        moved = granted(await self._bots.stop(call.user_id, bot_id))
        return wire.BotMoved(bot_id=bot_id, status=moved.status.value)

    async def start(self, call: Call) -> wire.BotMoved:
        """Additive: as resume, and lifts stopped."""
        bot_id = _bot_id(call)
        moved = granted(await self._bots.start(call.user_id, bot_id))
        return wire.BotMoved(bot_id=bot_id, status=moved.status.value)

    async def trades(self, call: Call) -> wire.Trades:
        """Newest first; of somebody else's bot none."""
        request = call.request
        limit = whole_in(request, "limit", _TRADES, 1, _TRADES_MOST)
        offset = whole_in(request, "offset", 0, 0, _OFFSET_MOST)
        bot_id = request.query.get("bot_id")
        found, total = await self._bots.trades(call.user_id, bot_id, limit, offset)
        return wire.Trades(trades=[trade_row(trade) for trade in found], total=total)

    async def metrics(self, call: Call) -> wire.Metrics:
        """The totals (AMKT-C24)."""
        return wire.Metrics(metrics=totals(await self._bots.metrics(call.user_id)))


def _created(made: Opened) -> Response:
    bot = wire.CreatedBot(id=made.bot.id, name=made.bot.name, status=BotStatus.CREATED.value)
    balance, sequence = number(made.funds.balance), made.funds.sequence
    return respond(wire.BotCreated(bot=bot, balance_after=balance, sequence=sequence), 201)


def granted(outcome: T | Denied) -> T:
    """What was asked for; raises what the refusal is called here."""
    if isinstance(outcome, Denied):
        raise of_denied(outcome)
    return outcome


def of_denied(denied: Denied) -> Refused:
    """AMKT-120, AMKT-C16, C20."""
    match denied.reason:
        case Why.NOT_FOUND:
            return not_found("Bot")
        case (
            Why.UNKNOWN_PLATFORM
            | Why.UNKNOWN_SYMBOL
            | Why.UNKNOWN_STRATEGY
            | Why.INVALID_NAME
            | Why.INVALID_CAPITAL
        ):
            return invalid(denied.message)
        case Why.BOT_LIMIT | Why.STOPPED:
            return refused(denied.message)
        case Why.INSUFFICIENT_FUNDS:
            return Refused(Problem.INSUFFICIENT_FUNDS, denied.message)
        case Why.BUSY:
            return Refused(Problem.SERVICE_UNAVAILABLE)
        case Why.UNKNOWN:
            return Refused(Problem.INTERNAL_ERROR, "Outcome unknown; look at the list of bots")


def _bot_id(call: Call) -> str:
    return call.request.params["bot_id"]


def _spec(body: wire.NewBot) -> BotSpec:
    name = text_in(body.name, "name", _LONGEST_NAME)
    platform = platform_in(body.exchange, "exchange").id
    if body.trading_mode not in TradingMode._value2member_map_:
        raise invalid("trading_mode must be paper or live")
    if body.risk_mode not in RiskMode._value2member_map_:
        raise invalid("risk_mode must be conservative, balanced or aggressive")
    base, _, quoted = (body.symbol or DEFAULT_SYMBOLS[platform]).partition("/")
    if base not in ASSETS or quoted not in ASSETS:
        raise invalid("symbol is not supported")
    return BotSpec(
        name=name,
        platform=platform,
        # A bot's money is counted in what its symbol is priced in.
        initial_capital=positive(body.initial_capital, quoted, "initial_capital"),
        trading_mode=TradingMode(body.trading_mode),
        risk_mode=RiskMode(body.risk_mode),
        strategy=text_in(body.strategy, "strategy", _LONGEST_STRATEGY),
        symbol=body.symbol,
    )
