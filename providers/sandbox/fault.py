"""A fault that a simulator plays: for a while, for a number of times, or until it is lifted."""

from collections.abc import Callable
from threading import Lock
from typing import Literal

FaultKind = Literal["down", "slow", "error"]


class Fault:
    """One simulator's switch. May be used from any thread.

    `down`: the provider cannot be had; `error`: it answers that it failed; `slow`: it answers
    later than its clients wait. Seconds are of the application clock.
    """

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._lock = Lock()
        self._kind: FaultKind | None = None
        self._until_us: int | None = None
        self._times: int | None = None

    def set(
        self, kind: FaultKind | None, *, seconds: float | None = None, times: int | None = None
    ) -> None:
        """Play `kind` from now on in place of what was played; None lifts it."""
        with self._lock:
            self._kind = kind
            self._until_us = None if seconds is None else self._now_us() + round(seconds * 1e6)
            self._times = times

    def playing(self) -> FaultKind | None:
        """The fault that is on now; counts nothing."""
        with self._lock:
            expired = self._until_us is not None and self._now_us() >= self._until_us
            return None if expired or self._times == 0 else self._kind

    @property
    def is_counted(self) -> bool:
        """Whether it ends after a number of operations."""
        return self._times is not None

    def take(self, *playable: FaultKind) -> FaultKind | None:
        """The fault to play on this operation, if it is one that can be played there; counts it."""
        with self._lock:
            expired = self._until_us is not None and self._now_us() >= self._until_us
            if expired or self._times == 0:
                self._kind = None
            if self._kind not in playable:
                return None
            if self._times is not None:
                self._times -= 1
            return self._kind
