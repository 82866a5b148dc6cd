"""Open cashier sockets by person, and the task that ends those whose token has ended (X-C26)."""

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
        self._open: dict[int, set[Session]] = {}
        self._by_expiry: list[tuple[int, int, Session]] = []
        self._order = count()
        self._count = 0

    def add(self, session: "Session") -> None:
        """Watch over an open socket."""
        self._open.setdefault(session.claims.user_id, set()).add(session)
        self._count += 1
        heapq.heappush(self._by_expiry, (session.expires_at_s, next(self._order), session))

    def discard(self, session: "Session") -> None:
        """Forget a closed socket."""
        mine = self._open.get(session.claims.user_id)
        if mine is not None and session in mine:
            mine.remove(session)
            self._count -= 1
            if not mine:
                del self._open[session.claims.user_id]
        if len(self._by_expiry) > 2 * self._count + _SLACK:
            self._drop_closed()

    def __len__(self) -> int:
        return self._count

    def revoke(self, user_id: int, token_version: int) -> None:
        """End the sockets of tokens issued before `token_version`."""
        for session in list(self._open.get(user_id, ())):
            if session.claims.token_version < token_version:
                session.end()

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """End each socket when its token expires."""
        task_status.started()
        while True:
            self._end_expired()
            await self._clock.sleep(_LOOK_EVERY)

    def _end_expired(self) -> None:
        now_s = self._clock.now_s()
        while self._by_expiry and self._by_expiry[0][0] <= now_s:
            _, _, session = heapq.heappop(self._by_expiry)
            if session in self._open.get(session.claims.user_id, ()):
                session.end()

    def _drop_closed(self) -> None:
        open_ones = {session for mine in self._open.values() for session in mine}
        self._by_expiry = [item for item in self._by_expiry if item[2] in open_ones]
        heapq.heapify(self._by_expiry)
