"""Open cashier sockets by the end of their tokens, and the task that closes them then (X-C26)."""

import heapq
from itertools import count
from typing import TYPE_CHECKING, Final

import trio

from actors.clock import Clock

if TYPE_CHECKING:
    from protocols.cashier.session import Session

_SLACK: Final = 64  # closed sockets kept in the heap before it is rebuilt
_LOOK_EVERY: Final = 1.0  # seconds of the application clock, which may also be moved


class Sessions:
    """Started by app.py with the surface; ends when it is cancelled."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._open: set[Session] = set()
        self._by_expiry: list[tuple[int, int, Session]] = []
        self._order = count()

    def __len__(self) -> int:
        return len(self._open)

    def add(self, session: "Session") -> None:
        """Watch over an open socket."""
        self._open.add(session)
        heapq.heappush(self._by_expiry, (session.expires_at_us, next(self._order), session))

    def discard(self, session: "Session") -> None:
        """Forget a closed socket."""
        self._open.discard(session)
        if len(self._by_expiry) > 2 * len(self._open) + _SLACK:
            self._by_expiry = [item for item in self._by_expiry if item[2] in self._open]
            heapq.heapify(self._by_expiry)

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End each socket when its token expires."""
        task_status.started()
        while True:
            now_us = self._clock.now_us()
            while self._by_expiry and self._by_expiry[0][0] <= now_us:
                _, _, session = heapq.heappop(self._by_expiry)
                if session in self._open:
                    session.end()
            await self._clock.sleep(_LOOK_EVERY)
