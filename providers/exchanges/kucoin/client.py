"""KuCoin over HTTP and its ticker stream. Implements `actors.exchanges.Exchange`."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final
from urllib.parse import quote, urlencode

import msgspec

from actors.exchanges import (
    ExchangeRefused,
    Keys,
    Order,
    OrderState,
    OrderStatus,
    SymbolRules,
    Tick,
)
from providers.exchanges import checked
from providers.exchanges.client import ExchangeClient
from providers.exchanges.feed import StreamLost, Tell, asked_for, streamed
from providers.exchanges.http import Answer, Read, converted, decoded
from providers.exchanges.kucoin import codec, wire
from providers.exchanges.numbers import read_units
from providers.exchanges.sockets import Socket, open_socket

PLATFORM: Final = "kucoin"


class KuCoin(ExchangeClient):
    """Safe to share between tasks."""

    platform = PLATFORM

    async def balances(self, keys: Keys) -> dict[str, int]:
        """See `Exchange.balances`: the trade account's."""
        target = f"{wire.ACCOUNTS_PATH}?{urlencode({'type': 'trade'})}"
        return converted(codec.balances, await self._get(target, codec.ACCOUNTS, keys))

    async def place(self, keys: Keys, order: Order) -> OrderState:
        """See `Exchange.place`. Asked for first: a client order id may serve again here."""
        known = await self.order(keys, order.symbol, order.client_order_id)
        if known is not None:
            return known
        answer = await self._change(keys, "POST", wire.ORDERS_PATH, codec.new_order(order))
        placed = _data(answer, codec.PLACED, changes=True)
        return await checked.state_after(
            order,
            placed.order_id,
            lambda: self.order(keys, order.symbol, order.client_order_id),
        )

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        """See `Exchange.order`."""
        target = wire.CLIENT_ORDER_PATH + quote(client_order_id, safe="")
        headers = codec.headers(keys, self._now_ms(), "GET", target)
        answer = await self._http.read("GET", target, headers=headers)
        if codec.is_unknown_order(answer):
            return None
        return converted(
            lambda read: codec.state(read, symbol, client_order_id), _data(answer, codec.ORDER)
        )

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        """See `Exchange.cancel`."""
        target = wire.CLIENT_ORDER_PATH + quote(client_order_id, safe="")
        answer = await self._change(keys, "DELETE", target, b"")
        state = await self.order(keys, symbol, client_order_id)
        if state is None:
            raise ExchangeRefused("unknown order")
        # Refused where it has ended already: its state says how.
        if codec.failure(answer).code != wire.OK and state.status is OrderStatus.OPEN:
            raise codec.refusal(answer, changes=True)
        return state

    async def price(self, symbol: str) -> Tick:
        """See `Exchange.price`."""
        target = f"{wire.LEVEL1_PATH}?{urlencode({'symbol': codec.name_of(symbol)})}"
        read = await self._get(target, codec.LEVEL1)
        return asked_for(PLATFORM, symbol, converted(read_units, read.price), self._clock)

    def ticks(self, symbol: str) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
        """See `Exchange.ticks`: the middle of the best bid and the best ask."""
        session, ask = partial(self._stream, symbol), partial(self.price, symbol)
        return streamed(PLATFORM, symbol, self._clock, self._settings, session, ask)

    async def _stream(self, symbol: str, tell: Tell) -> None:
        """Until the connection ends. KuCoin says anew each time where to connect, and with
        which token."""
        answer = await self._http.read("POST", wire.BULLET_PATH)
        bullet = _data(answer, codec.BULLET)
        url = converted(lambda read: codec.stream_url(read, _new_id()), bullet)
        async with open_socket(
            url,
            quiet_seconds=self._settings.quiet_seconds,
            ping=codec.ping(_new_id()),
            ping_seconds=bullet.instance_servers[0].ping_interval / 1000,
        ) as socket:
            if (await _frame(socket)).type != "welcome":
                raise StreamLost("no welcome")
            await socket.send(codec.subscribe(symbol, _new_id()))
            newest = 0
            while True:
                frame = await _frame(socket)
                if frame.type != "message":
                    continue
                sequence, price = codec.ticker(frame)
                if sequence > newest:
                    newest = sequence
                    tell(price)

    async def _rights(self, keys: Keys) -> checked.Rights:
        told = (await self._get(wire.RIGHTS_PATH, codec.RIGHTS, keys)).permission.lower()
        return checked.Rights("spot" in told or "trade" in told, "withdraw" in told)

    async def _fetch_rules(self, symbol: str) -> SymbolRules:
        """Fees are those of the first level."""
        read = await self._get(wire.RULES_PATH + codec.name_of(symbol), codec.SYMBOL)
        return converted(lambda found: codec.rules(symbol, found), read)

    async def _get(
        self,
        target: str,
        decoder: msgspec.json.Decoder[wire.Envelope[Read]],
        keys: Keys | None = None,
    ) -> Read:
        """Signed where there are keys."""
        headers = None
        if keys is not None:
            headers = codec.headers(keys, self._now_ms(), "GET", target)
        return _data(await self._http.read("GET", target, headers=headers), decoder)

    async def _change(self, keys: Keys, method: str, target: str, body: bytes) -> Answer:
        headers = codec.headers(keys, self._now_ms(), method, target, body)
        return await self._http.change(method, target, headers=headers, body=body)


def _data(
    answer: Answer, decoder: msgspec.json.Decoder[wire.Envelope[Read]], *, changes: bool = False
) -> Read:
    """What the envelope holds; raises why there is nothing in it."""
    if codec.failure(answer).code != wire.OK:
        raise codec.refusal(answer, changes=changes)
    data = decoded(answer.body, decoder, changes=changes).data
    if data is None:  # how KuCoin says that there is no such symbol
        raise ExchangeRefused("nothing found")
    return data


async def _frame(socket: Socket) -> wire.Frame:
    frame = codec.FRAME.decode(await socket.receive())
    if frame.type == "error":
        raise StreamLost("refused")
    return frame


def _new_id() -> str:
    return secrets.token_hex(8)
