"""Binance over HTTP and its bookTicker stream. Implements `actors.exchanges.Exchange`."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final
from urllib.parse import urlencode

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
from providers.exchanges.binance import codec, wire
from providers.exchanges.client import ExchangeClient
from providers.exchanges.feed import StreamLost, Tell, asked_for, streamed
from providers.exchanges.http import Read, converted, decoded
from providers.exchanges.numbers import middle, read_units
from providers.exchanges.sockets import open_socket

PLATFORM: Final = "binance"


class Binance(ExchangeClient):
    """Safe to share between tasks."""

    platform = PLATFORM

    async def balances(self, keys: Keys) -> dict[str, int]:
        """See `Exchange.balances`."""
        read = await self._get(wire.ACCOUNT_PATH, codec.ACCOUNT, keys, omitZeroBalances="true")
        return converted(codec.balances, read)

    async def place(self, keys: Keys, order: Order) -> OrderState:
        """See `Exchange.place`. Binance takes a client order id again once its order has ended,
        so it is asked for first."""
        known = await self.order(keys, order.symbol, order.client_order_id)
        if known is not None:
            return known
        body = codec.signed(keys, self._now_ms(), **codec.order_fields(order)).encode()
        kind = {"content-type": "application/x-www-form-urlencoded"}
        answer = await self._http.change(
            "POST", wire.ORDER_PATH, headers=codec.headers(keys) | kind, body=body
        )
        if answer.status != 200:
            raise codec.refusal(answer, changes=True)
        return converted(
            lambda read: codec.state(read, order.symbol, order.client_order_id, read.fills),
            decoded(answer.body, codec.ORDER, changes=True),
            changes=True,
        )

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        """See `Exchange.order`. What was traded is asked for too: only trades tell the fee."""
        fields = {"symbol": codec.name_of(symbol), "origClientOrderId": client_order_id}
        query = codec.signed(keys, self._now_ms(), **fields)
        answer = await self._http.read(
            "GET", f"{wire.ORDER_PATH}?{query}", headers=codec.headers(keys)
        )
        if codec.failure(answer).code == wire.NO_SUCH_ORDER:
            return None
        if answer.status != 200:
            raise codec.refusal(answer)
        read = decoded(answer.body, codec.ORDER)
        fills: list[wire.Fill] = []
        if read.executed_qty:
            fills = await self._get(
                wire.TRADES_PATH,
                codec.FILLS,
                keys,
                symbol=codec.name_of(symbol),
                orderId=str(read.order_id),
            )
        return converted(lambda found: codec.state(found, symbol, client_order_id, fills), read)

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        """See `Exchange.cancel`."""
        fields = {"symbol": codec.name_of(symbol), "origClientOrderId": client_order_id}
        query = codec.signed(keys, self._now_ms(), **fields)
        answer = await self._http.change(
            "DELETE", f"{wire.ORDER_PATH}?{query}", headers=codec.headers(keys)
        )
        # Refused where it has ended already: its state says how.
        unknown = codec.failure(answer).code == wire.UNKNOWN_CANCEL
        if answer.status != 200 and not unknown:
            raise codec.refusal(answer, changes=True)
        state = await self.order(keys, symbol, client_order_id)
        if state is None or (unknown and state.status is OrderStatus.OPEN):
            raise codec.refusal(answer) if unknown else ExchangeRefused("unknown order")
        return state

    async def price(self, symbol: str) -> Tick:
        """See `Exchange.price`."""
        query = urlencode({"symbol": codec.name_of(symbol)})
        read = await self._get(f"{wire.PRICE_PATH}?{query}", codec.PRICE)
        return asked_for(PLATFORM, symbol, converted(read_units, read.price), self._clock)

    def ticks(self, symbol: str) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
        """See `Exchange.ticks`: the middle of the best bid and the best ask."""
        session, ask = partial(self._stream, symbol), partial(self.price, symbol)
        return streamed(PLATFORM, symbol, self._clock, self._settings, session, ask)

    async def _stream(self, symbol: str, tell: Tell) -> None:
        """Until the connection ends; Binance cuts it after a day, and says so when it restarts.
        Every frame tells both prices anew, so one that is missed costs nothing."""
        url = f"{self._settings.stream_url}{wire.STREAM_PATH}?{codec.stream_of(symbol)}"
        newest = 0
        async with open_socket(url, quiet_seconds=self._settings.quiet_seconds) as socket:
            while True:
                frame = codec.FRAME.decode(await socket.receive())
                if frame.e == "serverShutdown":
                    raise StreamLost("server shuts down")
                if frame.data is not None and frame.data.u > newest:
                    newest = frame.data.u
                    tell(middle(read_units(frame.data.b), read_units(frame.data.a)))

    async def _rights(self, keys: Keys) -> checked.Rights:
        account = await self._get(wire.ACCOUNT_PATH, codec.ACCOUNT, keys)
        told = await self._get(wire.RIGHTS_PATH, codec.RIGHTS, keys)
        can_trade = account.can_trade and told.enable_spot_and_margin_trading
        return checked.Rights(can_trade, told.enable_withdrawals)

    async def _fetch_rules(self, symbol: str) -> SymbolRules:
        """Fees are those without any discount."""
        query = urlencode({"symbol": codec.name_of(symbol)})
        info = await self._get(f"{wire.RULES_PATH}?{query}", codec.INFO)
        return converted(lambda read: codec.rules(symbol, read), info)

    async def _get(
        self,
        target: str,
        decoder: msgspec.json.Decoder[Read],
        keys: Keys | None = None,
        **fields: str,
    ) -> Read:
        """Signed where there are keys."""
        headers = None
        if keys is not None:
            target = f"{target}?{codec.signed(keys, self._now_ms(), **fields)}"
            headers = codec.headers(keys)
        answer = await self._http.read("GET", target, headers=headers)
        if answer.status != 200:
            raise codec.refusal(answer)
        return decoded(answer.body, decoder)
