"""OVEX over HTTP. Implements `actors.exchanges.Exchange` on requests for quotes.

An order is a quote that is accepted: whole, at once, or not at all. The quote is remembered
under the client order id before it is accepted, and what became of it is read off the trades.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Final

import msgspec

from actors.clock import Clock
from actors.exchanges import (
    ExchangeRefused,
    ExchangeUnavailable,
    KeptQuote,
    Keys,
    Order,
    OrderState,
    QuoteBook,
    Side,
    SymbolRules,
    Tick,
)
from providers.exchanges import checked
from providers.exchanges.client import ExchangeClient
from providers.exchanges.feed import asked, asked_for
from providers.exchanges.http import Http, Read, converted, decoded
from providers.exchanges.numbers import middle
from providers.exchanges.ovex import codec, wire
from providers.exchanges.settings import Settings

PLATFORM: Final = "ovex"


class Ovex(ExchangeClient):
    """Safe to share between tasks."""

    platform = PLATFORM

    def __init__(self, settings: Settings, http: Http, clock: Clock, quotes: QuoteBook) -> None:
        super().__init__(settings, http, clock)
        self._quotes = quotes

    async def balances(self, keys: Keys) -> dict[str, int]:
        """See `Exchange.balances`."""
        return converted(codec.balances, await self._get(wire.ACCOUNTS_PATH, codec.ACCOUNTS, keys))

    async def place(self, keys: Keys, order: Order) -> OrderState:
        """See `Exchange.place`. A limit order is refused where the quote is beyond its limit:
        nothing waits at OVEX. One whose quote was accepted before is not quoted again; one
        whose quote may still be accepted is accepted by the same token, which counts once."""
        quote = await self._quotes.find(PLATFORM, order.client_order_id)
        if quote is not None:
            trade = await self._trade(keys, quote)
            if trade is not None:
                return converted(partial(codec.state, quote), trade)
        if quote is None or self._clock.now_us() >= quote.expires_us:
            quote = await self._quote(keys, order)
        answer = await self._http.change(
            "POST", codec.accept_target(quote.token), headers=codec.headers(keys)
        )
        if answer.status not in {200, 201}:
            raise codec.refusal(answer)
        trade = decoded(answer.body, codec.TRADE, changes=True)
        return converted(partial(codec.state, quote), trade, changes=True)

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        """See `Exchange.order`. ExchangeUnavailable while a quote without a trade may still be
        accepted: its acceptance can be on its way."""
        quote = await self._quotes.find(PLATFORM, client_order_id)
        if quote is None:
            return None
        trade = await self._trade(keys, quote)
        if trade is not None:
            return converted(partial(codec.state, quote), trade)
        if self._clock.now_us() < quote.expires_us:
            raise ExchangeUnavailable("the quote can still be accepted")
        return None

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        """See `Exchange.cancel`. There is nothing left of a trade to cancel."""
        state = await self.order(keys, symbol, client_order_id)
        if state is None:
            raise ExchangeRefused("unknown order")
        return state

    async def price(self, symbol: str) -> Tick:
        """See `Exchange.price`: the middle of a quote to buy and one to sell, never accepted."""
        asked = [await self._price(symbol, side) for side in Side]
        return asked_for(PLATFORM, symbol, middle(*asked), self._clock)

    def ticks(self, symbol: str) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
        """See `Exchange.ticks`: polled, OVEX has no stream."""
        return asked(PLATFORM, symbol, self._clock, self._settings, lambda: self.price(symbol))

    async def _price(self, symbol: str, side: Side) -> int:
        read = await self._get(codec.quote_target(symbol, side, wire.PROBE), codec.QUOTE)
        return converted(lambda found: codec.price_of(side, found), read)

    async def _quote(self, keys: Keys, order: Order) -> KeptQuote:
        target = codec.quote_target(order.symbol, order.side, order.amount)
        read = await self._get(target, codec.QUOTE, keys)
        now_us = self._clock.now_us()
        quote = converted(lambda found: codec.kept(PLATFORM, order, found, now_us), read)
        if codec.is_worse(order, quote):
            raise ExchangeRefused("the quote is beyond the limit")
        await self._quotes.keep(quote)
        return quote

    async def _trade(self, keys: Keys, quote: KeptQuote) -> wire.Trade | None:
        trades = await self._get(codec.trades_target(), codec.TRADES, keys)
        return converted(lambda found: codec.trade_of(quote, found), trades)

    async def _rights(self, keys: Keys) -> checked.Rights:
        """OVEX does not tell what a key may do."""
        await self.balances(keys)
        return checked.Rights()

    async def _fetch_rules(self, symbol: str) -> SymbolRules:
        for market in await self._get(wire.MARKETS_PATH, codec.MARKETS):
            if market.id == codec.name_of(symbol):
                return converted(lambda found: codec.rules(symbol, found), market)
        raise ExchangeRefused(f"unknown symbol {symbol}")

    async def _get(
        self, target: str, decoder: msgspec.json.Decoder[Read], keys: Keys | None = None
    ) -> Read:
        headers = None if keys is None else codec.headers(keys)
        answer = await self._http.read("GET", target, headers=headers)
        if answer.status != 200:
            raise codec.refusal(answer)
        return decoded(answer.body, decoder)
