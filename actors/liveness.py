"""One timer for the liveness of every socket: a wheel of coarse buckets in real time.

A cancel scope per read or write would cost more than the message it guards, and a task per
socket more memory than the socket (socket-facts.md). Deadlines are late by at most one tick.
"""

import math
from typing import Final, Protocol

import structlog
import trio

log = structlog.get_logger(__name__)

TICK_SECONDS: Final = 0.25
NEVER: Final = math.inf


class Timed(Protocol):
    """Something that wants to be looked at by a certain time (trio.current_time() seconds)."""

    timer_slot: int

    def on_timer(self, now: float) -> float:
        """Act on what is due; return when to look again (NEVER: not any more)."""


class TimerWheel:
    """Started by the listener that owns the sockets; ends when it is cancelled.

    An item sits in one bucket at most; its bucket's number is its `timer_slot`, 0 for none.
    `now` is trio.current_time() at the last tick: near enough for what happens per message.
    """

    def __init__(self, tick: float = TICK_SECONDS) -> None:
        self.now = 0.0
        self._tick = tick
        self._buckets: dict[int, set[Timed]] = {}
        self._done = 0

    def watch(self, item: Timed, at: float) -> None:
        """Look at `item` at `at` instead of whenever it was to be looked at before."""
        slot = 0 if at == NEVER else max(int(at / self._tick) + 1, self._done + 1)
        if slot == item.timer_slot:
            return
        self.forget(item)
        if slot:
            item.timer_slot = slot
            self._buckets.setdefault(slot, set()).add(item)

    def watch_sooner(self, item: Timed, at: float) -> None:
        """Look at `item` by `at` at the latest."""
        if not item.timer_slot or at < (item.timer_slot - 1) * self._tick:
            self.watch(item, at)

    def forget(self, item: Timed) -> None:
        """Do not look at `item` any more."""
        if item.timer_slot:
            bucket = self._buckets.get(item.timer_slot)
            if bucket is not None:
                bucket.discard(item)
                if not bucket:
                    del self._buckets[item.timer_slot]
            item.timer_slot = 0

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Turn the wheel until cancelled."""
        self.now = trio.current_time()
        self._done = int(self.now / self._tick) - 1
        task_status.started()
        while True:
            now = self.now = trio.current_time()
            current = int(now / self._tick)
            if self._buckets and current - self._done > len(self._buckets):
                # Caught up after a stall: look only at buckets that exist.
                due = sorted(slot for slot in self._buckets if slot <= current)
            else:
                due = list(range(self._done + 1, current + 1))
            self._done = current
            for slot in due:
                for item in self._buckets.pop(slot, ()):
                    item.timer_slot = 0
                    self._look(item, now)
            await trio.sleep_until((current + 1) * self._tick)

    def _look(self, item: Timed, now: float) -> None:
        try:
            again = item.on_timer(now)
        except Exception:
            # One socket's fault must not stop the timer of all the others.
            log.exception("liveness check failed")
            return
        if not item.timer_slot:
            self.watch(item, again)
