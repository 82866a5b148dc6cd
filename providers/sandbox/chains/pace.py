"""How high a simulated chain is: one block a second of real time, counted rather than made.

Blocks without transactions exist only as a number, a time and a hash that follows from them, so
eighteen chains at rest cost nothing. What a restart must not do is go back: a height is promised
ahead in the log, and the next start goes on from the last promise.
"""

from collections.abc import Callable
from typing import Final

from providers.sandbox.chains.log import Log, Record

BLOCK_SECONDS: Final = 1.0
_PROMISED_AHEAD: Final = 60


class Pace:
    """`now` is real time in seconds since the epoch. Records: ["height", promised]."""

    def __init__(self, log: Log, now: Callable[[], float]) -> None:
        self._log = log
        self._now = now
        self._base = 1
        self._since = now()
        self._promised = 0
        self._stalled = False

    def recall(self, record: Record) -> None:
        """A record of an earlier run."""
        self._base = self._promised = max(self._promised, int(record[1]))
        self._since = self._now()

    @property
    def height(self) -> int:
        """Number of the newest block."""
        if self._stalled:
            return self._base
        passed = max(self._now() - self._since, 0.0)
        height = self._base + int(passed / BLOCK_SECONDS)
        if height > self._promised:
            self._promised = height + _PROMISED_AHEAD
            self._log.append("height", self._promised)
        return height

    def time_of(self, number: int) -> int:
        """When a block was made, whole seconds; of earlier runs as if there had been no pause."""
        return int(self._since + (number - self._base) * BLOCK_SECONDS)

    def stall(self) -> None:
        """Make no blocks until resumed."""
        self._base = self.height
        self._stalled = True

    def resume(self) -> None:
        """Go on from where it stalled."""
        if self._stalled:
            self._since = self._now()
            self._stalled = False

    def skip(self, blocks: int) -> None:
        """Make that many blocks at once."""
        self._base = self.height + blocks
        self._since = self._now()
