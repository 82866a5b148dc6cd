"""The bounded outbound queue of one client socket, and the task that empties all of them.

Nobody who sends ever waits for a socket (X-C27): `send_bytes` queues and marks the outbox; one
flusher writes every marked outbox on the scheduler's next round, so that everything one read
or one commit caused leaves in one system call. What comes for a client that is about to be
answered goes with the answer, if that is not long in coming: a system call costs as much as a
tenth of a transfer. A socket that takes no more gets a task of its own until it does; a queue
that grows past its bounds costs its own connection, nothing else.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog
import trio

from actors.liveness import NEVER, TimerWheel

log = structlog.get_logger(__name__)

# What one system call is given at most; also what one write timeout has to see through.
_CHUNK_BYTES: Final = 64 * 1024
# Outboxes written before other tasks get a turn.
_FLUSH_BATCH: Final = 256
# Seconds that something waits for an answer to go with: at least one of these, at most two.
HOLD_S: Final = 0.15


class Transport(Protocol):
    """A byte stream to one client, plain or TLS."""

    @property
    def secure(self) -> bool:
        """Whether it is encrypted."""

    async def recv(self) -> bytes:
        """The next bytes, at most 64 KiB; b"" once the peer or we have closed."""

    def offer_to(self, taker: Callable[[bytes], bool]) -> None:
        """From now on show what arrives to `taker` first: what it takes is not received.

        It must not wait or raise. A transport may also never ask it.
        """

    def pause(self) -> None:
        """Offer nothing and receive nothing until `resume`; called by a taker."""

    def resume(self) -> None:
        """Go on after `pause`."""

    def give_back(self, data: bytes) -> None:
        """Go on after `pause` by receiving what the taker took and cannot use after all."""

    def try_send(self, data: bytes | memoryview) -> int:
        """Hand over what fits without waiting; how many bytes were taken. OSError if broken."""

    @property
    def unsent(self) -> bool:
        """Whether bytes already taken still wait inside the transport."""

    async def wait_writable(self) -> None:
        """Wait until try_send may take more. OSError or trio.ClosedResourceError if closed."""

    def end_writing(self) -> None:
        """Tell the peer that nothing more follows."""

    def close(self) -> None:
        """Close at once and wake whoever waits; may be called twice."""

    def abort(self) -> None:
        """Close and throw away what the kernel still holds for a peer that does not read."""


@dataclass(slots=True)
class Traffic:
    """Running totals of one listener; plain integers, read when metrics are scraped."""

    connections: int = 0
    sockets: int = 0
    streams: int = 0
    accepted: int = 0
    refused: int = 0
    requests: int = 0
    messages_in: int = 0
    messages_out: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    slow_consumers: int = 0
    dead_peers: int = 0
    held_bytes: int = 0
    failures: int = 0


class Flusher:
    """Writes marked outboxes; one per listener, started by it, ends when it is cancelled."""

    def __init__(self, wheel: TimerWheel, traffic: Traffic) -> None:
        self.wheel = wheel
        self.traffic = traffic
        self._dirty: list[Outbox] = []
        self._held: list[Outbox] = []
        self._held_before: list[Outbox] = []  # when the time was looked at last
        self._holding = trio.lowlevel.ParkingLot()
        self._parked: trio.lowlevel.Task | None = None
        self._nursery: trio.Nursery | None = None

    def mark(self, outbox: "Outbox") -> None:
        """Write `outbox` on the next round."""
        self._dirty.append(outbox)
        if self._parked is not None:
            task, self._parked = self._parked, None
            trio.lowlevel.reschedule(task)

    def hold(self, outbox: "Outbox") -> None:
        """Release `outbox` when it has waited long enough."""
        self._held.append(outbox)
        if self._holding:
            self._holding.unpark()

    def drain_later(self, outbox: "Outbox") -> None:
        """Give `outbox` a task until its socket has taken everything."""
        if self._nursery is not None:
            self._nursery.start_soon(outbox.drain)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Flush until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                self._nursery.start_soon(self._release_forever)
                task_status.started()
                while True:
                    await self._write_marked()
                    # Parked with no local left that keeps a closed socket alive.
                    if self._dirty:
                        await trio.lowlevel.checkpoint()
                    else:
                        await self._park()
        finally:
            self._nursery = None

    async def _release_forever(self) -> None:
        while True:
            if not (self._held or self._held_before):
                await self._holding.park()
            await trio.sleep(HOLD_S)
            for outbox in self._held_before:
                outbox.release()
            self._held_before, self._held = self._held, []

    async def _write_marked(self) -> None:
        batch, self._dirty = self._dirty, []
        for count, outbox in enumerate(batch, 1):
            try:
                outbox.flush()
            except Exception:
                # One socket's fault must not stop the writer of all the others.
                log.exception("writing to a client failed")
            if not count % _FLUSH_BATCH:
                await trio.lowlevel.checkpoint()

    async def _park(self) -> None:
        self._parked = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self._parked = None
            return trio.lowlevel.Abort.SUCCEEDED

        await trio.lowlevel.wait_task_rescheduled(abort)


class Outbox(ABC):
    """Base of everything that writes to one socket from many places.

    `max_frames` and `max_bytes` bound what may wait; a single frame larger than `max_bytes` is
    let through when nothing else waits. Subclasses say what a full queue (`overflowed`) and a
    broken or stalled socket (`lost`) mean.
    """

    __slots__ = (
        "_answer_due",
        "_chunk",
        "_chunk_frames",
        "_dirty",
        "_draining",
        "_end_after",
        "_flusher",
        "_queue",
        "_queued_bytes",
        "_render",
        "_stalled_since",
        "_waiting",
        "max_bytes",
        "max_frames",
        "timer_slot",
        "transport",
    )

    def __init__(
        self, transport: Transport, flusher: Flusher, max_frames: int, max_bytes: int
    ) -> None:
        self.transport = transport
        self.max_frames = max_frames
        self.max_bytes = max_bytes
        self.timer_slot = 0
        self._flusher = flusher
        self._queue: list[bytes] = []
        self._queued_bytes = 0  # of _queue and _chunk together
        self._render: Callable[[], None] | None = None
        self._chunk: memoryview | None = None
        self._chunk_frames = 0
        self._dirty = False
        self._answer_due = False
        self._waiting = False  # for the answer, with frames in _queue
        self._draining = False
        self._end_after = False
        self._stalled_since = NEVER

    def send_bytes(self, frame: bytes) -> None:
        """Queue one frame; never waits. Full: `overflowed`."""
        if self._queued_bytes and self._is_full(len(frame)):
            self.flush()
            if self._is_full(len(frame)):
                self.overflowed()
                return
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        if not self._answer_due:
            self._mark()
        elif not self._waiting:
            self._waiting = True
            self._flusher.hold(self)

    def expect_answer(self) -> None:
        """Something is about to be rendered: what is sent before may wait for it, a while."""
        self._answer_due = True

    def release(self) -> None:
        """What was held has waited long enough."""
        self._waiting = False
        if self._queue:
            self._mark()

    def render_later(self, render: Callable[[], None]) -> None:
        """Call `render`, which sends something, just before the next write; one at a time.

        So whoever knows first that there is an answer does not spend its own turn on making it.
        """
        self._render = render
        self._answer_due = False
        self._mark()

    def _put(self, frame: bytes) -> None:
        self._queue.append(frame)
        self._queued_bytes += len(frame)
        self._mark()

    def _mark(self) -> None:
        if not self._dirty and (not self._draining or self._render is not None):
            self._dirty = True
            self._flusher.mark(self)

    def _is_full(self, more: int) -> bool:
        waiting = self._queued_bytes
        return waiting > 0 and (
            waiting + more > self.max_bytes
            or len(self._queue) + self._chunk_frames >= self.max_frames
        )

    def drop_queued(self) -> None:
        """Forget frames of which nothing has been sent yet."""
        self._queue.clear()
        self._queued_bytes = len(self._chunk) if self._chunk is not None else 0

    def end_writing_after_queue(self) -> None:
        """Close our direction once everything queued has been sent."""
        self._end_after = True
        self._mark()

    @property
    def pending(self) -> bool:
        """Whether anything still waits to be sent."""
        return self._queued_bytes > 0 or self._dirty or self._draining

    def flush(self) -> None:
        """Send what the socket takes now; the rest goes to a task of its own."""
        if self._render is not None:
            render, self._render = self._render, None
            try:
                render()
            except Exception:  # its asker would wait for ever: rather a socket that ends
                log.exception("an answer could not be made")
                self._gone()
        self._dirty = False
        if self._draining:
            return
        try:
            finished = self._send_queued()
        except (OSError, trio.ClosedResourceError):
            self._gone()
            return
        if not finished:
            self._draining = True
            self._flusher.drain_later(self)

    async def drain(self) -> None:
        """Keep writing until the queue is empty or the socket is gone."""
        try:
            while True:
                await self.transport.wait_writable()
                if self._send_queued():
                    break
            self._draining = False
        except (OSError, trio.ClosedResourceError):
            self._gone()
        except Exception:
            log.exception("writing to a client failed")
            self._gone()

    def _send_queued(self) -> bool:
        """Write until the socket takes no more; tell whether everything is out."""
        while self._queued_bytes:
            chunk = self._chunk or self._next_chunk()
            taken = self.transport.try_send(chunk)
            self._queued_bytes -= taken
            self._flusher.traffic.bytes_out += taken
            if taken < len(chunk):
                self._chunk = memoryview(chunk)[taken:]
                self._stall()
                return False
            self._chunk = None
            self._chunk_frames = 0
            self._stalled_since = NEVER
        if self.transport.unsent:
            self._stall()
            return False
        self._stalled_since = NEVER
        if self._end_after:
            self._end_after = False
            self.transport.end_writing()
        return True

    def _next_chunk(self) -> bytes:
        """Take what one system call is given out of the queue."""
        frames = self._queue
        if self._queued_bytes <= _CHUNK_BYTES:
            self._queue = []
        else:
            count, size = 0, 0
            while count < len(frames) and size < _CHUNK_BYTES:
                size += len(frames[count])
                count += 1
            frames, self._queue = frames[:count], frames[count:]
        self._chunk_frames = len(frames)
        return b"".join(frames)

    def _stall(self) -> None:
        if self._stalled_since == NEVER:
            self._stalled_since = trio.current_time()
            self.stalled()

    def _gone(self) -> None:
        self._queue.clear()
        self._queued_bytes = 0
        self._chunk = None
        self._draining = False
        self.lost()

    @abstractmethod
    def overflowed(self) -> None:
        """The bounds are reached: this reader is too slow."""

    @abstractmethod
    def stalled(self) -> None:
        """The socket has stopped taking; called once when that begins."""

    @abstractmethod
    def lost(self) -> None:
        """The socket is broken or closed; nothing more can be sent."""
