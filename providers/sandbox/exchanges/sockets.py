"""A small loopback WebSocket server for simulators: the sans-IO protocol of `websockets` on Trio.

One connection's fault is never its neighbours'. A handler is one coroutine function per
connection; when it returns, or its client leaves, the connection ends.
"""

from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import structlog
import trio
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN, Event
from websockets.server import ServerProtocol

log = structlog.get_logger(__name__)

_READ_BYTES: Final = 16 * 1024
_HANDSHAKE_SECONDS: Final = 5.0
_UNREAD: Final = 16  # texts
_MAX_CONNECTIONS: Final = 1_024


class Peer:
    """One client. When it leaves, whatever its handler does is cancelled."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._protocol = ServerProtocol(max_size=64 * 1024)
        self._heard, self._texts = trio.open_memory_channel[str](_UNREAD)
        self._sending = trio.Lock()
        self._connection = trio.CancelScope()
        self.path = ""
        self.query: dict[str, str] = {}

    async def run(self, handler: "Handler") -> None:
        """From the handshake to the end."""
        with self._connection:
            with trio.fail_after(_HANDSHAKE_SECONDS):
                await self._accept()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._hear)
                await handler(self)
                nursery.cancel_scope.cancel()

    async def receive(self) -> str:
        """The next text."""
        return await self._texts.receive()

    async def send(self, text: str) -> None:
        """Send one text."""
        if self._protocol.state is not OPEN:
            await self._leave()
        self._protocol.send_text(text.encode())
        await self._flush()

    async def _accept(self) -> None:
        while True:
            for event in await self._read():
                if isinstance(event, Request):
                    target = urlsplit(event.path)
                    self.path, self.query = target.path, dict(parse_qsl(target.query))
                    self._protocol.send_response(self._protocol.accept(event))
                    await self._flush()
                    return

    async def _hear(self) -> None:
        while True:
            for event in await self._read():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    await self._heard.send(bytes(event.data).decode())
            await self._flush()

    async def _read(self) -> list[Event]:
        try:
            data = await self._stream.receive_some(_READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            data = b""
        if not data:
            await self._leave()
        self._protocol.receive_data(data)
        return self._protocol.events_received()

    async def _flush(self) -> None:
        async with self._sending:
            data = b"".join(self._protocol.data_to_send())
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                await self._leave()

    async def _leave(self) -> None:
        """Never returns."""
        self._connection.cancel()
        await trio.sleep_forever()


Handler = Callable[[Peer], Awaitable[None]]


async def serve_sockets(
    handler: Handler,
    *,
    host: str = "127.0.0.1",
    task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; `task_status.started(port)`."""
    listeners = await trio.open_tcp_listeners(0, host=host)
    port: int = listeners[0].socket.getsockname()[1]
    open_connections = 0

    async def connection(stream: trio.SocketStream) -> None:
        nonlocal open_connections
        async with stream:
            if open_connections >= _MAX_CONNECTIONS:
                return
            open_connections += 1
            try:
                await Peer(stream).run(handler)
            except (trio.TooSlowError, WebSocketException):
                log.debug("sandbox.socket_left")
            except Exception:  # one connection's fault is never its neighbours'
                log.exception("sandbox.socket_failed")
            finally:
                open_connections -= 1

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, connection, listeners)
        task_status.started(port)
