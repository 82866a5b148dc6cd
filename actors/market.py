"""One price feed per platform and symbol, however many bots listen to it.

A feed is started by its first listener and ends with its last. It hands each tick to every
listener in turn, without waiting for any: a listener looks at it at once, or keeps only the latest
it has not looked at, so that a slow bot holds up neither the feed nor its neighbours and nothing
grows. A feed that fails is started again by its supervisor, with backoff; its listeners stay.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import structlog
import trio

from actors.exchanges import Exchange, SymbolRules, Tick
from actors.runtime.child import ChildSpec
from actors.runtime.restarts import Restart, RestartPolicy
from actors.runtime.supervisor import Supervisor

log = structlog.get_logger(__name__)

Heard = Callable[[Tick], None]
"""Called with every tick; must only compute or remember, never wait or raise."""

BATCH: Final = 100  # listeners told before other tasks have their turn: some milliseconds

# At the longest delay a feed fails 120 times an hour: it is tried again for as long as somebody
# listens, at least once in 30 s.
RESTARTS: Final = RestartPolicy(max_restarts=1000, within_s=3600.0, max_delay_s=30.0)


class Feed:
    """One symbol of one exchange. Ends when stopped, or by what the exchange raises."""

    def __init__(self, exchange: Exchange, symbol: str) -> None:
        self._exchange = exchange
        self._symbol = symbol
        self._scope = trio.CancelScope()
        self.listeners: tuple[Heard, ...] = ()
        self.last: Tick | None = None

    async def run(self, *, task_status: trio.TaskStatus[None]) -> None:
        """Publish ticks until stopped."""
        task_status.started()
        with self._scope:
            async with self._exchange.ticks(self._symbol) as ticks:
                async for tick in ticks:
                    await self._publish(tick)
        if not self._scope.cancelled_caught:
            raise RuntimeError("the feed of prices ended")

    def stop(self) -> None:
        """Make run() return."""
        self._scope.cancel()

    async def _publish(self, tick: Tick) -> None:
        """Hand a tick to everyone who listens now."""
        self.last = tick
        for number, heard in enumerate(self.listeners, 1):
            try:
                heard(tick)
            except Exception:  # one listener's bug must not silence the feed for the other ones
                log.exception("listener failed", platform=tick.platform, symbol=tick.symbol)
            if number % BATCH == 0:
                await trio.lowlevel.checkpoint()


class Markets:
    """All feeds; a supervised task of app.py runs `run`."""

    def __init__(self, exchanges: Mapping[str, Exchange], *, jitter: Callable[[], float]) -> None:
        self._exchanges = exchanges
        self._feeds: dict[tuple[str, str], Feed] = {}
        self._started = 0
        self._supervisor = Supervisor("markets", jitter=jitter, restarts=RESTARTS, ordered=False)

    @property
    def feeds(self) -> int:
        """How many feeds somebody listens to."""
        return len(self._feeds)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        await self._supervisor.run(task_status=task_status)

    def listen(self, platform: str, symbol: str, heard: Heard) -> None:
        """Call `heard` for every tick from now on, and now for the last one there was.

        KeyError for an unknown platform, RuntimeError when the markets are not running.
        """
        feed = self._feeds.get((platform, symbol))
        if feed is None:
            feed = self._start(platform, symbol)
        feed.listeners = (*feed.listeners, heard)
        if feed.last is not None:
            heard(feed.last)

    def leave(self, platform: str, symbol: str, heard: Heard) -> None:
        """Stop calling; leaving twice is harmless."""
        feed = self._feeds.get((platform, symbol))
        if feed is None:
            return
        feed.listeners = tuple(other for other in feed.listeners if other != heard)
        if not feed.listeners:
            del self._feeds[platform, symbol]
            feed.stop()

    def last(self, platform: str, symbol: str) -> Tick | None:
        """The last tick of a feed somebody listens to."""
        feed = self._feeds.get((platform, symbol))
        return feed.last if feed is not None else None

    async def rules(self, platform: str, symbol: str) -> SymbolRules:
        """The exchange's rules for a symbol; raises ExchangeError."""
        return await self._exchanges[platform].rules(symbol)

    def _start(self, platform: str, symbol: str) -> Feed:
        feed = Feed(self._exchanges[platform], symbol)
        self._started += 1
        # Numbered: the feed before of the same symbol may still be ending.
        name = f"{platform} {symbol} feed {self._started}"
        self._supervisor.spawn(
            ChildSpec(
                name, partial(feed.run), restart=Restart.TRANSIENT, quarantine=True, stop=feed.stop
            )
        )
        self._feeds[platform, symbol] = feed
        return feed
