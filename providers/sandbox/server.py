"""A small loopback HTTP/1.1 server for simulators: h11 on a Trio stream, keep-alive, bounded.

A simulator is one `Handler`: it gets a whole request and returns a whole reply. To play a fault
it may sleep, reply with an error, or raise `Hangup` to drop the connection without an answer.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import h11
import structlog
import trio

log = structlog.get_logger(__name__)

MAX_BODY_BYTES: Final = 4 * 1024 * 1024  # far above any provider's largest message
MAX_CONNECTIONS: Final = 2_048  # a thousand payments in flight, twice
IDLE_SECONDS: Final = 75.0  # longer than any client pool keeps a connection
HANDLER_SECONDS: Final = 300.0  # no played fault may outlive its test by more
_BACKLOG: Final = 1_024
_READ_BYTES: Final = 65_536


class Hangup(Exception):
    """Raised by a handler to close the connection without answering."""


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One request as a simulator sees it; header names are lower case, a later one wins."""

    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class HttpReply:
    """One whole answer; `headers` are additional to content-type and content-length."""

    status: int = 200
    body: bytes = b""
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()


Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


class _Refused(Exception):
    """The peer's bytes are answered with this status and the connection is closed."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


async def serve_http(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `task_status.started(port)` once connections are accepted."""
    listeners = await trio.open_tcp_listeners(port, host=host, backlog=_BACKLOG)
    bound: int = listeners[0].socket.getsockname()[1]
    open_connections = 0

    async def connection(stream: trio.SocketStream) -> None:
        nonlocal open_connections
        async with stream:
            if open_connections >= MAX_CONNECTIONS:
                return
            open_connections += 1
            try:
                await _Connection(stream, handler).run()
            except Exception:  # one connection's fault is never its neighbours'
                log.exception("sandbox.connection_failed")
            finally:
                open_connections -= 1

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, connection, listeners)
        task_status.started(bound)


class _Connection:
    """One peer: requests one after another until it leaves, errs or goes quiet."""

    def __init__(self, stream: trio.SocketStream, handler: Handler) -> None:
        self._stream = stream
        self._handler = handler
        self._h11 = h11.Connection(h11.SERVER)

    async def run(self) -> None:
        """Returns when the connection should be closed."""
        try:
            while True:
                request = await self._read_request()
                if request is None:
                    return
                await self._send(await self._answer(request))
                if self._h11.our_state is not h11.DONE or self._h11.their_state is not h11.DONE:
                    return
                self._h11.start_next_cycle()
        except _Refused as refused:
            await self._send(HttpReply(refused.status))
        except h11.RemoteProtocolError as error:
            await self._send(HttpReply(error.error_status_hint))
        except (Hangup, trio.BrokenResourceError):
            return

    async def _answer(self, request: HttpRequest) -> HttpReply:
        with trio.move_on_after(HANDLER_SECONDS):
            try:
                return await self._handler(request)
            except Hangup:
                raise
            except Exception:  # a simulator's defect is a provider's 500 to its client
                log.exception("sandbox.handler_failed", path=request.path)
                return HttpReply(500)
        raise Hangup

    async def _read_request(self) -> HttpRequest | None:
        head: h11.Request | None = None
        body = bytearray()
        while True:
            event = await self._next_event()
            if isinstance(event, h11.Request):
                head = event
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > MAX_BODY_BYTES:
                    raise _Refused(413)
            elif isinstance(event, h11.EndOfMessage) and head is not None:
                return _request_of(head, bytes(body))
            else:
                return None

    async def _next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED] | None:
        while (event := self._h11.next_event()) is h11.NEED_DATA:
            with trio.move_on_after(IDLE_SECONDS) as quiet:
                self._h11.receive_data(await self._stream.receive_some(_READ_BYTES))
            if quiet.cancelled_caught:
                return None
        return event

    async def _send(self, reply: HttpReply) -> None:
        if self._h11.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            return
        headers = [
            ("content-type", reply.content_type),
            ("content-length", str(len(reply.body))),
            *reply.headers,
        ]
        parts = (
            h11.Response(status_code=reply.status, headers=headers),
            h11.Data(data=reply.body),
            h11.EndOfMessage(),
        )
        wire = b"".join(self._h11.send(part) or b"" for part in parts)
        try:
            await self._stream.send_all(wire)
        except trio.BrokenResourceError:
            log.debug("sandbox.client_left")


def _request_of(head: h11.Request, body: bytes) -> HttpRequest:
    target = urlsplit(head.target.decode("ascii"))
    return HttpRequest(
        method=head.method.decode("ascii"),
        path=unquote(target.path),
        query=dict(parse_qsl(target.query, keep_blank_values=True)),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )
