"""A simulated market as one connection sees it: the newest prices, in order, bounded."""

from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import trio

_WAITING: Final = 1_024


class Ticking(Protocol):
    """A market, as far as a watch needs it."""

    symbol: str
    price: int
    ticks: int


class Watch:
    """An iterator of (tick number, price) that ends when it is closed; drops the oldest."""

    def __init__(self, symbol: str, closed: Callable[["Watch"], None]) -> None:
        self._symbol = symbol
        self._closed = closed
        self._open = True
        self._queue: deque[tuple[int, int]] = deque(maxlen=_WAITING)
        self._more = trio.Event()

    def __aiter__(self) -> "Watch":
        return self

    async def __anext__(self) -> tuple[int, int]:
        while self._open and not self._queue:
            self._more = trio.Event()
            await self._more.wait()
        if not self._open:
            raise StopAsyncIteration
        return self._queue.popleft()

    def tell(self, market: Ticking) -> None:
        if market.symbol == self._symbol:
            self._queue.append((market.ticks, market.price))
            self._more.set()

    def close(self) -> None:
        self._open = False
        self._closed(self)
        self._more.set()
