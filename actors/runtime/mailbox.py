"""The bounded queue of messages of one actor."""

from collections import deque
from collections.abc import Callable, Hashable
from enum import Enum
from typing import Any, Generic, TypeVar

import trio
from trio.lowlevel import Abort

from actors.runtime.ask import Envelope
from actors.runtime.failures import Failure

M = TypeVar("M")


class Full(Enum):
    """What a full mailbox does with one message more."""

    REFUSE = "refuse"  # commands: the sender gets OVERLOADED and may try again
    COALESCE = "coalesce"  # state snapshots: the newest of each key replaces the one queued
    DISCONNECT = "disconnect"  # events: never dropped, the mailbox closes; owner is told


class Mailbox(Generic[M]):
    """Messages for one actor, in order; any number of senders, one reader.

    Made by whoever owns the actor (its registry, or app.py) and kept over the actor's restarts.
    `close()` ends it: what is queued is answered, and so is whatever is posted afterwards.
    `leave()` ends only the present reader; what is queued waits for the next one.

    `capacity` is in messages, with COALESCE in keys (a new key that does not fit is refused).
    COALESCE needs `key`, DISCONNECT needs `on_overflow`, called once after closing.
    """

    __slots__ = (
        "_closed",
        "_key",
        "_latest",
        "_leaving",
        "_on_overflow",
        "_queue",
        "_reader",
        "capacity",
        "taken",
    )

    def __init__(
        self,
        capacity: int,
        full: Full = Full.REFUSE,
        *,
        key: Callable[[M], Hashable] | None = None,
        on_overflow: Callable[[], None] | None = None,
    ) -> None:
        assert capacity > 0
        assert (key is not None) == (full is Full.COALESCE)
        assert (on_overflow is not None) == (full is Full.DISCONNECT)
        self.capacity = capacity
        self.taken = 0  # messages ever taken out, for the owner and for metrics
        self._key = key
        self._on_overflow = on_overflow
        # Envelopes; with COALESCE their keys, and `_latest` holds the envelopes.
        self._queue: deque[Any] = deque()
        self._latest: dict[Hashable, Envelope[M]] = {}
        self._reader: trio.lowlevel.Task | None = None
        self._leaving = False
        self._closed: Failure | None = None

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def closed(self) -> Failure | None:
        """What senders are answered since it was closed; OVERLOADED after an overflow."""
        return self._closed

    @property
    def idle(self) -> bool:
        """Whether its reader waits for a message and there is none."""
        return self._reader is not None

    def send(self, message: M) -> Failure | None:
        """Queue a message nobody waits for; None when accepted. Never waits."""
        return self.post(Envelope(message))

    def post(self, envelope: Envelope[M]) -> Failure | None:
        """Queue an envelope; None when accepted. Never waits."""
        if self._closed is not None:
            return self._closed
        if self._key is not None:
            return self._post_latest(self._key(envelope.message), envelope)
        if len(self._queue) >= self.capacity:
            return self._overflow()
        self._queue.append(envelope)
        if self._reader is not None:
            self._wake()
        return None

    async def receive(self) -> Envelope[M] | None:
        """The next message; None when the reader is to end (closed, or told to leave)."""
        await self.wait()
        if self._end_of_reading():
            return None
        return self._take()

    async def drain(self, limit: int) -> list[Envelope[M]]:
        """Up to `limit` messages that are there, at least one; [] when the reader is to end."""
        await self.wait()
        if self._end_of_reading():
            return []
        return [self._take() for _ in range(min(limit, len(self._queue)))]

    async def wait(self) -> None:
        """Return once receive() has something to say. Takes nothing, so cancelling is safe."""
        if self._reader is not None:
            raise trio.BusyResourceError("a mailbox has one reader")
        if self._has_news():
            await trio.lowlevel.checkpoint()
        while not self._has_news():
            self._reader = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._stop_reading)

    def leave(self) -> None:
        """Make the next receive() return None once, whatever is queued."""
        self._leaving = True
        self._wake()

    def stay(self) -> None:
        """Forget a leave() nobody has obeyed: it was meant for the reader before."""
        self._leaving = False

    def answer_all(self, failure: Failure) -> None:
        """Empty the queue, answering everything in it with `failure`."""
        while self._queue:
            self._next().answer(failure)

    def close(self, failure: Failure = Failure.STOPPED) -> None:
        """Accept nothing more, now and for ever; answer everything queued. Idempotent."""
        if self._closed is None:
            self._closed = failure
            self.answer_all(failure)
            self._wake()

    def _post_latest(self, key: Hashable, envelope: Envelope[M]) -> Failure | None:
        older = self._latest.get(key)
        if older is None:
            if len(self._queue) >= self.capacity:
                return Failure.OVERLOADED
            self._queue.append(key)
        else:
            older.answer(Failure.SUPERSEDED)
        self._latest[key] = envelope
        self._wake()
        return None

    def _overflow(self) -> Failure:
        if self._on_overflow is not None:
            self.close(Failure.OVERLOADED)
            self._on_overflow()
        return Failure.OVERLOADED

    def _next(self) -> Envelope[M]:
        item = self._queue.popleft()
        envelope: Envelope[M] = item if self._key is None else self._latest.pop(item)
        return envelope

    def _take(self) -> Envelope[M]:
        self.taken += 1
        return self._next()

    def _has_news(self) -> bool:
        return bool(self._queue) or self._leaving or self._closed is not None

    def _end_of_reading(self) -> bool:
        ending = self._leaving or self._closed is not None
        self._leaving = False
        return ending

    def _wake(self) -> None:
        if self._reader is not None:
            trio.lowlevel.reschedule(self._reader)
            self._reader = None

    def _stop_reading(self, _raise_cancel: object) -> Abort:
        self._reader = None
        return Abort.SUCCEEDED
