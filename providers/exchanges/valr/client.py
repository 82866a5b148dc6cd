"""VALR over HTTP and its order-book stream. Implements `actors.exchanges.Exchange`."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final
from urllib.parse import quote

import msgspec
import trio

from actors.exchanges import (
    ExchangeRefused,
    ExchangeUnavailable,
    Keys,
    Order,
    OrderState,
    OrderStatus,
    SymbolRules,
    Tick,
)
from providers.exchanges import checked
from providers.exchanges.client import ExchangeClient
from providers.exchanges.feed import Tell, asked_for, streamed
from providers.exchanges.http import Answer, Read, converted, decoded
from providers.exchanges.numbers import read_units
from providers.exchanges.sockets import open_socket
from providers.exchanges.valr import codec, wire

PLATFORM: Final = "valr"
_LOOKS: Final = 3  # at an order that was accepted and may not be decided yet
_LOOK_SECONDS: Final = 0.2


class Valr(ExchangeClient):
    """Safe to share between tasks."""

    platform = PLATFORM

    async def balances(self, keys: Keys) -> dict[str, int]:
        """See `Exchange.balances`."""
        return converted(codec.balances, await self._get(wire.BALANCES_PATH, codec.BALANCES, keys))

    async def place(self, keys: Keys, order: Order) -> OrderState:
        """See `Exchange.place`. An order is accepted first and decided after: one that fails
        for want of money is seen to when it is looked at. Asked for first, because a client
        order id is unique among open orders only."""
        known = await self.order(keys, order.symbol, order.client_order_id)
        if known is None:
            path, body = codec.new_order(order)
            answer = await self._change(keys, "POST", path, body)
            if answer.status not in {200, 201, 202}:
                raise codec.refusal(answer)
            placed = decoded(answer.body, codec.PLACED, changes=True)
            known = await checked.state_after(
                order, placed.id, lambda: self._look(keys, order.symbol, order.client_order_id)
            )
        if known.status is OrderStatus.REJECTED:
            raise ExchangeRefused(known.reason)
        return known

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        """See `Exchange.order`. One that has ended is asked for a second time: only its summary
        tells cost and fee."""
        answer = await self._read(
            keys, wire.STATUS_PATH.format(pair=codec.name_of(symbol), **_named(client_order_id))
        )
        if codec.is_unknown_order(answer):
            return None
        if answer.status != 200:
            raise codec.refusal(answer)
        read = decoded(answer.body, codec.STATUS)
        summary = None
        if codec.status_of(read) in {OrderStatus.FILLED, OrderStatus.CANCELLED}:
            target = wire.HISTORY_PATH.format(**_named(client_order_id))
            answer = await self._read(keys, target)
            if codec.is_unknown_order(answer):
                raise ExchangeUnavailable("not summed up yet")
            if answer.status != 200:
                raise codec.refusal(answer)
            summary = decoded(answer.body, codec.SUMMARY)
        return converted(lambda found: codec.state(found, summary, symbol, client_order_id), read)

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        """See `Exchange.cancel`."""
        before = await self.order(keys, symbol, client_order_id)
        if before is None:
            raise ExchangeRefused("unknown order")
        if before.status is not OrderStatus.OPEN:
            return before
        body = codec.cancel(symbol, client_order_id)
        answer = await self._change(keys, "DELETE", wire.CANCEL_PATH, body)
        after = await self._look(keys, symbol, client_order_id, passing=OrderStatus.OPEN)
        # Refused where it has just ended: its state says how.
        if answer.status >= 400 and (after is None or after.status is OrderStatus.OPEN):
            raise codec.refusal(answer)
        return after or before

    async def price(self, symbol: str) -> Tick:
        """See `Exchange.price`."""
        target = wire.SUMMARY_PATH.format(pair=codec.name_of(symbol))
        read = await self._get(target, codec.MARKET)
        return asked_for(
            PLATFORM, symbol, converted(read_units, read.last_traded_price), self._clock
        )

    def ticks(self, symbol: str) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
        """See `Exchange.ticks`: the middle of the best bid and the best ask."""
        session, ask = partial(self._stream, symbol), partial(self.price, symbol)
        return streamed(PLATFORM, symbol, self._clock, self._settings, session, ask)

    async def _stream(self, symbol: str, tell: Tell) -> None:
        """Until the connection ends. Every frame tells the best levels whole, so one that is
        missed costs nothing."""
        async with open_socket(
            self._settings.stream_url + wire.STREAM_PATH,
            quiet_seconds=self._settings.quiet_seconds,
            ping=wire.PING,
            ping_seconds=wire.PING_SECONDS,
        ) as socket:
            await socket.send(codec.subscribe(symbol))
            newest = -1
            while True:
                frame = codec.FRAME.decode(await socket.receive())
                if frame.type != wire.BOOK_EVENT:
                    continue
                sequence, price = codec.book(frame)
                if sequence > newest:
                    newest = sequence
                    tell(price)

    async def _look(
        self,
        keys: Keys,
        symbol: str,
        client_order_id: str,
        passing: OrderStatus | None = None,
    ) -> OrderState | None:
        """The order, looked at again while it is not there or still in the `passing` state."""
        state = await self.order(keys, symbol, client_order_id)
        for _ in range(_LOOKS - 1):
            if state is not None and state.status is not passing:
                break
            await trio.sleep(_LOOK_SECONDS)
            state = await self.order(keys, symbol, client_order_id)
        return state

    async def _rights(self, keys: Keys) -> checked.Rights:
        told = (await self._get(wire.RIGHTS_PATH, codec.RIGHTS, keys)).permissions
        return checked.Rights("Trade" in told, "Withdraw" in told)

    async def _fetch_rules(self, symbol: str) -> SymbolRules:
        """Fees are those of a new customer."""
        for pair in await self._get(wire.PAIRS_PATH, codec.PAIRS):
            if pair.symbol == codec.name_of(symbol):
                return converted(lambda found: codec.rules(symbol, found), pair)
        raise ExchangeRefused(f"unknown symbol {symbol}")

    async def _get(
        self, target: str, decoder: msgspec.json.Decoder[Read], keys: Keys | None = None
    ) -> Read:
        """Signed where there are keys."""
        if keys is None:
            answer = await self._http.read("GET", target)
        else:
            answer = await self._read(keys, target)
        if answer.status != 200:
            raise codec.refusal(answer)
        return decoded(answer.body, decoder)

    async def _read(self, keys: Keys, target: str) -> Answer:
        headers = codec.headers(keys, self._now_ms(), "GET", target)
        return await self._http.read("GET", target, headers=headers)

    async def _change(self, keys: Keys, verb: str, target: str, body: bytes) -> Answer:
        headers = codec.headers(keys, self._now_ms(), verb, target, body)
        return await self._http.change(verb, target, headers=headers, body=body)


def _named(client_order_id: str) -> dict[str, str]:
    return {"client_order_id": quote(client_order_id, safe="")}
