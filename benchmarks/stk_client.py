"""The parties around a push under load: its client on a socket, and the provider that calls back.

Times are Trio's on the server's clock (assembly.awake): a machine frozen for a snapshot is not
mistaken for a slow server.
"""

import json
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import trio

from benchmarks.load_python import masked

_UPGRADE: Final = (
    "GET /mpesa/mpesa/stk/{hash} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nUpgrade: websocket\r\n"
    "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "Sec-WebSocket-Version: 13\r\n\r\n"
)
_READ: Final = 65_536

OnFrame = Callable[[dict[str, Any]], None]


class PushSocket:
    """One client socket of the M-Pesa surface. Every text frame goes to `on_frame`."""

    def __init__(self, hash_: str, stream: trio.SocketStream, on_frame: OnFrame) -> None:
        self.hash = hash_
        self._stream = stream
        self._on_frame = on_frame
        self._rest = b""

    @classmethod
    async def opened(cls, port: int, hash_: str, on_frame: OnFrame) -> "PushSocket":
        """Connected and upgraded. Raises RuntimeError when the server refuses."""
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(_UPGRADE.format(hash=hash_, port=port).encode())
        socket = cls(hash_, stream, on_frame)
        head = await _head(stream)
        if b" 101 " not in head[: head.find(b"\r\n")]:
            raise RuntimeError(f"no upgrade: {head[:200]!r}")
        socket._rest = head.partition(b"\r\n\r\n")[2]
        return socket

    async def push(self, phone: str) -> None:
        """Ask for 100 shillings."""
        payload = {"phone": phone, "amount": 100, "description": "Payment for services"}
        message = json.dumps({"kind": "push", "payload": payload})
        await self._stream.send_all(masked(1, message.encode()))

    async def read(self) -> None:
        """Hand on frames until cancelled; raises RuntimeError when the server closes."""
        while True:
            while (end := self._frame_end()) is not None:
                await self._take(end)
            data = await self._stream.receive_some(_READ)
            if not data:
                raise RuntimeError("the server closed a socket")
            self._rest += data

    def _frame_end(self) -> int | None:
        """Where the first frame in the buffer ends; None while it is not whole."""
        buffer = self._rest
        if len(buffer) < 2:
            return None
        length, head = buffer[1], 2
        if length == 126:
            if len(buffer) < 4:
                return None
            length, head = int.from_bytes(buffer[2:4], "big"), 4
        return head + length if len(buffer) >= head + length else None

    async def _take(self, end: int) -> None:
        frame, self._rest = self._rest[:end], self._rest[end:]
        opcode, body = frame[0] & 15, frame[4 if frame[1] == 126 else 2 :]
        if opcode == 9:
            await self._stream.send_all(masked(10, body))
        elif opcode == 8:
            raise RuntimeError(f"the server closed a socket: {body!r}")
        elif opcode == 1:
            self._on_frame(json.loads(body))


class Caller:
    """The provider's side: one keep-alive connection that posts callbacks."""

    def __init__(self, stream: trio.SocketStream, port: int) -> None:
        self._stream = stream
        self._port = port

    async def post(self, url: str, body: bytes) -> None:
        """One callback. Raises RuntimeError when it is not acknowledged."""
        where = urlsplit(url)
        head = (
            f"POST {where.path}?{where.query} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        await self._stream.send_all(head.encode() + body)
        answer = await _head(self._stream)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"callback not taken: {answer[:200]!r}")
        # The acknowledgement is short; whatever of it has not come yet is awaited here.
        _, _, content = answer.partition(b"\r\n\r\n")
        while b"}" not in content:
            content += await self._stream.receive_some(_READ)


class Callers:
    """`count` provider connections; a callback waits only when all of them are in use."""

    def __init__(self, callers: list[Caller]) -> None:
        self._free = callers
        self._available = trio.Semaphore(len(callers))

    @classmethod
    async def opened(cls, port: int, count: int) -> "Callers":
        """Connected."""
        streams = [await trio.open_tcp_stream("127.0.0.1", port) for _ in range(count)]
        return cls([Caller(stream, port) for stream in streams])

    async def post(self, url: str, body: bytes) -> None:
        """One callback on a connection of its own."""
        async with self._available:
            caller = self._free.pop()
            await caller.post(url, body)
            self._free.append(caller)


async def _head(stream: trio.SocketStream) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        more = await stream.receive_some(_READ)
        if not more:
            raise RuntimeError(f"closed after {data[:200]!r}")
        data += more
    return data
