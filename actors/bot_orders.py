"""A bot's orders: from the engine's wish to the journal that books what it did.

Belongs to one `BotActor` and lives as long. An order that leaves this process is journaled, with
its money set aside, before it is sent; until its outcome is known, nothing else is decided.
"""

from typing import Any, Final

import structlog
import trio
from msgspec.structs import replace

from actors.bot_money import ORDERED, TRADED, hold_for, trade_postings
from actors.bot_parts import Uncertain
from actors.bot_state import RETRY_US, BotState
from actors.bot_store import BotRow, BotSaved, OpenOrder, OrderEnded, OrderSent, TradeMade
from actors.brokers import (
    NEVER_ARRIVED,
    Broker,
    Filled,
    LiveBroker,
    PaperBroker,
    Pending,
    Verdict,
    Void,
)
from actors.clock import US
from actors.exchanges import Keys
from domain.events import BotUpdated, Fact, TradeExecuted
from domain.ledger import Effects, Intent, Recorded
from domain.trading.book import Book, settle
from domain.trading.engine import Engine, Wanted
from domain.trading.fills import MARGIN_PPM, Fill
from domain.trading.market import WHOLE, Move
from domain.trading.records import AlertLevel, BotStatus, Trade, TradingMode

log = structlog.get_logger(__name__)

NO_KEYS: Final = "it has no valid API keys"
UNSETTLED: Final = "the outcome of an order is not known yet"
UNSETTLED_AFTER_S: Final = 60.0  # then its owner is told
UNSEEN: Final = "unseen"  # how an order ended that its exchange had never seen
_LOST: Final = "lost an order on its way to the exchange; it is looked for until tomorrow"
_TWO_BOOKS: Final = (
    "did not book an order that the exchange filled after all: compare what it holds there"
)
# How often an open order is asked for: quickly at first, then by its age.
_SOONEST_S: Final = 0.25
_LATEST_S: Final = 10.0
_AGE_SHARE: Final = 20
_UNITS: Final = 10**8


class BotOrders:
    """`order` is the one that was sent, perhaps, and is not booked."""

    def __init__(self, state: BotState, order: OpenOrder | None) -> None:
        self._state = state
        self.broker: Broker | None = None
        self._keys: Keys | None = None
        self._refused: Keys | None = None  # by the exchange: not tried again
        self._told = ""  # why the last order came to nothing, as the owner was told
        self._look_at = 0.0  # by Trio's clock
        self.order = order
        if order is not None:
            state.parts.board.ordering.add(state.row.id)

    def forget_keys(self) -> None:
        """They may have changed: look again."""
        self.broker, self._refused, self._state.retry_us = None, None, 0

    async def make_broker(self, engine: Engine) -> Broker | None:
        """Who fills this bot's orders; None while a live one has no keys, which is told once."""
        if self.broker is not None:
            return self.broker
        state = self._state
        row, parts, rules = state.row, state.parts, engine.rules
        if row.trading_mode is TradingMode.PAPER:
            self.broker = PaperBroker(rules, parts.clock)
            return self.broker
        now_us = parts.clock.now_us()
        if now_us < state.retry_us:
            return None
        keys = await parts.keys.keys(row.user_id, row.platform)
        if keys is None or keys == self._refused:
            state.retry_us = now_us + RETRY_US
            await state.idle(NO_KEYS, AlertLevel.WARNING)
            return None
        exchange, self._keys = parts.exchanges[row.platform], keys
        self.broker = LiveBroker(exchange, keys, row.symbol, rules, parts.clock)
        if row.note == NO_KEYS:
            await state.change(row.status)
        return self.broker

    async def trade(self, engine: Engine, broker: Broker, wanted: Wanted, price: int) -> None:
        """One order, from the wish to its first verdict."""
        state = self._state
        order = OpenOrder(
            client_order_id=state.row.id + state.parts.new_id(8),
            bot_id=state.row.id,
            side=wanted.move.value,
            amount=wanted.amount,
            reason=wanted.reason,
            hold_id=0,
            hold_amount=_set_aside(engine, wanted, price),
            sent_us=state.parts.clock.now_us(),
        )
        if broker.is_outside:
            announced = await self._announce(order)
            if announced is None:
                return
            order = announced
        await self._conclude(engine, order, await broker.place(order, price))

    async def look_after(self, *, cancel: bool) -> None:
        """Ask what became of the open order, not with every tick; its owner is told when that
        takes long."""
        state, order, now = self._state, self.order, trio.current_time()
        if order is None or (now < self._look_at and not cancel):
            return
        age_s = max(state.parts.clock.now_us() - order.sent_us, 0) / US
        self._look_at = now + min(max(age_s / _AGE_SHARE, _SOONEST_S), _LATEST_S)
        engine = await state.make_engine()
        broker = await self.make_broker(engine) if engine is not None else None
        if engine is not None and broker is not None:
            await self._conclude(engine, order, await broker.look(order, cancel=cancel))
        if self.order is None:
            if state.row.note == UNSETTLED:
                await state.change(state.row.status)
        elif age_s >= UNSETTLED_AFTER_S:
            await state.idle(UNSETTLED, AlertLevel.WARNING)

    async def look_for(self, order: OpenOrder) -> None:
        """One given up as never seen: when it came after all, it is ended and booked."""
        state = self._state
        engine = await state.make_engine()
        broker = await self.make_broker(engine) if engine is not None else None
        if engine is None or broker is None or self.order is not None:
            return
        match await broker.look(order, cancel=True):
            case Filled(fill):
                log.warning("late order", bot=state.row.id, order=order.client_order_id)
                await self._book_late(engine, order, fill)
            case Void(reason) if reason != NEVER_ARRIVED:
                await self._end_late(order, "void", ())
            case _:
                pass

    async def _book_late(self, engine: Engine, order: OpenOrder, fill: Fill) -> None:
        """As any fill, but for the hold, which is long gone; what the bot can no longer pay for
        or no longer has is left to its owner."""
        short = fill.cost + fill.fee > engine.book.cash
        if fill.move is Move.SELL:
            short = fill.amount + fill.fee_base > engine.book.position
        if short:
            alert = self._state.alert(AlertLevel.ERROR, _TWO_BOOKS)
            await self._end_late(order, "disputed", (alert,))
        else:
            await self._book(engine, order, fill)

    async def _end_late(self, order: OpenOrder, result: str, facts: tuple[Fact, ...]) -> None:
        ended = OrderEnded(order.client_order_id, result)
        intent = Intent(
            kind=ORDERED,
            initiator=self._state.row.user_id,
            ref=order.client_order_id,
            description=f"late order {result}",
            effects=lambda _: Effects(events=self._state.events(facts), changes=(ended,)),
        )
        await self._state.record(intent)  # not now: it is found again at the next look

    async def _announce(self, order: OpenOrder) -> OpenOrder | None:
        """Journal the intent and set its money aside; None when it is not to be sent."""
        state = self._state
        sent: list[OpenOrder] = []

        def effects(recorded: Recorded) -> Effects:
            sent.append(replace(order, hold_id=recorded.journal_id))
            return Effects(changes=(OrderSent(sent[-1]),))

        intent = Intent(
            kind=ORDERED,
            place=hold_for(state.row, order),
            initiator=state.row.user_id,
            ref=order.client_order_id,
            description=f"{order.side} {state.row.symbol}",
            effects=effects,
        )
        if await state.record(intent) is None:
            return None
        self.order = sent[-1]
        state.parts.board.ordering.add(state.row.id)
        return self.order

    async def _conclude(self, engine: Engine, order: OpenOrder, verdict: Verdict) -> None:
        match verdict:
            case Filled(fill):
                await self._book(engine, order, fill)
            case Void(reason, bad_keys):
                await self._void(order, reason, bad_keys)
            case Pending():
                pass

    async def _book(self, engine: Engine, order: OpenOrder, fill: Fill) -> None:
        """Into the ledger with it, then into memory and out to the owner."""
        state, row = self._state, self._state.row
        try:
            book, profit = settle(engine.book, fill)
        except ValueError as error:
            raise Uncertain(f"fill of {order.client_order_id}: {error}") from error
        after = state.next(row.status, row.note, book, engine.after(book, fill.price))

        def effects(recorded: Recorded) -> Effects:
            trade = _trade_of(row, fill, profit, recorded.journal_id)
            changes: list[Any] = [BotSaved(after), TradeMade(recorded.journal_id, trade)]
            if order.hold_id:
                changes.append(OrderEnded(order.client_order_id, "filled"))
            facts = (TradeExecuted(trade=trade), BotUpdated(bot=after.shown(book)))
            return Effects(events=state.events(facts), changes=tuple(changes))

        intent = Intent(
            kind=TRADED,
            postings=trade_postings(row, fill),
            close=hold_for(row, order) if order is self.order else None,
            initiator=row.user_id,
            ref=order.client_order_id if order.hold_id else row.id,
            description=f"{fill.move.value} {row.symbol}: {fill.reason}",
            effects=effects,
        )
        if await state.record(intent) is None:
            if order.hold_id:  # what an exchange has done must be booked: read anew, ask again
                raise Uncertain(f"{order.client_order_id} is not booked")
            return
        state.adopt(after, book)
        engine.adopt(book, fill.price)
        self._is_over(order)
        self._told = ""
        await self._stop_when_gone(engine, book)

    async def _stop_when_gone(self, engine: Engine, book: Book) -> None:
        """AMKT-C16: stopped when its capital is gone, that is, less than a hundredth is left."""
        if not engine.held and book.capital * 100 < self._state.row.initial_capital:
            text = "stopped: its capital is gone"
            await self._state.change(BotStatus.STOPPED, note=text, level=AlertLevel.ERROR)

    async def _void(self, order: OpenOrder, reason: str, bad_keys: bool) -> None:
        """Nothing came of an order: what was set aside is free again."""
        state = self._state
        if not order.hold_id:
            return
        is_lost = reason == NEVER_ARRIVED
        ended = OrderEnded(order.client_order_id, UNSEEN if is_lost else "void")
        facts: tuple[Fact, ...] = ()
        if is_lost:
            facts = (state.alert(AlertLevel.WARNING, _LOST),)
        elif reason != self._told and not bad_keys:
            facts = (state.alert(AlertLevel.WARNING, f"could not trade: {reason}"),)
        intent = Intent(
            kind=ORDERED,
            close=hold_for(state.row, order),
            initiator=state.row.user_id,
            ref=order.client_order_id,
            description=reason,
            effects=lambda _: Effects(events=state.events(facts), changes=(ended,)),
        )
        if await state.record(intent) is None:
            raise Uncertain(f"{order.client_order_id} is not void")
        self._is_over(order)
        self._told = reason
        # An exchange that refused or was away is not asked again with every tick.
        state.retry_us = state.parts.clock.now_us() + RETRY_US
        if bad_keys:
            self.broker, self._refused = None, self._keys
            await state.idle(NO_KEYS, AlertLevel.WARNING)

    def _is_over(self, order: OpenOrder) -> None:
        if order is not self.order:  # a paper order, or a late one
            return
        self.order = None
        self._state.parts.board.ordering.discard(self._state.row.id)


def _set_aside(engine: Engine, wanted: Wanted, price: int) -> int:
    """Units held for a live order: a purchase may cost a margin more than at the last price."""
    if wanted.move is Move.SELL:
        return wanted.amount
    cost = wanted.amount * price // _UNITS
    return min(cost * (WHOLE + MARGIN_PPM) // WHOLE, engine.book.cash)


def _trade_of(row: BotRow, fill: Fill, profit: int, number: int) -> Trade:
    return Trade(
        id=f"{number:024x}",
        bot_id=row.id,
        user_id=row.user_id,
        platform=row.platform,
        symbol=row.symbol,
        currency=row.currency,
        side=fill.move.value,
        amount=fill.amount,
        price=fill.price,
        cost=fill.cost,
        fee=fill.fee,
        profit=profit,
        reason=fill.reason,
        at_us=fill.at_us,
    )
