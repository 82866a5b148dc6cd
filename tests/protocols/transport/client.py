"""A WebSocket client that can do what a well-behaved library refuses to."""

import json
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import trio

from protocols.server import Server
from tests.protocols.transport.support import connect

CONT, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
KEY = "dGhlIHNhbXBsZSBub25jZQ=="
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="  # the answer to KEY in RFC 6455, section 1.3


def frame(
    opcode: int, payload: bytes, *, fin: bool = True, rsv: int = 0, mask: bytes | None = b"\1\2\3\4"
) -> bytes:
    """One client frame; `mask` None leaves it unmasked."""
    first = (0x80 if fin else 0) | rsv << 4 | opcode
    bit = 0 if mask is None else 0x80
    size = len(payload)
    if size < 126:
        head = struct.pack("!BB", first, bit | size)
    elif size < 65536:
        head = struct.pack("!BBH", first, bit | 126, size)
    else:
        head = struct.pack("!BBQ", first, bit | 127, size)
    if mask is None:
        return head + payload
    pad = (mask * (size // 4 + 1))[:size]
    masked = (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(size, "big")
    return head + mask + masked


def handshake(path: str = "/echo/ws", *headers: str, **replaced: str) -> bytes:
    """An upgrade request; keyword `sec_websocket_key=""` leaves that header out."""
    fields = {
        "Host": "localhost",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    fields |= {name.replace("_", "-"): value for name, value in replaced.items()}
    lines = [f"GET {path} HTTP/1.1", *(f"{k}: {v}" for k, v in fields.items() if v), *headers]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


class RawSocket:
    """A client after its handshake; reads and writes single frames."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self.head = b""
        self._buffer = bytearray()

    async def open(self, request: bytes) -> None:
        """Send `request`, read the response head."""
        await self.stream.send_all(request)
        while b"\r\n\r\n" not in self._buffer:
            await self._fill()
        end = self._buffer.index(b"\r\n\r\n")
        self.head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]

    async def send(self, *frames: bytes) -> None:
        await self.stream.send_all(b"".join(frames))

    async def text(self, text: bytes) -> None:
        await self.send(frame(TEXT, text))

    async def _fill(self) -> None:
        data = await self.stream.receive_some()
        if not data:
            raise EOFError(bytes(self._buffer))
        self._buffer += data

    async def _exactly(self, count: int) -> bytes:
        while len(self._buffer) < count:
            await self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def receive(self) -> tuple[int, bytes]:
        """The next frame's first byte without FIN, and its payload. EOFError at the end."""
        first, size = await self._exactly(2)
        assert not size & 0x80, "a server does not mask"
        assert first & 0x80, "the server does not fragment"
        if size == 126:
            (size,) = struct.unpack("!H", await self._exactly(2))
        elif size == 127:
            (size,) = struct.unpack("!Q", await self._exactly(8))
        return first & 0x7F, await self._exactly(size)

    async def message(self) -> bytes:
        opcode, payload = await self.receive()
        assert opcode == TEXT, (opcode, payload)
        return payload

    async def closing(self) -> tuple[int, str]:
        """Read to the close frame, and make sure that nothing follows it."""
        opcode = -1
        while opcode != CLOSE:
            opcode, payload = await self.receive()
        with suppress(EOFError, trio.BrokenResourceError):
            await self._fill()
        assert not self._buffer
        return struct.unpack("!H", payload[:2])[0], payload[2:].decode()

    async def ended(self) -> bool:
        """Read to the end of the stream without a close frame."""
        try:
            while True:
                opcode, _ = await self.receive()
                assert opcode != CLOSE
        except (EOFError, trio.BrokenResourceError):
            return True


@asynccontextmanager
async def websocket(
    server: Server, path: str = "/echo/ws", *headers: str
) -> AsyncIterator[RawSocket]:
    """An open socket on the test surface."""
    async with await connect(server) as stream:
        client = RawSocket(stream)
        await client.open(handshake(path, *headers))
        assert client.head.startswith(b"HTTP/1.1 101 "), client.head
        yield client


def body(response: bytes) -> Any:
    """The JSON body of a response."""
    return json.loads(response.rpartition(b"\r\n\r\n")[2])
