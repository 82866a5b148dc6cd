"""Random bytes, resets and half-closed connections never kill the listener."""

import socket
import struct

import trio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocols.server import Server
from tests.protocols.transport.client import TEXT, RawSocket, frame, handshake
from tests.protocols.transport.support import Bed, connect, read_until

PIECES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from(
        [
            b"GET /echo/hello HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /echo/bytes HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n",
            b"POST /echo/greet HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"5\r\nhello\r\n0\r\n\r\n",
            b"Host: a\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            b"\r\n",
            b"\r\n\r\n",
            b"GET / HTTP/1.1\r\n",
            handshake(),
            frame(TEXT, b"hello"),
            frame(8, b"\x03\xe8"),
            frame(9, b"ping"),
            b"\x81",
            b"\xc1\xff",
        ]
    ),
)
SETTINGS = settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])


async def still_serves(server: Server) -> None:
    async with await connect(server) as stream:
        await stream.send_all(b"GET /echo/hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in await read_until(stream, b"}")
        client = RawSocket(stream)
        await client.open(handshake())
        await client.text(b"hello")
        assert await client.message() == b"hello"
    assert server.traffic.failures == 0


async def attack(server: Server, pieces: list[bytes], *, reset: bool) -> None:
    stream = await connect(server)
    if reset:
        stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    try:
        for piece in pieces:
            if piece:
                await stream.send_all(piece)
            await trio.lowlevel.checkpoint()
        if not reset:
            await stream.send_eof()
            with trio.move_on_after(2):
                async for _ in stream:
                    pass
    except trio.BrokenResourceError:
        pass
    finally:
        await stream.aclose()


@SETTINGS
@given(
    st.lists(
        st.tuples(st.lists(PIECES, max_size=8), st.booleans()), min_size=1, max_size=6
    )
)  # fmt: skip
def test_no_bytes_from_outside_kill_the_listener(clients: list[tuple[list[bytes], bool]]):
    async def run() -> None:
        async with Bed().running() as server:
            async with trio.open_nursery() as nursery:
                for pieces, reset in clients:

                    async def one(pieces: list[bytes] = pieces, reset: bool = reset) -> None:
                        await attack(server, pieces, reset=reset)

                    nursery.start_soon(one)
            await still_serves(server)

    trio.run(run)


@SETTINGS
@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_after_an_upgrade_kill_the_listener(data: bytes, reset: bool):
    async def run() -> None:
        async with Bed().running() as server:
            await attack(server, [handshake(), data], reset=reset)
            await still_serves(server)

    trio.run(run)
