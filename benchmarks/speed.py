"""How fast this machine is while it is being measured: a fixed piece of work, again and again.

A shared machine halves and doubles its speed from second to second; without this, figures of two
runs say nothing about what lies between them.
"""

import statistics
import time
from typing import Final

_STEPS: Final = 20_000
_PIECES: Final = 200


class Speed:
    """Milliseconds that the work took."""

    def __init__(self) -> None:
        self._took_ms: list[float] = []

    def sample(self) -> None:
        """Do the work for a while."""
        for _ in range(_PIECES):
            began = time.perf_counter()
            kept = {}
            for step in range(_STEPS):
                kept[step & 1023] = (step, step)
            self._took_ms.append(1000 * (time.perf_counter() - began))

    def __str__(self) -> str:
        best, middle, worst = statistics.quantiles(self._took_ms, n=20)[::9]
        return (
            f"A fixed piece of Python ({_STEPS:,} steps) took {middle:.1f} ms in the "
            f"median before and after, {best:.1f} to {worst:.1f} ms nine times in ten."
        )
