"""Trio's clock, without the time this process could not run.

A machine that is suspended, migrated or snapshotted stops for seconds while its monotonic clock
runs on. Every deadline that ends meanwhile would then fire, although nobody had the chance to
answer: connections to a database that is there time out, sockets with living peers are closed. On
this clock a second has passed when the process could run for a second.
"""

from collections.abc import Callable
from time import monotonic
from typing import Final

from trio.abc import Clock

# Trio is woken at least this often, so that a stop is noticed as one and not taken for sleep.
_NAP_S: Final = 1.0
# Later than this is a stop: far above what a busy machine or a garbage collection takes.
_LATE_S: Final = 1.0


class AwakeClock(Clock):
    """For `trio.run(…, clock=AwakeClock())`. `now` is a monotonic clock in seconds."""

    def __init__(self, now: Callable[[], float] = monotonic) -> None:
        self._now = now
        self._seen = now()
        self._asleep = 0.0  # how long Trio meant to sleep when last seen
        self._lost = 0.0

    def start_clock(self) -> None:
        """Time before the run is no stop."""
        self._seen = self._now()

    def current_time(self) -> float:
        """Seconds since some moment, those stopped left out."""
        now = self._now()
        gap = now - self._seen
        if gap > self._asleep + _LATE_S:
            self._lost += gap - self._asleep
        self._seen = now
        self._asleep = 0.0
        return now - self._lost

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Seconds Trio may sleep now; it looks again when they are over."""
        sleep_s = min(deadline - self.current_time(), _NAP_S)
        self._asleep = max(sleep_s, 0.0)
        return sleep_s
