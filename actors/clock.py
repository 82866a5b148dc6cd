"""The application clock: wall time plus an offset that only ever grows.

Codes, tokens, payments, quotes and rate windows follow this clock; socket liveness follows
Trio's (contract.md, "Clock").
"""

from collections.abc import Callable
from time import time_ns
from typing import Final

import trio

US: Final = 1_000_000
# A sleeper looks at the wall clock at least this often, so that a stepped system clock delays
# it by this much at most.
_LONGEST_NAP: Final = 60.0


class Clock:
    """Integer microseconds since the epoch. `offset_us` starts at what storage remembers."""

    def __init__(self, offset_us: int = 0, wall_us: Callable[[], int] | None = None) -> None:
        """Without `wall_us`, by the system's clock."""
        self.offset_us = offset_us
        self._wall_us = wall_us
        self._moved = trio.Event()

    def now_us(self) -> int:
        """Microseconds since the epoch, now."""
        wall_us = time_ns() // 1000 if self._wall_us is None else self._wall_us()
        return wall_us + self.offset_us

    def now_s(self) -> int:
        """Whole seconds since the epoch, now."""
        return self.now_us() // US

    def advance(self, seconds: int) -> int:
        """Move forward and wake every sleeper; returns the new now_us. Never moves back."""
        if seconds < 0:
            raise ValueError("the clock never goes back")
        if seconds:
            self.offset_us += seconds * US
            moved, self._moved = self._moved, trio.Event()
            moved.set()
        return self.now_us()

    async def sleep_until_us(self, at_us: int) -> None:
        """Return once now_us() has reached `at_us`, by waiting or by the clock being moved."""
        while (left := at_us - self.now_us()) > 0:
            with trio.move_on_after(min(left / US, _LONGEST_NAP)):
                await self._moved.wait()

    async def sleep(self, seconds: float) -> None:
        """Sleep by this clock."""
        await self.sleep_until_us(self.now_us() + round(seconds * US))
