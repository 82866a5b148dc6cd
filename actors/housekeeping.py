"""What is kept for a while only is forgotten when that is over, a portion at a time.

One `Housekeeping`, started by app.py; it ends with the server. Keys of requests and events of feeds
come with every transfer: kept for ever, they would outgrow the ledger itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
import trio

from actors.clock import US, Clock

log = structlog.get_logger(__name__)

# Well beyond the week that keys are promised to be good for (X-C29).
KEPT_US: Final = 30 * 24 * 3600 * US
EVERY_S: Final = 3600.0  # of the application clock
PAUSE_S: Final = 0.1  # of real time, between portions: whoever has work for the database goes first

Forget = Callable[[int], Awaitable[int]]
"""Forgets a portion of what is older than a time in microseconds; how many rows went."""


class Housekeeping:
    """See the module. `unavailable`: how storage says that it is away."""

    def __init__(
        self, chores: Sequence[Forget], clock: Clock, unavailable: tuple[type[Exception], ...]
    ) -> None:
        self._chores = chores
        self._clock = clock
        self._unavailable = unavailable

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Do the chores again and again until cancelled; what fails is done the next time."""
        task_status.started()
        while True:
            await self._clock.sleep(EVERY_S)
            try:
                for forget in self._chores:
                    await self._all_of(forget)
            except self._unavailable as error:
                log.warning("housekeeping put off", error=str(error))

    async def _all_of(self, forget: Forget) -> None:
        while await forget(self._clock.now_us() - KEPT_US):
            await trio.sleep(PAUSE_S)
