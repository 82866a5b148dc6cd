"""The two byte streams to a client: a raw non-blocking socket, and TLS on top of one.

Plain connections bypass Trio's stream layer: a read is one wait and one recv, a write one send
(socket-facts.md measured it). TLS runs the standard library's SSLObject over memory buffers on
the same socket, so that both offer the same `actors.outbox.Transport`.
"""

import contextlib
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Final

import outcome
import trio

from protocols.readiness import Readiness

RECV_BYTES: Final = 16 * 1024
_ABORT: Final = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s


class PlainTransport:
    """A connected, non-blocking socket; owns it."""

    __slots__ = (
        "_ended",
        "_paused",
        "_readiness",
        "_ready",
        "_sock",
        "_taker",
        "_waiting",
        "closed",
    )

    secure = False

    def __init__(self, sock: socket.socket, readiness: Readiness | None = None) -> None:
        """Without `readiness`, waits through Trio."""
        self._sock = sock
        self._readiness = readiness
        self._ready = False  # there may be something to read
        self._ended = False  # and it is the last
        self._waiting: trio.lowlevel.Task | None = None
        self._taker: Callable[[bytes], bool] | None = None
        self._paused = False
        self.closed = False
        if readiness is not None:
            readiness.add(sock.fileno(), self)

    async def recv(self) -> bytes:
        """The next bytes; b"" at the end of the stream, however it came about."""
        while not self.closed:
            try:
                data = await self._readable()
                if data is None and not self.closed:
                    data = self._recv()
                if data is not None:
                    return data
            except (OSError, trio.ClosedResourceError):
                break
        await trio.lowlevel.checkpoint()
        return b""

    def _recv(self) -> bytes | None:
        """What is there, b"" at the end, None for nothing. OSError if the connection is broken."""
        try:
            data = self._sock.recv(RECV_BYTES)
        except (BlockingIOError, InterruptedError):
            self._ready = self._ended
            return None
        # Less than asked for: it is empty now, and whatever comes makes an edge.
        self._ready = self._ended or len(data) == RECV_BYTES
        return data

    def readable(self, ended: bool) -> None:
        """Part of Reader: wake the task that waits, unless the taker takes what is there."""
        self._ready = True
        self._ended = self._ended or ended
        if self._waiting is None or self._paused:
            return
        if self._taker is None or self._ended:
            self._wake(None)
            return
        try:
            data = self._recv()
        except OSError:
            data = b""
        if data is not None and not (data and self._taker(data)):
            self._wake(data)

    def offer_to(self, taker: Callable[[bytes], bool]) -> None:
        """Part of Transport."""
        self._taker = taker

    def pause(self) -> None:
        """Part of Transport."""
        self._paused = True

    def resume(self) -> None:
        """Part of Transport."""
        self._paused = False
        if self._ready:
            self._wake(None)

    def give_back(self, data: bytes) -> None:
        """Part of Transport."""
        self._paused = False
        self._wake(data)

    async def _readable(self) -> bytes | None:
        """Wait for something to read; the bytes, when they have been read already."""
        if self._readiness is None:
            await trio.lowlevel.wait_readable(self._sock)
        elif self._ready:
            await trio.lowlevel.checkpoint()
        else:
            self._waiting = trio.lowlevel.current_task()
            data: bytes | None = await trio.lowlevel.wait_task_rescheduled(self._abort)
            return data
        return None

    def _abort(self, _raise_cancel: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self, data: bytes | None) -> None:
        if self._waiting is not None:
            task, self._waiting = self._waiting, None
            trio.lowlevel.reschedule(task, outcome.Value(data))

    def try_send(self, data: bytes | memoryview) -> int:
        """Bytes the kernel took, 0 if it takes none now. OSError if the connection is broken."""
        try:
            return self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    @property
    def unsent(self) -> bool:
        """A plain socket keeps nothing back."""
        return False

    async def wait_writable(self) -> None:
        """Wait until the kernel takes more. trio.ClosedResourceError if we close meanwhile."""
        if self.closed:
            raise trio.ClosedResourceError
        await trio.lowlevel.wait_writable(self._sock)

    def end_writing(self) -> None:
        """Send FIN; the peer may still send."""
        if not self.closed:
            try:
                self._sock.shutdown(socket.SHUT_WR)
            except OSError:
                self.close()

    def close(self) -> None:
        """Close and wake every waiter."""
        if not self.closed:
            self.closed = True
            if self._readiness is not None:
                self._readiness.remove(self._sock.fileno())
            self._taker = None
            self._wake(None)
            trio.lowlevel.notify_closing(self._sock)
            self._sock.close()

    def abort(self) -> None:
        """Close with a reset, dropping what the kernel still holds."""
        if not self.closed:
            with contextlib.suppress(OSError):
                self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
            self.close()


class TlsTransport:
    """TLS over a PlainTransport. `handshake` must have returned before anything else is used."""

    __slots__ = ("_incoming", "_outgoing", "_pending", "_plain", "_tls")

    secure = True

    def __init__(self, plain: PlainTransport, context: ssl.SSLContext) -> None:
        self._plain = plain
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._pending: memoryview | None = None
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)

    @property
    def closed(self) -> bool:
        """Whether we have closed."""
        return self._plain.closed

    async def handshake(self) -> bool:
        """Agree on keys; False if the peer does not speak TLS or goes away. No timeout."""
        while True:
            try:
                self._tls.do_handshake()
                return await self._flushed()
            except ssl.SSLWantReadError:
                if not await self._flushed() or not await self._fill():
                    return False
            except (ssl.SSLError, OSError):
                self._try_alert()
                return False

    async def recv(self) -> bytes:
        """The next decrypted bytes; b"" at the end, be it closed properly or cut off."""
        while True:
            try:
                data = self._tls.read(RECV_BYTES)
                if data:
                    return data
            except ssl.SSLWantReadError:
                # Reading may have produced an answer of its own (a key update).
                self._try_alert()
                if await self._fill():
                    continue
            except (ssl.SSLError, OSError):
                pass
            await trio.lowlevel.checkpoint()
            return b""

    def offer_to(self, taker: Callable[[bytes], bool]) -> None:
        """Nothing is offered: reading may have to write, so it has a task."""

    def pause(self) -> None:
        """Never called: no taker is asked."""

    def resume(self) -> None:
        """Never called: nothing is paused."""

    def give_back(self, data: bytes) -> None:
        """Never called: nothing was taken."""

    def try_send(self, data: bytes | memoryview) -> int:
        """Bytes encrypted and taken over, 0 while earlier ones still wait in here."""
        if not self._flush():
            return 0
        try:
            taken = self._tls.write(data[:RECV_BYTES])
        except ssl.SSLWantReadError:
            return 0
        self._flush()
        return taken

    @property
    def unsent(self) -> bool:
        """Whether encrypted bytes wait for the socket."""
        return self._pending is not None or self._outgoing.pending > 0

    async def wait_writable(self) -> None:
        """Wait until the socket takes more."""
        await self._plain.wait_writable()

    def end_writing(self) -> None:
        """Send TLS's own goodbye and FIN."""
        # Fails as long as the peer's goodbye has not come; ours is written all the same.
        with contextlib.suppress(ssl.SSLError, OSError):
            self._tls.unwrap()
        self._try_alert()
        self._plain.end_writing()

    def close(self) -> None:
        """Close the socket."""
        self._plain.close()

    def abort(self) -> None:
        """Close the socket with a reset."""
        self._plain.abort()

    async def _fill(self) -> bool:
        """Read ciphertext from the socket; False at its end."""
        data = await self._plain.recv()
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return bool(data)

    async def _flushed(self) -> bool:
        try:
            while not self._flush():
                await self._plain.wait_writable()
        except (OSError, trio.ClosedResourceError):
            return False
        return True

    def _try_alert(self) -> None:
        try:
            self._flush()
        except OSError:
            self._plain.close()

    def _flush(self) -> bool:
        """Write ciphertext as far as the socket takes it; True when none is left."""
        while True:
            if self._pending is None:
                if not self._outgoing.pending:
                    return True
                self._pending = memoryview(self._outgoing.read())
            taken = self._plain.try_send(self._pending)
            if taken < len(self._pending):
                self._pending = self._pending[taken:]
                return False
            self._pending = None


def tls_context(certificate: str, key: str) -> ssl.SSLContext:
    """A server context for the PEM files `certificate` (with its chain) and `key`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(certificate, key)
    return context
