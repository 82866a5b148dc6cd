"""One client connection while it speaks HTTP/1.1: bytes in, whole requests; responses, bytes out.

Times are kept by the listener's timer wheel: nothing here opens a cancel scope per request.
"""

import contextlib
from dataclasses import dataclass
from typing import Final

import trio

from actors.liveness import NEVER, TimerWheel
from actors.outbox import Traffic, Transport
from protocols.chunked import ChunkedBody
from protocols.http import (
    MAX_HEAD_BYTES,
    BadRequest,
    Request,
    Response,
    body_length,
    head_bytes,
    response_bytes,
)
from protocols.web import ErrorKind, RenderError

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_WRITE_PORTION_BYTES: Final = 64 * 1024
_BLANK: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpTiming:
    """Seconds of real time a client has for each step.

    `head` also bounds the wait for a first byte with the TLS handshake, `idle` the wait for the
    next request, `linger` the wait for the client to close after our last answer.
    """

    head: float = 10.0
    body: float = 30.0
    idle: float = 75.0
    write: float = 10.0
    linger: float = 2.0


class ClientGone(Exception):
    """The client is away, too slow or cut off; there is nobody to answer."""


class Exchange:
    """Reads requests from and writes responses to one transport.

    `dispatch.HttpConnection` decides what to answer. `root_error` renders what is refused
    before a surface is known.
    """

    __slots__ = (
        "_buffer",
        "_deadline",
        "_root_error",
        "_timing",
        "_traffic",
        "_waiting_for",
        "_wheel",
        "timer_slot",
        "transport",
    )

    def __init__(
        self,
        transport: Transport,
        wheel: TimerWheel,
        traffic: Traffic,
        timing: HttpTiming,
        root_error: RenderError,
    ) -> None:
        self.transport = transport
        self.timer_slot = 0
        self._wheel = wheel
        self._traffic = traffic
        self._timing = timing
        self._root_error = root_error
        self._buffer = b""
        self._waiting_for = ""
        self._deadline = NEVER

    # Time

    def expect(self, what: str, seconds: float) -> None:
        """From now on the client has `seconds` for `what`."""
        self._waiting_for = what
        self._deadline = self._wheel.now + seconds
        self._wheel.watch_sooner(self, self._deadline)

    def expect_nothing(self) -> None:
        """It is our turn: the client cannot be late."""
        self._waiting_for = ""
        self._deadline = NEVER

    def on_timer(self, now: float) -> float:
        """Close a connection whose client is late; 408 if it was in the middle of a request."""
        if self._deadline > now:
            return self._deadline
        if self._waiting_for in ("head", "body"):
            self._traffic.refused += 1
            refusal = self._root_error(408, ErrorKind.TIMEOUT, "request timeout")
            with contextlib.suppress(OSError):
                self.transport.try_send(response_bytes(refusal, connection="close"))
        self.transport.close()
        return NEVER

    # Reading

    async def recv(self) -> bytes:
        """The next bytes; ClientGone at the end of the stream."""
        data = await self.transport.recv()
        if not data:
            raise ClientGone
        self._traffic.bytes_in += len(data)
        return data

    async def read_head(self) -> bytes:
        """The next request's head, its empty line included; what follows stays buffered.

        Raises BadRequest 431 beyond MAX_HEAD_BYTES, 400 for bytes that begin like no request.
        """
        buffer, seen = self._buffer.lstrip(b"\r\n"), 0
        if buffer:
            # Pipelined: others get a turn between the requests of one client.
            await trio.lowlevel.checkpoint()
        while (end := buffer.find(_BLANK, seen)) < 0:
            if buffer:
                if len(buffer) > MAX_HEAD_BYTES:
                    break
                if not buffer[:1].isalpha():
                    raise BadRequest(400, "bad request")
                if self._waiting_for != "head":
                    self._head_begun()
                seen = max(0, len(buffer) - 3)
            data = await self.transport.recv()
            if not data:
                raise ClientGone
            self._traffic.bytes_in += len(data)
            buffer = buffer + data if buffer else data.lstrip(b"\r\n")
        if not 0 <= end <= MAX_HEAD_BYTES:
            raise BadRequest(431, "request head too large", buffer[:MAX_HEAD_BYTES])
        self.expect_nothing()
        self._buffer = buffer[end + 4 :]
        return buffer[: end + 4]

    def _head_begun(self) -> None:
        """A part of a head is here. On a new connection the time since accept counts."""
        left = self._deadline - self._wheel.now if self._waiting_for == "first" else NEVER
        self.expect("head", min(left, self._timing.head))

    async def read_body(self, request: Request, limit: int) -> None:
        """Read the request's body, of at most `limit` bytes, into it.

        Raises BadRequest: 413 without reading what is too large, 400 for a bad chunk.
        """
        length = body_length(request)
        if length == 0:
            return
        if length is not None and length > limit:
            raise BadRequest(413, "request body too large")
        if request.header("expect").lower() == "100-continue" and not self._buffer:
            await self.write(_CONTINUE)
        if length is None:
            request.body = await self._read_chunked(limit)
        elif length <= len(self._buffer):
            request.body, self._buffer = self._buffer[:length], self._buffer[length:]
        else:
            request.body = await self._read_exactly(length)
        self.expect_nothing()

    async def _read_exactly(self, length: int) -> bytes:
        self.expect("body", self._timing.body)
        body = bytearray(self._buffer)
        while len(body) < length:
            body += await self.recv()
        self._buffer = bytes(body[length:])
        return bytes(body[:length])

    async def _read_chunked(self, limit: int) -> bytes:
        self.expect("body", self._timing.body)
        decoder = ChunkedBody(limit)
        decoder.feed(self._buffer)
        while not decoder.done:
            decoder.feed(await self.recv())
        self._buffer = decoder.rest
        return bytes(decoder.body)

    # Writing

    async def write(self, data: bytes) -> None:
        """Write all of `data`; ClientGone if the client does not take it in time."""
        transport = self.transport
        self._traffic.bytes_out += len(data)
        try:
            taken = transport.try_send(data)
            if taken < len(data) or transport.unsent:
                await self._write_rest(memoryview(data)[taken:])
        except (OSError, trio.ClosedResourceError):
            raise ClientGone from None

    async def _write_rest(self, rest: memoryview) -> None:
        due = len(rest)
        while rest or self.transport.unsent:
            if len(rest) <= due:
                # The next portion has its own time; a trickle does not renew it.
                due = len(rest) - _WRITE_PORTION_BYTES
                self.expect("write", self._timing.write)
            await self.transport.wait_writable()
            rest = rest[self.transport.try_send(rest) :]
        self.expect_nothing()

    async def respond(self, request: Request, response: Response, *, keep: bool) -> bool:
        """Write one response; `keep` says whether the connection may be used again, and is
        returned. ValueError if a header cannot be written; then nothing was."""
        connection = "" if keep else "close"
        if keep and request.version == "1.0":
            connection = "keep-alive"
        head_only = request.method == "HEAD"
        await self.write(response_bytes(response, head_only=head_only, connection=connection))
        return keep

    async def write_stream_head(self, head: Response) -> None:
        """Write the head of a response that ends with the connection."""
        await self.write(head_bytes(head, length=None, connection="close"))

    async def linger(self) -> None:
        """Half-close and read on for a moment: closing on unread bytes would reset the
        connection and take our answer with it."""
        self.transport.end_writing()
        self.expect("close", self._timing.linger)
        while await self.transport.recv():
            pass
