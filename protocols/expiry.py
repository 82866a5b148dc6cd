"""Open sockets by the end of their tokens, and the task that ends them then (X-C26)."""

import heapq
from itertools import count
from typing import Final, Protocol

import trio

from actors.clock import Clock

_SLACK: Final = 64  # closed sockets kept in the heap before it is rebuilt
_LOOK_EVERY: Final = 1.0  # seconds of the application clock, which may also be moved


class Expiring(Protocol):
    """A socket or stream that lives as long as its token."""

    def end(self) -> None:
        """The token has expired; must not wait or raise."""


class Expiries:
    """Started by app.py with the surface; ends when it is cancelled."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: set[Expiring] = set()
        self._by_expiry: list[tuple[int, int, Expiring]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, socket: Expiring, at_us: int) -> None:
        """End `socket` at that time of the application clock."""
        self._open.add(socket)
        heapq.heappush(self._by_expiry, (at_us, next(self._order), socket))

    def discard(self, socket: Expiring) -> None:
        """Forget a closed socket; harmless for one that was never added."""
        self._open.discard(socket)
        if len(self._by_expiry) > 2 * len(self._open) + _SLACK:
            self._by_expiry = [item for item in self._by_expiry if item[2] in self._open]
            heapq.heapify(self._by_expiry)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End each socket when its time has come."""
        task_status.started()
        while True:
            now_us = self._clock.now_us()
            while self._by_expiry and self._by_expiry[0][0] <= now_us:
                _, _, socket = heapq.heappop(self._by_expiry)
                if socket in self._open:
                    socket.end()
            await self._clock.sleep(_LOOK_EVERY)
