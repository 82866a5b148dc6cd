"""Live prices of one symbol: one session after another, each until its connection is lost.

A session is a coroutine function that gets `tell(price)` and raises when its connection ends;
until the next one is tried, prices are polled.
Ticks wait in a bounded queue; a reader that is too slow loses the oldest, and sees it by the
sequence, which also leaves out one number at every reconnect: prices may have been missed.
"""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import msgspec
import structlog
import trio
import trio_websocket

from actors.clock import Clock
from actors.exchanges import ExchangeError, Tick
from providers.exchanges.settings import Settings

log = structlog.get_logger(__name__)

_WAITING: Final = 1_024  # ticks: a hundred seconds at ten a second
_LASTED: Final = 10.0  # seconds after which a session counts as healthy

Tell = Callable[[int], None]
Session = Callable[[Tell], Awaitable[None]]


class StreamLost(ExchangeError):
    """The connection ended, was silent too long, or skipped a sequence number."""


_ENDS: Final = (
    ExchangeError,
    msgspec.MsgspecError,
    ValueError,
    OSError,
    trio.BrokenResourceError,
    trio.ClosedResourceError,
    trio.TooSlowError,
    trio_websocket.ConnectionClosed,
    trio_websocket.HandshakeError,
)


class Ticks:
    """An endless iterator of ticks, for one reader."""

    def __init__(self, platform: str, symbol: str, clock: Clock) -> None:
        self._platform = platform
        self._symbol = symbol
        self._clock = clock
        self._queue: deque[Tick] = deque(maxlen=_WAITING)
        self._sequence = 0
        self._more = trio.Event()

    def __aiter__(self) -> "Ticks":
        return self

    async def __anext__(self) -> Tick:
        while not self._queue:
            self._more = trio.Event()
            await self._more.wait()
        return self._queue.popleft()

    def tell(self, price: int) -> None:
        """One more price; the oldest goes when nobody reads."""
        if price <= 0:
            return
        self._sequence += 1
        self._queue.append(
            Tick(
                platform=self._platform,
                symbol=self._symbol,
                price=price,
                at_us=self._clock.now_us(),
                sequence=self._sequence,
            )
        )
        self._more.set()

    def skip(self) -> None:
        """Prices may have been missed."""
        self._sequence += 1


Ask = Callable[[], Awaitable[Tick]]


def asked_for(platform: str, symbol: str, price: int, clock: Clock) -> Tick:
    """A price that was asked for once, outside any feed: it has no place in a sequence."""
    return Tick(platform=platform, symbol=symbol, price=price, at_us=clock.now_us(), sequence=0)


@asynccontextmanager
async def streamed(
    platform: str, symbol: str, clock: Clock, settings: Settings, session: Session, ask: Ask
) -> AsyncIterator[AsyncIterator[Tick]]:
    """Run sessions until the block is left, and ask for prices in between. What the block
    raises leaves it as it is."""
    ticks = Ticks(platform, symbol, clock)
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_sessions, ticks, settings, session, polled(ask, settings))
            yield ticks
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise


async def _sessions(ticks: Ticks, settings: Settings, session: Session, between: Session) -> None:
    wait = settings.backoff_seconds
    while True:
        began = trio.current_time()
        await _contained(session, ticks, settings)
        ticks.skip()
        if trio.current_time() - began > _LASTED:
            wait = settings.backoff_seconds
        with trio.move_on_after(wait):
            await _contained(between, ticks, settings)
            await trio.sleep_forever()
        wait = min(wait * 2, settings.longest_backoff_seconds)


async def _contained(session: Session, ticks: Ticks, settings: Settings) -> None:
    """Until it ends, which is only written down."""
    try:
        await session(ticks.tell)
    except _ENDS as error:
        _log_end(settings, error)
    except BaseExceptionGroup as group:  # the socket's own nursery: the end, seen twice
        ends, others = group.split(_ENDS)
        if others is not None:
            raise others from None
        _log_end(settings, ends or group)


def asked(
    platform: str, symbol: str, clock: Clock, settings: Settings, ask: Ask
) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
    """Prices that are only asked for: the exchange has no stream, or none for us."""
    return streamed(platform, symbol, clock, settings, polled(ask, settings), ask)


def polled(ask: Ask, settings: Settings) -> Session:
    """A session that asks for the price again and again."""

    async def session(tell: Tell) -> None:
        while True:
            tell((await ask()).price)
            await trio.sleep(settings.poll_seconds)

    return session


def _log_end(settings: Settings, error: BaseException) -> None:
    log.info("exchange.stream_lost", host=settings.base_url, error=type(error).__name__)
