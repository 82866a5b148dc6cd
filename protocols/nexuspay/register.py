"""Open update sockets: which of them still have to say who they are, and until when."""

from collections import deque
from typing import Final, Protocol

import trio

from actors.clock import Clock
from protocols.expiry import Expiries

AUTHENTICATE_WITHIN_S: Final = 10.0  # of real time (NXPY-C37, contract.md)
_LOOK_EVERY_S: Final = 0.25


class Waiting(Protocol):
    """A socket that has not said who it is."""

    def too_late(self) -> None:
        """Close, unless it has said so meanwhile; must not wait or raise."""


class Sockets:
    """Started by app.py with the surface; ends when it is cancelled."""

    def __init__(self, clock: Clock) -> None:
        self.expiries = Expiries(clock)
        # All wait equally long, so the first in is the first to be late.
        self._waiting: deque[tuple[float, Waiting]] = deque()

    def wait_for(self, socket: Waiting) -> None:
        """Give a socket that was just opened its time to say who it is."""
        self._waiting.append((trio.current_time() + AUTHENTICATE_WITHIN_S, socket))

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Close sockets in time."""
        async with trio.open_nursery() as nursery:
            await nursery.start(self.expiries.run)
            task_status.started()
            while True:
                await trio.sleep(_LOOK_EVERY_S)
                now = trio.current_time()
                while self._waiting and self._waiting[0][0] <= now:
                    self._waiting.popleft()[1].too_late()
