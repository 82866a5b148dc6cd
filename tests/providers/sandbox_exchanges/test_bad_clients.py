"""Simulated exchanges outlive whatever is sent to them."""

import socket
import struct

import pytest
import trio
import trio_websocket

from actors.exchanges import Side
from providers.exchanges.feed import StreamLost
from providers.exchanges.settings import Settings
from providers.exchanges.sockets import open_socket
from tests.providers.exchanges.support import KEYS, SYMBOLS, rig

_ENDS = (StreamLost, trio_websocket.ConnectionClosed, OSError, trio.ClosedResourceError)


async def reset(port: int, sent: bytes) -> None:
    """Send, and end with a reset."""
    async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await stream.send_all(sent)


async def say(port: int, text: str) -> None:
    """Send one text and listen until the other side has had enough."""
    url = f"ws://127.0.0.1:{port}/api/1/stream/XBTZAR"
    try:
        async with open_socket(url, quiet_seconds=0.2) as peer:
            await peer.send(text)
            while True:
                await peer.receive()
    except _ENDS:
        return
    except BaseExceptionGroup as group:
        if group.split(_ENDS)[1] is not None:
            raise


@pytest.mark.expects_error_log  # it logs what its clients did wrong
@pytest.mark.parametrize("name", sorted(SYMBOLS))
async def test_broken_connections_and_nonsense_leave_it_serving(name: str) -> None:
    ports: list[int] = []

    def note(settings: Settings) -> Settings:
        ports.append(int(settings.stream_url.rpartition(":")[2]))
        return settings

    async with rig(name, change=note) as it:
        for sent in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\0" * 70_000, b"GET /x HT"):
            await reset(ports[0], sent)
        for text in ("not json", "[]", '{"type":7}', "x" * 70_000):
            await say(ports[0], text)
        it.price("1000")
        state = await it.exchange.place(KEYS, it.order("after", Side.SELL, "1"))
        assert state.filled > 0
        async with it.exchange.ticks(it.symbol) as ticks:
            it.price("1001")
            with trio.fail_after(3):
                await anext(ticks)
