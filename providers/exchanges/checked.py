"""What is the same whichever exchange is asked: rights of keys, and orders placed once only."""

from collections.abc import Awaitable, Callable
from typing import NamedTuple

from actors.exchanges import ExchangeError, Order, OrderState
from providers.exchanges.kept import opened


class Rights(NamedTuple):
    """What a key may do; None where the exchange does not tell."""

    can_trade: bool | None = None
    can_withdraw: bool | None = None


async def state_after(
    order: Order, exchange_order_id: str, ask: Callable[[], Awaitable[OrderState | None]]
) -> OrderState:
    """What became of an order that was accepted: open, when it cannot be asked for yet."""
    try:
        state = await ask()
    except ExchangeError:
        state = None
    return state or opened(order, exchange_order_id)
