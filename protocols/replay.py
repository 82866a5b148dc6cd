"""One socket's place in a feed: what it missed first, then what comes (X-C28)."""

from collections.abc import Callable
from typing import Final, Protocol

import trio

from actors.feed import EventStore, Feeds
from domain.events import Fact

_PAGE: Final = 100  # events replayed before the socket must have taken them
_DRAIN_POLL: Final = 0.005  # seconds between looks at a socket that is taking a replay

Send = Callable[[Fact, int | None], None]
"""Sends one fact; with its offset for clients that resume."""


class Reader(Protocol):
    """Who is told: a socket's Connection or a stream's Sink."""

    @property
    def is_open(self) -> bool:
        """Whether what is sent now still goes out."""
        ...

    @property
    def pending(self) -> bool:
        """Whether anything still waits to be sent."""
        ...


class Replay:
    """Listens to `feed` for one socket or stream. `resume_from` is the offset the client has
    seen, None for a client that knows nothing of offsets: it only hears what comes from now on."""

    __slots__ = (
        "_connection",
        "_feed",
        "_feeds",
        "_live",
        "_missed",
        "_resume_from",
        "_seen",
        "_send",
        "_store",
    )

    def __init__(
        self,
        feed: str,
        feeds: Feeds,
        store: EventStore,
        connection: Reader,
        send: Send,
        resume_from: int | None,
    ) -> None:
        self._feed = feed
        self._feeds = feeds
        self._store = store
        self._connection = connection
        self._send = send
        self._resume_from = resume_from
        self._seen = resume_from or 0
        self._live = resume_from is None  # whether events are sent as they come
        self._missed = False  # whether one came while earlier ones were being replayed

    def start(self) -> None:
        """Listen from now on."""
        self._feeds.listen(self._feed, self._on_event)

    def stop(self) -> None:
        """Listen no more; stopping twice is harmless."""
        self._feeds.leave(self._feed, self._on_event)

    async def newest(self) -> int | None:
        """Where the feed stands, for a greeting; None for a client that knows nothing of offsets.
        Raises what storage raises."""
        return None if self._resume_from is None else await self._store.newest(self._feed)

    async def catch_up(self, reload: Callable[[int], None]) -> None:
        """Replay what was missed; `reload(offset)` says that some of it is not kept any more.

        Raises what storage raises.
        """
        if self._live:
            return
        newest = await self._store.newest(self._feed)
        if self._seen < await self._store.forgotten() or self._seen > newest:
            reload(newest)
            self._seen = newest
        while self._connection.is_open and not self._live:
            await self._page()

    async def _page(self) -> None:
        self._missed = False
        page = await self._store.since(self._feed, self._seen, _PAGE)
        for offset, fact in page:
            self._send(fact, offset)
            self._seen = offset
        if len(page) < _PAGE and not self._missed:
            self._live = True
            return
        await self._taken()

    async def _taken(self) -> None:
        """Return once the socket has taken what was sent; a stalled one is closed meanwhile."""
        await trio.lowlevel.checkpoint()
        while self._connection.pending and self._connection.is_open:
            await trio.sleep(_DRAIN_POLL)

    def _on_event(self, offset: int, fact: Fact) -> None:
        if self._live:
            self._send(fact, None if self._resume_from is None else offset)
        else:
            self._missed = True


def resume_offset(text: str | None) -> int | None:
    """The offset in `?resume_from=`; None where there is none, -1 (reload) for what is no
    offset."""
    if text is None:
        return None
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1
