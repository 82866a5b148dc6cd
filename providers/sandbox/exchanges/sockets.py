"""A small loopback WebSocket server for simulators: the sans-IO protocol of `websockets` on Trio.

One connection's fault is never its neighbours'. A handler is one coroutine function per
connection; when it returns, or its client leaves, the connection ends.
"""

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import structlog
import trio
from websockets.exceptions import WebSocketException
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN
from websockets.server import ServerProtocol

log = structlog.get_logger(__name__)

_READ_BYTES: Final = 16 * 1024
_HANDSHAKE_SECONDS: Final = 5.0
_MAX_CONNECTIONS: Final = 1_024


class PeerLeft(Exception):
    """The client is gone."""


class Peer:
    """One client after its handshake."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._protocol = ServerProtocol(max_size=64 * 1024)
        self._texts: deque[str] = deque()
        self._sending = trio.Lock()
        self.path = ""
        self.query: dict[str, str] = {}

    async def accept(self) -> bool:
        """The handshake; False when it was none."""
        while True:
            await self._read()
            for event in self._protocol.events_received():
                if isinstance(event, Request):
                    target = urlsplit(event.path)
                    self.path, self.query = target.path, dict(parse_qsl(target.query))
                    self._protocol.send_response(self._protocol.accept(event))
                    await self._flush()
                    return self._protocol.state is OPEN

    async def receive(self) -> str:
        """The next text; raises PeerLeft."""
        while not self._texts:
            await self._read()
            for event in self._protocol.events_received():
                if isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                    self._texts.append(bytes(event.data).decode())
            await self._flush()
        return self._texts.popleft()

    async def send(self, text: str) -> None:
        """Send one text; raises PeerLeft."""
        if self._protocol.state is not OPEN:
            raise PeerLeft
        self._protocol.send_text(text.encode())
        await self._flush()

    async def _read(self) -> None:
        try:
            data = await self._stream.receive_some(_READ_BYTES)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise PeerLeft from error
        if not data or self._protocol.close_expected():
            raise PeerLeft
        self._protocol.receive_data(data)

    async def _flush(self) -> None:
        async with self._sending:
            data = b"".join(self._protocol.data_to_send())
            try:
                await self._stream.send_all(data)
            except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
                raise PeerLeft from error


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
                await _run(Peer(stream), handler)
            except (PeerLeft, trio.TooSlowError, WebSocketException):
                log.debug("sandbox.socket_left")
            except Exception:  # one connection's fault is never its neighbours'
                log.exception("sandbox.socket_failed")
            finally:
                open_connections -= 1

    async with trio.open_nursery() as nursery:
        await nursery.start(trio.serve_listeners, connection, listeners)
        task_status.started(port)


async def _run(peer: Peer, handler: Handler) -> None:
    with trio.fail_after(_HANDSHAKE_SECONDS):
        accepted = await peer.accept()
    if accepted:
        await handler(peer)
