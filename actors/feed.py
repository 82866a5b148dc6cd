"""Who is listening to which feed. Publishing is synchronous and happens after the commit only."""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from domain.events import Event, Fact

log = structlog.get_logger(__name__)

Listener = Callable[[int, Fact], None]
"""Called with offset and fact; must only enqueue, never wait or raise."""


class EventStore(Protocol):
    """Committed events, for whoever resumes; implemented by storage.events."""

    async def since(self, feed: str, offset: int, limit: int) -> Sequence[tuple[int, Fact]]:
        """Events of `feed` after `offset`, oldest first."""
        ...

    async def newest(self, feed: str) -> int:
        """Offset after which nothing of `feed` has happened yet: of its last event, or the one up
        to which events may have been purged."""
        ...

    async def forgotten(self) -> int:
        """Offset up to which events may have been purged."""
        ...


class Feeds:
    """Listeners by feed; a feed with none costs nothing."""

    def __init__(self) -> None:
        self._listeners: dict[str, list[Listener]] = {}

    def listen(self, feed: str, listener: Listener) -> None:
        """Call `listener` for every event of `feed` committed from now on."""
        self._listeners.setdefault(feed, []).append(listener)

    def leave(self, feed: str, listener: Listener) -> None:
        """Stop; leaving twice is harmless."""
        listeners = self._listeners.get(feed, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            self._listeners.pop(feed, None)

    def publish(self, offset: int, event: Event) -> None:
        """Hand a committed event to everyone who listens now."""
        for listener in self._listeners.get(event.feed, ())[:]:
            try:
                listener(offset, event.fact)
            except Exception:  # one listener's bug must not stop the journal, nor the other ones
                log.exception("listener failed", feed=event.feed, offset=offset)
