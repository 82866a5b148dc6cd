"""When a child is started again: kinds, budget per window, backoff. Pure; times in seconds."""

from dataclasses import dataclass
from enum import Enum


class Restart(Enum):
    """Which ends of a child are followed by a new start."""

    PERMANENT = "permanent"  # every end: it has to be there
    TRANSIENT = "transient"  # only a fault: returning means that its work is done
    TEMPORARY = "temporary"  # none: whoever started it starts it again, or does not


@dataclass(frozen=True, slots=True)
class RestartPolicy:
    """At most `max_restarts` within any `within_s`, each after a jittered, doubling delay."""

    max_restarts: int = 5
    within_s: float = 60.0
    first_delay_s: float = 0.1
    max_delay_s: float = 30.0

    def delay_s(self, attempt: int, jitter: float) -> float:
        """Delay before restart number `attempt` (from 1); `jitter` in [0, 1) takes off up to half.

        Half of it stays certain, so that a crashing child never spins; the other half spreads
        children that crashed together.
        """
        delay = min(self.max_delay_s, self.first_delay_s * 2.0 ** min(attempt - 1, 63))
        return delay * (1.0 - jitter / 2)


class Faults:
    """The recent faults of one child, or of one supervisor's children together."""

    __slots__ = ("_times",)

    def __init__(self) -> None:
        self._times: tuple[float, ...] = ()  # most children never have one

    def add(self, now: float, within_s: float) -> int:
        """Count one more; how many there were within the last `within_s`."""
        self._times = (*(at for at in self._times if at > now - within_s), now)
        return len(self._times)
