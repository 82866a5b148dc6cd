"""One client socket speaking WebSocket, and the session that answers it.

An instance stands for one accepted upgrade. The listener starts it after the handshake and runs
`run` in the connection's own task; it ends when either side closes, when the peer stays silent
or stops reading beyond the surface's limits, or when the server drains.

Frames, fragments, close codes and compression are the sans-IO protocol's job; here are the
queue, the clock and the order of messages. The next message is delivered when the session's
`text` has returned, and nothing is read meanwhile, so a client that asks faster than it is
answered is slowed by TCP.

A session that can answer some messages without waiting says so by `Connection.prompt`. Those
never wake the connection's task: they are read, begun and answered from the tasks that learn
of the bytes and of the commit, in the same order and under the same limits.

When the socket dies while the session is inside `text`, the handler is not cancelled at once:
it gets `handler_grace` seconds to see its commit through, because what it awaits may already
be accepted by the ledger. After that it is cancelled, which the ledger accepts at any point:
what was accepted is committed, and the outcome is found by its key.
"""

import logging
from collections.abc import Callable
from typing import Final

import structlog
import trio
from websockets.extensions import Extension
from websockets.frames import CloseCode, Frame, Opcode
from websockets.protocol import OPEN, SERVER
from websockets.protocol import Protocol as WebSocketProtocol

from actors.frames import text_frame
from actors.framing import Framing, is_utf8
from actors.liveness import NEVER
from actors.outbox import Flusher, Outbox, Transport
from actors.session import Prompt, Session, SocketLimits

log = structlog.get_logger(__name__)

# The protocol's own log lines would be one per connection and per bad client.
_silent: Final = logging.getLogger("daftari.websocket")
_silent.disabled = True

# Bytes parsed before their messages are delivered: bounds how many frames a client can make us
# hold at once (an empty frame is 6 bytes on the wire and some 400 in memory).
_PIECE_BYTES: Final = 4096
_MAX_REASON_BYTES: Final = 120
# Unfinished messages of all sockets together. One socket may hold 16 MiB (MPWS-C14), ten
# thousand may not: beyond this, a socket with more than its small share is closed.
_MAX_HELD_BYTES: Final = 256 * 1024 * 1024
_SMALL_HELD_BYTES: Final = 64 * 1024
# Smaller messages grow when they are deflated.
_MIN_DEFLATE_BYTES: Final = 64


class Connection(Outbox):
    """One client socket; sessions and event feeds send through it and may close it."""

    __slots__ = (
        "_closing_by",
        "_failed",
        "_framing",
        "_handling",
        "_heard_at",
        "_held",
        "_leaving",
        "_limits",
        "_next_ping",
        "_open",
        "_parked",
        "_protocol",
        "_scope",
        "close_code",
        "closed_because",
        "prompt",
        "session",
    )

    def __init__(
        self,
        transport: Transport,
        flusher: Flusher,
        limits: SocketLimits,
        extensions: list[Extension],
        *,
        slack: int = 0,
    ) -> None:
        super().__init__(transport, flusher, limits.max_frames, limits.max_bytes)
        self._limits = limits
        self._protocol = WebSocketProtocol(
            SERVER, max_size=limits.max_message + slack, logger=_silent
        )
        self._protocol.extensions = extensions
        self._framing = Framing(self._protocol)
        self._scope = trio.CancelScope()
        self._open = True
        self._failed = False
        self._handling = False
        self._leaving: tuple[int, str] | None = None  # code and reason, once in hand is answered
        self._held = 0  # bytes of an unfinished message
        self._closing_by = NEVER
        self._heard_at = trio.current_time()
        self._next_ping = self._heard_at + limits.ping_interval
        self.session: Session | None = None
        self.prompt: Callable[[bytes], Prompt] | None = None
        self._parked = b""
        self.close_code: int | None = None
        self.closed_because = ""

    @property
    def is_open(self) -> bool:
        """Whether what is sent now still goes out."""
        return self._open

    # Sending

    def send_text(self, data: bytes) -> None:
        """Queue one text message (UTF-8); never waits. Dropped once the socket is closing."""
        if not self._open:
            return
        self._flusher.traffic.messages_out += 1
        if self._limits.life_by_sending:
            self._heard_at = self._flusher.wheel.now
        extensions = self._protocol.extensions
        if extensions and len(data) >= _MIN_DEFLATE_BYTES:
            self.send_bytes(Frame(Opcode.TEXT, data).serialize(mask=False, extensions=extensions))
        else:
            self.send_bytes(text_frame(data))

    def close(self, code: int = CloseCode.NORMAL_CLOSURE, reason: str = "") -> None:
        """Send what is queued, then a close frame; the peer has `close_timeout` to answer."""
        if not self._open:
            return
        if self._protocol.state is OPEN:
            self._protocol.send_close(code, _short(reason))
            self._queue_protocol_writes()
        self._shut(code, reason)

    def leave(self, code: int, reason: str) -> None:
        """As close(), but the message in hand is answered first; none after it is taken."""
        self._leaving = (code, reason)
        if not self._handling:
            self.close(code, reason)

    def _fail(self, code: int, reason: str) -> None:
        """Close without waiting for an answer: the peer is wrong, dead or too slow."""
        if not self._open:
            return
        self._failed = True
        if self._protocol.state is OPEN:
            self._protocol.fail(code, _short(reason))
            self._queue_protocol_writes()
        self._shut(code, reason)

    def _shut(self, code: int, reason: str) -> None:
        self._open = False
        self.close_code = self.close_code or code
        self.closed_because = self.closed_because or reason
        self._closing_by = trio.current_time() + self._limits.close_timeout
        self._flusher.wheel.watch_sooner(self, self._closing_by)

    def _queue_protocol_writes(self) -> None:
        """Queue pongs and close frames as one frame, so that pings cannot fill the queue."""
        writes = self._protocol.data_to_send()
        if frames := b"".join(writes):
            # Beside the bounds: at most one per piece read, and the last thing ever sent.
            self._put(frames)
            if self._queued_bytes > 2 * self.max_bytes:
                self._cut_off("too slow")
        if writes and not writes[-1]:
            self.end_writing_after_queue()

    # What the outbox reports

    def overflowed(self) -> None:
        """256 frames or 1 MiB wait: this reader is too slow (X-C27)."""
        self._flusher.traffic.slow_consumers += 1
        self.drop_queued()
        self._fail(CloseCode.POLICY_VIOLATION, "too slow")

    def stalled(self) -> None:
        """The socket takes no more: it has `write_timeout` seconds."""
        due = self._stalled_since + self._limits.write_timeout
        self._flusher.wheel.watch_sooner(self, due)

    def _cut_off(self, reason: str) -> None:
        """Close at once on a reader so slow that a close frame would not reach it either."""
        if self._open:  # else it is closed for something already
            self._flusher.traffic.slow_consumers += 1
            self.closed_because = reason
        self.lost()

    def lost(self) -> None:
        """Close at once; a handler that is running gets its grace."""
        self._open = False
        self.close_code = self.close_code or CloseCode.ABNORMAL_CLOSURE
        self.transport.abort()
        if self._handling:
            self._scope.deadline = trio.current_time() + self._limits.handler_grace

    # Time

    def start_timer(self) -> None:
        """Begin to watch this socket."""
        self._flusher.wheel.watch(self, self._next_check())

    def on_timer(self, now: float) -> float:
        """Ping, or give up on a peer that is silent, does not read or does not close."""
        if self._closing_by <= now:
            if not self._draining or self._failed:
                self.lost()
                return NEVER
            # The close frame waits behind a queue that is still being read.
            self._closing_by = now + self._limits.close_timeout
        if self._stalled_since + self._limits.write_timeout <= now:
            self._cut_off("write timeout")
            return NEVER
        if self._open and not self._handling:
            if self._heard_at + self._limits.read_timeout <= now:
                self._flusher.traffic.dead_peers += 1
                self._fail(CloseCode.INTERNAL_ERROR, "ping timeout")
            elif self._next_ping <= now:
                self._ping(now)
        return self._next_check()

    def _ping(self, now: float) -> None:
        self._next_ping = now + self._limits.ping_interval
        if self._protocol.state is OPEN and self._stalled_since == NEVER:
            self._protocol.send_ping(b"")
            self._queue_protocol_writes()

    def _next_check(self) -> float:
        at = min(self._closing_by, self._stalled_since + self._limits.write_timeout)
        if not self._open:
            return at
        if self._handling:
            # Not reading is our doing: look again when there can be something to hold against it.
            return min(at, trio.current_time() + self._limits.ping_interval)
        return min(at, self._next_ping, self._heard_at + self._limits.read_timeout)

    # Receiving

    async def run(self, make_session: "Callable[[Connection], Session]", first: bytes) -> None:
        """Serve until the socket is closed. `first` are bytes that came with the handshake."""
        traffic, wheel = self._flusher.traffic, self._flusher.wheel
        self.start_timer()
        try:
            with self._scope:
                self._handling = True
                self.session = make_session(self)
                await self.session.opened()
                self._handled()
                self.transport.offer_to(self._offered)
                data, first = first or await self.transport.recv(), b""
                while data:
                    self._heard_at = wheel.now
                    traffic.bytes_in += len(data)
                    await self._take(data)
                    data = await self.transport.recv()
                self._open = False
        except Exception:
            self._failed_session()
            await self._linger()
        finally:
            self._end()

    def _failed_session(self) -> None:
        """Called while the session's exception is handled."""
        self._flusher.traffic.failures += 1
        log.exception("session failed")
        self._handling = False
        self._fail(CloseCode.INTERNAL_ERROR, "internal error")

    def _offered(self, data: bytes) -> bool:
        """Have `data` answered without waiting, if it is one message that the session can so."""
        prompt = self.prompt
        if prompt is None or not self._open:
            return False
        message = self._framing.whole(data, self._limits.max_message)
        if message is None or not (message.isascii() or is_utf8(message)):
            return False
        try:
            began = prompt(message)
        except Exception:
            self._failed_session()
            return True
        if began is Prompt.DECLINED:
            return False
        if began is Prompt.PARKED:
            self._handling = True
            self._parked = data
            self.transport.pause()
            return True
        traffic = self._flusher.traffic
        traffic.bytes_in += len(data)
        traffic.messages_in += 1
        self._heard_at = self._flusher.wheel.now
        if began is Prompt.BEGUN:
            self._handling = True
            self.expect_answer()
            self.transport.pause()
        return True

    def offer_again(self) -> None:
        """What the PARKED message waited for has come: offer it once more, else deliver it."""
        data, self._parked = self._parked, b""
        self._handling = False
        if not (self._open and self._offered(data)):
            self.transport.give_back(data)
        elif not self._handling:
            self.answered()

    def answered(self) -> None:
        """The answer to a message that was BEGUN is sent: the next may come."""
        self._handled()
        self.transport.resume()

    def _handled(self) -> None:
        """Nothing is in hand."""
        self._handling = False
        self._heard_at = self._flusher.wheel.now
        if self._leaving is not None:
            self.close(*self._leaving)

    async def _take(self, data: bytes) -> None:
        """Parse `data` piece by piece and deliver its messages in order."""
        protocol = self._protocol
        message = self._framing.whole(data, self._limits.max_message) if self._open else None
        if message is not None:
            await self._deliver(Opcode.TEXT, message)
            return
        for start in range(0, len(data), _PIECE_BYTES):
            if start:
                await trio.lowlevel.checkpoint()  # others get a turn between one client's pieces
            for opcode, message in self._framing.feed(data[start : start + _PIECE_BYTES]):
                if self._open:
                    await self._deliver(opcode, message)
            # After the messages, so that answers to them come before a close frame.
            if protocol.writes:
                self._queue_protocol_writes()
            if self._open and protocol.state is not OPEN:
                self._shut_by_peer()
        self._hold(self._framing.held)

    def _hold(self, size: int) -> None:
        """Account for an unfinished message of `size` bytes."""
        if size == self._held:
            return
        traffic = self._flusher.traffic
        traffic.held_bytes += size - self._held
        self._held = size
        if size > _SMALL_HELD_BYTES and traffic.held_bytes > _MAX_HELD_BYTES:
            self._fail(CloseCode.TRY_AGAIN_LATER, "too much at once")

    async def _deliver(self, opcode: Opcode, data: bytes) -> None:
        session = self.session
        assert session is not None
        self._flusher.traffic.messages_in += 1
        self._handling = True
        if opcode is Opcode.BINARY:
            await session.binary(data)
        elif data.isascii() or is_utf8(data):
            await session.text(data)
        else:
            self._fail(CloseCode.INVALID_DATA, "invalid UTF-8")
        self._handled()

    def _shut_by_peer(self) -> None:
        """The protocol has closed: by the peer's close frame or because of what it sent."""
        sent = self._protocol.close_rcvd or self._protocol.close_sent
        code, reason = (sent.code, sent.reason) if sent else (CloseCode.ABNORMAL_CLOSURE, "")
        self._shut(code, reason)

    async def _linger(self) -> None:
        """Read past what the peer still sends until it closes or `close_timeout` is over."""
        while await self.transport.recv():
            pass

    def _end(self) -> None:
        # Still open here: the server is being cancelled, so this is said without waiting.
        self.close(CloseCode.GOING_AWAY, "server stopping")
        if self._dirty:
            self.flush()
        self._flusher.wheel.forget(self)
        self.transport.close()
        self._hold(0)
        # Both hold what holds them: without this, closed sockets would wait for the collector.
        session, self.session, self.prompt = self.session, None, None
        self._protocol.parser.close()
        try:
            if session is not None:
                session.closed()
        except Exception:
            log.exception("session failed while closing")


def _short(reason: str) -> str:
    """A close frame carries at most 123 bytes of reason."""
    return reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore")
