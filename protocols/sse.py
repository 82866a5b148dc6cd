"""Server-sent events on the fast HTTP path.

A handler returns an `EventStream` with a source: a coroutine function that gets a `Sink`, may
register it where events come from, may send on its own beat, and ends the stream by returning.
It is cancelled when the client goes away. Events are queued without waiting, within the bounds
of every outbox; a client that does not read is disconnected and resumes by `Last-Event-ID`.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

import trio

from actors.liveness import NEVER
from actors.outbox import Flusher, Outbox, Transport
from protocols.http import Response

_HEADERS: Final = (("Cache-Control", "no-cache"), ("X-Accel-Buffering", "no"))


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamLimits:
    """Bounds of one stream: events and bytes waiting, seconds a write may stall."""

    max_events: int = 256
    max_bytes: int = 1024 * 1024
    write_timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class EventStream:
    """A response that stays open. `headers` are added to those every event stream has."""

    source: "Callable[[Sink], Awaitable[None]]"
    headers: tuple[tuple[str, str], ...] = ()
    limits: StreamLimits = field(default_factory=StreamLimits)

    def head(self) -> Response:
        """The response's head."""
        return Response(200, b"", "text/event-stream; charset=utf-8", _HEADERS + self.headers)


def encode_event(
    data: bytes, *, event: str | None = None, id: str | None = None, retry: int | None = None
) -> bytes:
    """One event on the wire; `retry` in milliseconds.

    Line breaks in `data` become further data lines; `event` and `id` may not hold any
    (ValueError), or they could forge an event.
    """
    lines: list[bytes] = []
    for name, value in ((b"id: ", id), (b"event: ", event)):
        if value is not None:
            if "\n" in value or "\r" in value or "\0" in value:
                raise ValueError("event and id are single lines")
            lines.append(name + value.encode())
    if retry is not None:
        lines.append(b"retry: %d" % retry)
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if b"\n" in data:
        lines += [b"data: " + line for line in data.split(b"\n")]
    else:
        lines.append(b"data: " + data)
    return b"\n".join(lines) + b"\n\n"


class Sink(Outbox):
    """The sending end of one event stream; lives as long as the client listens."""

    __slots__ = ("_write_timeout", "closed", "last_event_id", "scope")

    def __init__(
        self,
        transport: Transport,
        flusher: Flusher,
        limits: StreamLimits,
        last_event_id: str | None,
    ) -> None:
        super().__init__(transport, flusher, limits.max_events, limits.max_bytes)
        self._write_timeout = limits.write_timeout
        self.scope: trio.CancelScope | None = None  # of the source
        self.closed = False
        self.last_event_id = last_event_id

    @property
    def is_open(self) -> bool:
        """Whether what is sent now still goes out."""
        return not self.closed

    def send(
        self,
        data: bytes,
        *,
        event: str | None = None,
        id: str | None = None,
        retry: int | None = None,
    ) -> None:
        """Queue one event; never waits. Dropped once the client is gone."""
        if not self.closed:
            self._flusher.traffic.messages_out += 1
            self.send_bytes(encode_event(data, event=event, id=id, retry=retry))

    def close(self) -> None:
        """End the stream after what is queued."""
        if not self.closed:
            self._end()
            self.end_writing_after_queue()

    def _end(self) -> None:
        self.closed = True
        if self.scope is not None:
            self.scope.cancel()

    def overflowed(self) -> None:
        """Too slow: the client is disconnected and may resume."""
        self._flusher.traffic.slow_consumers += 1
        self.lost()

    def stalled(self) -> None:
        """The socket takes no more: it has the write timeout."""
        self._flusher.wheel.watch_sooner(self, self._stalled_since + self._write_timeout)

    def lost(self) -> None:
        """The client is gone."""
        self._end()
        self.transport.abort()

    def on_timer(self, now: float) -> float:
        """Disconnect a client that has not read for the write timeout."""
        due = self._stalled_since + self._write_timeout
        if due > now:
            return due
        self._flusher.traffic.slow_consumers += 1
        self.lost()
        return NEVER


async def serve_stream(sink: Sink, stream: EventStream, flusher: Flusher) -> None:
    """Run the stream's source until it returns, the client leaves or the sink is closed."""
    flusher.traffic.streams += 1
    try:
        async with trio.open_nursery() as nursery:
            sink.scope = nursery.cancel_scope
            nursery.start_soon(_watch_client, sink)
            await stream.source(sink)
            sink.close()
    finally:
        flusher.traffic.streams -= 1
        sink.close()


async def _watch_client(sink: Sink) -> None:
    """A client has nothing more to say; the end of its stream ends ours."""
    while await sink.transport.recv():
        pass
    sink.lost()
