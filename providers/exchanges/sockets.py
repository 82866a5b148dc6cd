"""A market-data socket as a client: messages, the exchange's own pings, and silence noticed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import SplitResult, urlsplit

import trio
from trio_websocket import WebSocketConnection, wrap_client_stream

from providers.exchanges.feed import StreamLost

_CONNECT_SECONDS: Final = 10.0
_LEAVE_SECONDS: Final = 1.0
_MAX_MESSAGE_BYTES: Final = 4 * 1024 * 1024  # a snapshot of a deep order book


class Socket:
    """One open connection. `ping` is sent as text every `ping_seconds`, busy or not."""

    def __init__(
        self,
        connection: WebSocketConnection,
        *,
        quiet_seconds: float,
        ping: str | None = None,
        ping_seconds: float = 0.0,
    ) -> None:
        self._connection = connection
        self._quiet_seconds = quiet_seconds
        self._ping = ping
        self._ping_seconds = ping_seconds
        self._next_ping = trio.current_time() + ping_seconds

    async def send(self, text: str) -> None:
        await self._connection.send_message(text)

    async def receive(self) -> str:
        """The next text. StreamLost after `quiet_seconds` without one."""
        silent_at = trio.current_time() + self._quiet_seconds
        while (now := trio.current_time()) < silent_at:
            await self._ping_if_due(now)
            wake = silent_at if self._ping is None else min(silent_at, self._next_ping)
            with trio.move_on_at(wake):
                message = await self._connection.get_message()
                return message if isinstance(message, str) else message.decode()
        raise StreamLost("silent")

    async def _ping_if_due(self, now: float) -> None:
        if self._ping is not None and now >= self._next_ping:
            self._next_ping = now + self._ping_seconds
            await self.send(self._ping)


@asynccontextmanager
async def open_socket(
    url: str, *, quiet_seconds: float, ping: str | None = None, ping_seconds: float = 0.0
) -> AsyncIterator[Socket]:
    """Connect; raises what `feed` counts as the end of a session.

    The stream is opened here because the library leaves it open when its handshake fails.
    """
    target = urlsplit(url)
    with trio.fail_after(_CONNECT_SECONDS):
        stream = await _connect(target)
    async with stream, trio.open_nursery() as nursery:
        with trio.fail_after(_CONNECT_SECONDS):
            connection = await wrap_client_stream(
                nursery,
                stream,
                target.netloc,
                _resource(target),
                max_message_size=_MAX_MESSAGE_BYTES,
            )
        yield Socket(connection, quiet_seconds=quiet_seconds, ping=ping, ping_seconds=ping_seconds)
        with trio.move_on_after(_LEAVE_SECONDS):
            await connection.aclose()
        nursery.cancel_scope.cancel()


async def _connect(
    target: SplitResult,
) -> trio.SocketStream | trio.SSLStream[trio.SocketStream]:
    host = target.hostname or ""
    if target.scheme == "wss":
        # Nobody waits for the goodbye of an exchange that is gone.
        return await trio.open_ssl_over_tcp_stream(host, target.port or 443, https_compatible=True)
    return await trio.open_tcp_stream(host, target.port or 80)


def _resource(target: SplitResult) -> str:
    resource = target._replace(scheme="", netloc="").geturl()
    return resource if resource.startswith("/") else f"/{resource}"
