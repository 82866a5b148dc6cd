"""Pages: requests that belong to no route table go to an ASGI application through Hypercorn.

The request has been read whole by our own parser; Hypercorn gets it as one clean HTTP/1.1
message and closes after its answer, so a reused connection always comes back to the dispatcher.
Hypercorn's `TCPServer` is private API: its version is pinned (0.18.0). What it does badly is
overridden here: errors that escape, sends that are shielded from cancellation, closing twice.
"""

import contextlib
import logging
from typing import Any, Final, cast

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol import ProtocolWrapper
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState
from hypercorn.utils import LifespanTimeoutError

from actors.outbox import Transport
from protocols.http import Request

log = structlog.get_logger(__name__)

_LIFESPAN_SECONDS: Final = 10.0
# What speaks about the connection rather than the message, and what would make Hypercorn change
# protocols; the length is written anew.
_DROPPED: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "http2-settings",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def request_bytes(request: Request) -> bytes:
    """`request` as one HTTP/1.1 message that ends its connection."""
    target = request.path + ("?" + request.raw_query if request.raw_query else "")
    lines = [f"{request.method} {target} HTTP/1.1"]
    headers = {"host": "localhost", **request.headers}
    lines += [f"{name}: {value}" for name, value in headers.items() if name not in _DROPPED]
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        lines.append(f"content-length: {len(request.body)}")
    lines.append("connection: close\r\n\r\n")
    return "\r\n".join(lines).encode("latin-1") + request.body


class _HandedOver(TCPServer):
    """One request on a connection that was ours until now."""

    def __init__(
        self,
        fallback: "Fallback",
        transport: Transport,
        request: Request,
    ) -> None:
        # The stream it would read from is ours; it is used through `_transport` only.
        super().__init__(
            fallback.app, fallback.config, fallback.context, fallback.state, cast("Any", None)
        )
        self._transport = transport
        self._request = request
        self._write_timeout = fallback.write_timeout
        self._reading = trio.CancelScope()

    async def run(self) -> None:
        """Serve the one request."""
        request = self._request
        async with TaskGroup() as self._task_group:
            self.protocol = ProtocolWrapper(
                self.app,
                self.config,
                self.context,
                self._task_group,
                ConnectionState(self.state.copy()),
                request.secure,
                (request.client, 0),
                ("localhost", 0),
                self.protocol_send,
                "http/1.1",
            )
            await self.protocol.initiate()
            await self.protocol.handle(RawData(request_bytes(request)))
            # Nothing more is taken from the client: only its going away matters.
            with self._reading:
                while await self._transport.recv():
                    pass
                await self.protocol.handle(Closed())

    async def protocol_send(self, event: Event) -> None:
        """Write without a shield; a slow reader costs its own connection only."""
        if isinstance(event, RawData):
            await self._send_all(event.data)
        elif isinstance(event, Closed):
            # The application may finish its own clean-up; only the wait for the client ends.
            self._transport.end_writing()
            self._reading.cancel()
            await self.protocol.handle(Closed())

    async def _send_all(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            async with self.send_lock:
                while rest or self._transport.unsent:
                    rest = rest[self._transport.try_send(rest) :]
                    if rest or self._transport.unsent:
                        with trio.fail_after(self._write_timeout):
                            await self._transport.wait_writable()
        except (OSError, trio.ClosedResourceError, trio.TooSlowError):
            self._transport.abort()
            await self.protocol.handle(Closed())


class Fallback:
    """The page application; started and stopped with the listener."""

    def __init__(self, app: Any, *, write_timeout: float = 10.0) -> None:
        self.config = Config()
        # The answer to a connection's first request already says `Connection: close`.
        self.config.keep_alive_max_requests = 0
        self.config.include_server_header = False
        self.config.errorlog = logging.getLogger("hypercorn.error")
        self.config.accesslog = None
        self.app = ASGIWrapper(app)
        self.context = WorkerContext(None)
        self.state: dict[str, Any] = {}
        self.write_timeout = write_timeout
        self.config.startup_timeout = self.config.shutdown_timeout = _LIFESPAN_SECONDS
        self._stopping = trio.Event()
        self._lifespan = Lifespan(self.app, self.config, self.state)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep the application's lifespan open until `stop`.

        Shielded, because its end has to run after everything else was cancelled; start and end
        have their deadlines. Raises what the application's start raises.
        """
        async with trio.open_nursery() as nursery:
            nursery.cancel_scope.shield = True
            await nursery.start(self._lifespan.handle_lifespan)
            await self._lifespan.wait_for_startup()
            task_status.started()
            await self._stopping.wait()
            with contextlib.suppress(LifespanTimeoutError):
                await self._lifespan.wait_for_shutdown()
            nursery.cancel_scope.cancel()

    def stop(self) -> None:
        """End `run`; whoever started it must call this."""
        self._stopping.set()

    async def serve(self, transport: Transport, request: Request) -> None:
        """Answer one request; whatever goes wrong stays on this connection."""
        try:
            await _HandedOver(self, transport, request).run()
        except* Exception:
            log.exception("page application failed", path=request.path)
            transport.abort()
