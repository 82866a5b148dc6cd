"""Trading bots, their trades and orders, their users' modes and kill switches."""

from collections.abc import Sequence
from typing import Any, Final

from psycopg.types.numeric import Int8

from actors.bot_store import (
    BotCreated,
    BotDeleted,
    BotRow,
    BotSaved,
    OpenOrder,
    OrderEnded,
    OrderSent,
    TradeMade,
)
from domain.trading.records import BotStatus, RiskMode, SystemMode, Trade, TradingMode
from storage.arrays import Column, int8s, texts
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write, register_writes

_FIELDS: Final = """
id, user_id, name, platform, symbol, base, currency, trading_mode, risk_mode, strategy,
initial_capital::text, status, note, saved, created_us, revision
"""
_LIVING: Final = f"SELECT {_FIELDS} FROM bots WHERE deleted_us = 0 ORDER BY created_us, id"  # noqa: S608
_LOAD: Final = f"SELECT {_FIELDS} FROM bots WHERE id = %s AND deleted_us = 0"  # noqa: S608
_OPEN: Final = """
SELECT client_order_id, bot_id, side, amount::text, reason, hold_id, hold_amount::text, sent_us
FROM bot_orders WHERE bot_id = %s AND result = ''
"""
_TRADES: Final = """
SELECT number, bot_id, user_id, platform, symbol, currency, side, amount::text, price::text,
       cost::text, fee::text, profit::text, reason, at_us
FROM bot_trades WHERE user_id = %(user_id)s {of_bot} ORDER BY number DESC
LIMIT %(limit)s OFFSET %(offset)s
"""
_COUNT: Final = "SELECT count(*) FROM bot_trades WHERE user_id = %(user_id)s {of_bot}"
_OF_BOT: Final = "AND bot_id = %(bot_id)s"
_USERS: Final = "SELECT user_id, mode, killed FROM bot_users"
_SET_MODE: Final = """
INSERT INTO bot_users (user_id, mode) VALUES (%s, %s)
ON CONFLICT (user_id) DO UPDATE SET mode = EXCLUDED.mode
"""
_SET_KILLED: Final = """
INSERT INTO bot_users (user_id, killed) VALUES (%s, %s)
ON CONFLICT (user_id) DO UPDATE SET killed = EXCLUDED.killed
"""
_CREATE: Final = """
INSERT INTO bots (id, user_id, name, platform, symbol, base, currency, trading_mode, risk_mode,
                  strategy, initial_capital, status, note, saved, created_us)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::numeric, %s, %s, %s, %s)
"""
_SAVE: Final = """
UPDATE bots b SET status = n.status, note = n.note, saved = n.saved, revision = n.revision
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::bigint[])
    AS n (id, status, note, saved, revision)
WHERE b.id = n.id AND b.revision = n.revision - 1 AND b.deleted_us = 0
"""
_DELETE: Final = """
UPDATE bots SET deleted_us = %s, status = 'stopped'
WHERE id = %s AND revision = %s AND deleted_us = 0
"""
_TRADE: Final = """
INSERT INTO bot_trades (number, bot_id, user_id, platform, symbol, currency, side, amount, price,
                        cost, fee, profit, reason, at_us)
SELECT number, bot_id, user_id, platform, symbol, currency, side, amount::numeric, price::numeric,
       cost::numeric, fee::numeric, profit::numeric, reason, at_us
FROM unnest($1::bigint[], $2::text[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::text[],
            $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[],
            $14::bigint[])
    AS n (number, bot_id, user_id, platform, symbol, currency, side, amount, price, cost, fee,
          profit, reason, at_us)
"""
_TRADE_COLUMNS: Final[tuple[Column, ...]] = (int8s, texts, int8s, *[texts] * 10, int8s)
_SENT: Final = """
INSERT INTO bot_orders (client_order_id, bot_id, side, amount, reason, hold_id, hold_amount,
                        sent_us)
VALUES (%s, %s, %s, %s::numeric, %s, %s, %s::numeric, %s)
"""
_ENDED: Final = """
UPDATE bot_orders SET result = %s WHERE client_order_id = %s AND result IN ('', 'unseen')
"""
_UNSEEN: Final = """
SELECT o.client_order_id, o.bot_id, o.side, o.amount::text, o.reason, o.hold_id,
       o.hold_amount::text, o.sent_us
FROM bot_orders o JOIN bots b ON b.id = o.bot_id AND b.deleted_us = 0
WHERE o.result = 'unseen' AND o.sent_us > %s ORDER BY o.sent_us LIMIT 100
"""


class PostgresBots:
    """Implements actors.bot_store.BotStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def living(self) -> Sequence[BotRow]:
        with store_errors():
            return [_bot(row) for row in await self._pool.fetch(_LIVING)]

    async def load(self, bot_id: str) -> tuple[BotRow, OpenOrder | None] | None:
        with store_errors():
            row = await self._pool.fetch_one(_LOAD, [bot_id])
            order = await self._pool.fetch_one(_OPEN, [bot_id])
        return None if row is None else (_bot(row), None if order is None else _order(order))

    async def trades(
        self, user_id: int, bot_id: str | None, limit: int, offset: int
    ) -> tuple[Sequence[Trade], int]:
        of_bot = "" if bot_id is None else _OF_BOT
        params = {"user_id": Int8(user_id), "bot_id": bot_id}
        page = {**params, "limit": Int8(limit), "offset": Int8(offset)}
        with store_errors():
            rows = await self._pool.fetch(_TRADES.format(of_bot=of_bot), page)
            total = await self._pool.fetch_one(_COUNT.format(of_bot=of_bot), params)
        assert total is not None, "count answers one row"
        return [_trade(row) for row in rows], total[0]

    async def unseen(self, since_us: int) -> Sequence[OpenOrder]:
        with store_errors():
            return [_order(row) for row in await self._pool.fetch(_UNSEEN, [Int8(since_us)])]

    async def users(self) -> Sequence[tuple[int, SystemMode, bool]]:
        with store_errors():
            rows = await self._pool.fetch(_USERS)
        return [(user_id, SystemMode(mode), killed) for user_id, mode, killed in rows]

    async def set_mode(self, user_id: int, mode: SystemMode) -> None:
        with store_errors():
            await self._pool.execute(_SET_MODE, [Int8(user_id), mode.value])

    async def set_killed(self, user_id: int, killed: bool) -> None:
        with store_errors():
            await self._pool.execute(_SET_KILLED, [Int8(user_id), killed])


def trade_id(number: int) -> str:
    """The id of the trade that journal `number` booked: 24 hex digits."""
    return f"{number:024x}"


def _bot(row: Row) -> BotRow:
    id_, user_id, name, platform, symbol, base, currency, mode, risk, strategy, *rest = row
    capital, status, note, saved, created_us, revision = rest
    return BotRow(
        id=id_,
        user_id=user_id,
        name=name,
        platform=platform,
        symbol=symbol,
        base=base,
        currency=currency,
        trading_mode=TradingMode(mode),
        risk_mode=RiskMode(risk),
        strategy=strategy,
        initial_capital=int(capital),
        status=BotStatus(status),
        note=note,
        saved=saved.encode(),
        created_us=created_us,
        revision=revision,
    )


def _order(row: Row) -> OpenOrder:
    client_order_id, bot_id, side, amount, reason, hold_id, hold_amount, sent_us = row
    return OpenOrder(
        client_order_id=client_order_id,
        bot_id=bot_id,
        side=side,
        amount=int(amount),
        reason=reason,
        hold_id=hold_id,
        hold_amount=int(hold_amount),
        sent_us=sent_us,
    )


def _trade(row: Row) -> Trade:
    number, bot_id, user_id, platform, symbol, currency, side, *rest = row
    amount, price, cost, fee, profit, reason, at_us = rest
    return Trade(
        id=trade_id(number),
        bot_id=bot_id,
        user_id=user_id,
        platform=platform,
        symbol=symbol,
        currency=currency,
        side=side,
        amount=int(amount),
        price=int(price),
        cost=int(cost),
        fee=int(fee),
        profit=int(profit),
        reason=reason,
        at_us=at_us,
    )


def _created(change: BotCreated) -> Sequence[Any]:
    row = change.row
    return [
        *(row.id, Int8(row.user_id), row.name, row.platform, row.symbol, row.base, row.currency),
        *(row.trading_mode.value, row.risk_mode.value, row.strategy, str(row.initial_capital)),
        *(row.status.value, row.note, row.saved.decode(), Int8(row.created_us)),
    ]


def _saved(change: BotSaved) -> Sequence[Any]:
    row = change.row
    return [row.id, row.status.value, row.note, row.saved.decode(), row.revision]


def _made(change: TradeMade) -> Sequence[Any]:
    trade = change.trade
    return [
        *(change.number, trade.bot_id, trade.user_id, trade.platform, trade.symbol),
        *(trade.currency, trade.side, str(trade.amount), str(trade.price), str(trade.cost)),
        *(str(trade.fee), str(trade.profit), trade.reason, trade.at_us),
    ]


def _sent(change: OrderSent) -> Sequence[Any]:
    order = change.order
    return [
        *(order.client_order_id, order.bot_id, order.side, str(order.amount), order.reason),
        *(Int8(order.hold_id), str(order.hold_amount), Int8(order.sent_us)),
    ]


register_write(BotCreated, _CREATE, _created)
register_writes(BotSaved, _SAVE, (texts, texts, texts, texts, int8s), _saved)
register_writes(TradeMade, _TRADE, _TRADE_COLUMNS, _made)
register_write(
    BotDeleted,
    _DELETE,
    lambda change: [Int8(change.deleted_us), change.row.id, Int8(change.row.revision)],
)
register_write(OrderSent, _SENT, _sent)
register_write(OrderEnded, _ENDED, lambda change: [change.result, change.client_order_id])
