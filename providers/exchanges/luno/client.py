"""Luno over HTTP and its order-book stream. Implements `actors.exchanges.Exchange`."""

from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager
from typing import Final
from urllib.parse import urlencode

import msgspec

from actors.exchanges import (
    ExchangeRefused,
    ExchangeUnavailable,
    Keys,
    Order,
    OrderState,
    OrderStatus,
    Side,
    SymbolRules,
    Tick,
)
from providers.exchanges import checked
from providers.exchanges.client import ExchangeClient
from providers.exchanges.feed import StreamLost, Tell, asked, asked_for, streamed
from providers.exchanges.http import Read, converted, decoded
from providers.exchanges.luno import codec, wire
from providers.exchanges.numbers import read_units
from providers.exchanges.sockets import open_socket

PLATFORM: Final = "luno"


class Luno(ExchangeClient):
    """Safe to share between tasks."""

    platform = PLATFORM

    async def balances(self, keys: Keys) -> dict[str, int]:
        """See `Exchange.balances`."""
        read = await self._get(wire.BALANCE_PATH, codec.BALANCES, keys)
        return converted(codec.balances, read)

    async def place(self, keys: Keys, order: Order) -> OrderState:
        """See `Exchange.place`. A market buy spends what `amount` costs at the ask it is sent
        at, so that `filled` may differ from `amount`."""
        if order.price is not None:
            path, fields = wire.LIMIT_ORDER_PATH, codec.limit_fields(order, order.price)
        else:
            ask = await self._ask(order.symbol) if order.side is Side.BUY else 0
            path, fields = wire.MARKET_ORDER_PATH, codec.market_fields(order, ask)
        headers, body = codec.form(keys, **fields)
        answer = await self._http.change("POST", path, headers=headers, body=body)
        exchange_id = ""
        if answer.status == 200:
            exchange_id = decoded(answer.body, codec.PLACED, changes=True).order_id
        elif answer.status != 409:  # it has this client order id: what we asked for is done
            raise codec.refusal(answer)
        return await checked.state_after(
            order, exchange_id, lambda: self.order(keys, order.symbol, order.client_order_id)
        )

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        """See `Exchange.order`."""
        target = f"{wire.ORDER_PATH}?{urlencode({'client_order_id': client_order_id})}"
        answer = await self._http.read("GET", target, headers=codec.authorization(keys))
        if codec.is_unknown_order(answer):
            return None
        if answer.status != 200:
            raise codec.refusal(answer)
        return converted(lambda read: codec.state(read, symbol), decoded(answer.body, codec.ORDER))

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        """See `Exchange.cancel`."""
        before = await self.order(keys, symbol, client_order_id)
        if before is None:
            raise ExchangeRefused("unknown order")
        if before.status is not OrderStatus.OPEN:
            return before
        headers, body = codec.form(keys, order_id=before.exchange_order_id)
        answer = await self._http.change("POST", wire.STOP_ORDER_PATH, headers=headers, body=body)
        after = await self.order(keys, symbol, client_order_id)
        # Refused because it has just ended: its state says how.
        if answer.status != 200 and (after is None or after.status is OrderStatus.OPEN):
            raise codec.refusal(answer)
        return after or before

    async def price(self, symbol: str) -> Tick:
        """See `Exchange.price`."""
        ticker = await self._ticker(symbol)
        return asked_for(PLATFORM, symbol, converted(read_units, ticker.last_trade), self._clock)

    def ticks(self, symbol: str) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
        """See `Exchange.ticks`. Streamed where the operator has keys for it, else polled."""
        keys, clock = self._settings.stream_keys, self._clock

        def ask() -> Awaitable[Tick]:
            return self.price(symbol)

        if not self._settings.stream_url or keys is None:
            return asked(PLATFORM, symbol, clock, self._settings, ask)

        async def session(tell: Tell) -> None:
            await self._stream(symbol, keys, tell)

        return streamed(PLATFORM, symbol, clock, self._settings, session, ask)

    async def _stream(self, symbol: str, keys: Keys, tell: Tell) -> None:
        url = self._settings.stream_url + wire.STREAM_PATH + codec.pair_of(symbol)
        first = wire.StreamKeys(api_key_id=keys.api_key, api_key_secret=keys.api_secret)
        async with open_socket(url, quiet_seconds=self._settings.quiet_seconds) as socket:
            await socket.send(msgspec.json.encode(first).decode())
            book = codec.Book(codec.SNAPSHOT.decode(await socket.receive()))
            last = book.middle()
            tell(last)
            while True:
                text = await socket.receive()
                if text in {"", '""'}:  # how Luno keeps a quiet connection
                    continue
                if not book.apply(codec.UPDATE.decode(text)):
                    raise StreamLost("sequence gap")
                if book.middle() not in {0, last}:
                    last = book.middle()
                    tell(last)

    async def _rights(self, keys: Keys) -> checked.Rights:
        """Luno does not tell what a key may do."""
        await self.balances(keys)
        return checked.Rights()

    async def _fetch_rules(self, symbol: str) -> SymbolRules:
        """Fees are those of a new customer: Luno tells others by key."""
        target = f"{wire.MARKETS_PATH}?{urlencode({'pair': codec.pair_of(symbol)})}"
        read = await self._get(target, codec.MARKETS)
        for market in read.markets:
            if market.market_id == codec.pair_of(symbol):
                return converted(lambda found: codec.rules(symbol, found), market)
        raise ExchangeRefused(f"unknown symbol {symbol}")

    async def _ticker(self, symbol: str) -> wire.Ticker:
        target = f"{wire.TICKER_PATH}?{urlencode({'pair': codec.pair_of(symbol)})}"
        return await self._get(target, codec.TICKER)

    async def _ask(self, symbol: str) -> int:
        ask = converted(read_units, (await self._ticker(symbol)).ask)
        if ask <= 0:
            raise ExchangeUnavailable("nobody sells")
        return ask

    async def _get(
        self, target: str, decoder: msgspec.json.Decoder[Read], keys: Keys | None = None
    ) -> Read:
        headers = codec.authorization(keys) if keys is not None else None
        answer = await self._http.read("GET", target, headers=headers)
        if answer.status != 200:
            raise codec.refusal(answer)
        return decoded(answer.body, decoder)
