"""permessage-deflate on the M-Pesa surface: negotiation, exact limits, bombs (MPWS-C13, C14)."""

import os
import zlib
from dataclasses import replace

import pytest
import trio
from websockets.client import ClientProtocol
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Frame
from websockets.uri import parse_uri

from actors.session import SocketLimits
from tests.protocols.transport.client import BINARY, CONT, TEXT, frame, websocket
from tests.protocols.transport.support import Bed, connect

DEFLATE = SocketLimits(max_message=100_000, deflate=True)
EXTENSIONS = "Sec-WebSocket-Extensions:"
OFFER = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits"
RSV1 = 4


def deflated(data: bytes, level: int = 9) -> bytes:
    """`data` as a compressed message's payload."""
    engine = zlib.compressobj(level, wbits=-15)
    out = engine.compress(data) + engine.flush(zlib.Z_SYNC_FLUSH)
    return out[:-4]


def inflated(data: bytes) -> bytes:
    return zlib.decompressobj(wbits=-15).decompress(data + b"\0\0\xff\xff")


def bed(limits: SocketLimits = DEFLATE) -> Bed:
    made = Bed()
    made.limits = limits
    return made


@pytest.mark.parametrize(
    ("limits", "headers", "agreed"),
    [
        (DEFLATE, (OFFER,), True),
        (DEFLATE, ("Sec-WebSocket-Extensions: permessage-deflate",), True),
        (DEFLATE, ("Sec-WebSocket-Extensions: x-webkit-deflate-frame",), False),
        (DEFLATE, ("Sec-WebSocket-Extensions: permessage-deflate; nonsense=1",), False),
        (DEFLATE, (f"{EXTENSIONS} permessage-deflate; server_max_window_bits=99",), False),
        (DEFLATE, (), False),
        (replace(DEFLATE, deflate=False), (OFFER,), False),
    ],
)  # fmt: skip
async def test_compression_is_agreed_without_context_takeover_or_not_at_all(
    limits: SocketLimits, headers: tuple[str, ...], agreed: bool
):
    """FM-07, MPWS-C13."""
    async with bed(limits).running() as server, websocket(server, "/echo/ws", *headers) as client:
        assert (EXTENSIONS.encode() in client.head) == agreed
        if agreed:
            assert b"server_no_context_takeover" in client.head
            assert b"client_no_context_takeover" in client.head
        await client.text(b"plain works all the same " * 10)
        assert (await client.receive())[1].isascii() != agreed


async def test_a_library_client_talks_compressed():
    factory = ClientPerMessageDeflateFactory()
    protocol = ClientProtocol(parse_uri("ws://localhost/echo/ws"), extensions=[factory])
    text = b'{"kind":"push"}' * 100
    async with bed().running() as server, await connect(server) as stream:
        protocol.send_request(protocol.connect())
        frames: list[Frame] = []
        sent = 0
        while len(frames) < 3:
            for data in protocol.data_to_send():
                await stream.send_all(data)
            protocol.receive_data(await stream.receive_some())
            frames += [event for event in protocol.events_received() if isinstance(event, Frame)]
            while sent < 3 and protocol.extensions:
                protocol.send_text(text)
                sent += 1
        assert [bytes(frame.data) for frame in frames] == [text] * 3
        assert server.traffic.bytes_out < 1000


async def test_compressed_fragments_are_one_message():
    async with bed().running() as server, websocket(server, "/echo/ws", OFFER) as client:
        data = deflated(b"hello " * 500)
        await client.send(
            frame(TEXT, data[:5], fin=False, rsv=RSV1), frame(CONT, data[5:9], fin=False),
            frame(CONT, data[9:]),
        )  # fmt: skip
        opcode, payload = await client.receive()
        assert opcode == TEXT | RSV1 << 4
        assert inflated(payload) == b"hello " * 500


@pytest.mark.parametrize("compressible", [True, False])
async def test_the_limit_holds_to_the_byte_after_inflation(compressible: bool):
    """MPWS-C14: incompressible data is longer on the wire than the limit, and still allowed."""
    base = b"x" * 100_000 if compressible else os.urandom(100_000).hex()[:100_000].encode()
    if not compressible:
        base = os.urandom(100_000)
    async with bed().running() as server:
        async with websocket(server, "/echo/ws", OFFER) as client:
            data = deflated(base, 9 if compressible else 0)
            assert (len(data) > 100_000) != compressible
            await client.send(frame(BINARY, data, rsv=RSV1))
            assert await client.message() == b"binary 100000"
            await client.send(frame(BINARY, base))
            assert await client.message() == b"binary 100000"
            await client.send(frame(BINARY, deflated(base + b"y", 9 * compressible), rsv=RSV1))
            assert (await client.closing())[0] == 1009
        async with websocket(server, "/echo/ws", OFFER) as client:
            await client.send(frame(BINARY, base + b"y"))
            assert (await client.closing())[0] == 1009
        async with websocket(server, "/echo/ws", OFFER) as client:
            await client.send(frame(BINARY, base[:60_000], fin=False), frame(CONT, base[:40_001]))
            assert (await client.closing())[0] == 1009


async def test_the_documents_sixteen_mebibytes_are_exact():
    """FM-07, MPWS-046: 16777216 bytes are processed, one more closes with 1009."""
    limits = replace(DEFLATE, max_message=16_777_216)
    async with bed(limits).running() as server:
        for headers in ((), (OFFER,)):
            async with websocket(server, "/echo/ws", *headers) as client:
                await client.send(frame(BINARY, bytes(16_777_216)))
                assert await client.message() == b"binary 16777216"
                await client.send(frame(BINARY, bytes(16_777_217)))
                assert (await client.closing())[0] == 1009
        async with websocket(server, "/echo/ws", OFFER) as client:
            await client.send(frame(BINARY, deflated(bytes(16_777_216)), rsv=RSV1))
            assert await client.message() == b"binary 16777216"
            await client.send(frame(BINARY, deflated(bytes(16_777_217)), rsv=RSV1))
            assert (await client.closing())[0] == 1009


@pytest.mark.parametrize("size", [99_999, 100_000])
async def test_a_bomb_in_a_fragment_after_a_full_message_is_not_inflated(
    size: int, monkeypatch: pytest.MonkeyPatch
):
    """With no byte left the library's decoder would inflate without limit."""
    engine = zlib.compressobj(9, wbits=-15)
    first = engine.compress(bytes(size)) + engine.flush(zlib.Z_SYNC_FLUSH)
    bomb = engine.compress(bytes(50_000_000)) + engine.flush(zlib.Z_SYNC_FLUSH)
    assert len(bomb) < 100_000
    largest = 0
    real = zlib.decompressobj

    class Watched:
        def __init__(self, **options: int) -> None:
            self._real = real(**options)

        def decompress(self, data: bytes, limit: int = 0) -> bytes:
            nonlocal largest
            out = self._real.decompress(data, limit)
            largest = max(largest, len(out))
            return out

        @property
        def unconsumed_tail(self) -> bytes:
            return self._real.unconsumed_tail

    async with bed().running() as server, websocket(server, "/echo/ws", OFFER) as client:
        monkeypatch.setattr(zlib, "decompressobj", Watched)
        await client.send(frame(BINARY, first, fin=False, rsv=RSV1), frame(CONT, bomb[:-4]))
        assert (await client.closing())[0] == 1009
    assert 0 < largest <= 100_000


@pytest.mark.parametrize("payload", [b"\xff\xff\xff", b"\x00" * 50, b"not deflate at all"])
async def test_what_does_not_inflate_closes_with_1002(payload: bytes):
    async with bed().running() as server, websocket(server, "/echo/ws", OFFER) as client:
        await client.send(frame(TEXT, payload, rsv=RSV1))
        assert (await client.closing())[0] == 1002


async def test_an_idle_compressed_socket_keeps_no_zlib_state():
    made = bed()
    async with made.running() as server, websocket(server, "/echo/ws", OFFER) as client:
        await client.send(frame(TEXT, deflated(b"hello" * 100), rsv=RSV1))
        await client.receive()
        await trio.sleep(0.02)
        (extension,) = made.log.connections[0]._protocol.extensions
        assert not hasattr(extension, "encoder")
        assert not hasattr(extension, "decoder")
