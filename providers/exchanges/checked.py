"""What is the same whichever exchange is asked: key checks, and orders placed once only."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

import trio

from actors.exchanges import ExchangeError, ExchangeRefused, KeyCheck, Order, OrderState
from providers.exchanges.kept import opened


class Rights(NamedTuple):
    """What a key may do; None where the exchange does not tell."""

    can_trade: bool | None = None
    can_withdraw: bool | None = None


async def check(ask: Callable[[], Awaitable[Rights]]) -> KeyCheck:
    """Keys are valid when `ask` is not refused. Raises ExchangeUnavailable as it does."""
    began = trio.current_time()
    try:
        rights = await ask()
    except ExchangeRefused:
        return KeyCheck(valid=False, latency_ms=_since(began))
    return KeyCheck(
        valid=True,
        latency_ms=_since(began),
        can_trade=rights.can_trade,
        can_withdraw=rights.can_withdraw,
    )


async def state_after(
    order: Order, exchange_order_id: str, ask: Callable[[], Awaitable[OrderState | None]]
) -> OrderState:
    """What became of an order that was accepted: open, when it cannot be asked for yet."""
    try:
        state = await ask()
    except ExchangeError:
        state = None
    return state or opened(order, exchange_order_id)


def _since(began: float) -> int:
    return round((trio.current_time() - began) * 1000)
