"""Symbol rules asked for once in a while, and what a placed order is until it is asked for."""

from collections.abc import Awaitable, Callable
from typing import Final

import trio

from actors.exchanges import Order, OrderState, OrderStatus, SymbolRules

_KEEP_SECONDS: Final = 600.0
_MAX_SYMBOLS: Final = 1_000


class Rules:
    """Rules by symbol, fetched when they are missing or ten minutes old."""

    def __init__(self, fetch: Callable[[str], Awaitable[SymbolRules]]) -> None:
        self._fetch = fetch
        self._kept: dict[str, tuple[float, SymbolRules]] = {}

    async def of(self, symbol: str) -> SymbolRules:
        """Raises what `fetch` raises."""
        kept = self._kept.get(symbol)
        if kept is not None and trio.current_time() - kept[0] < _KEEP_SECONDS:
            await trio.lowlevel.checkpoint()
            return kept[1]
        rules = await self._fetch(symbol)
        if len(self._kept) < _MAX_SYMBOLS:
            self._kept[symbol] = trio.current_time(), rules
        return rules


def opened(order: Order, exchange_order_id: str) -> OrderState:
    """An order that was accepted, of which nothing more is known yet."""
    return OrderState(
        client_order_id=order.client_order_id,
        exchange_order_id=exchange_order_id,
        symbol=order.symbol,
        side=order.side,
        status=OrderStatus.OPEN,
        filled=0,
        cost=0,
        fee=0,
        fee_currency=order.symbol.partition("/")[2],
    )
