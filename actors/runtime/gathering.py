"""Letting those who are about to ask do so, before one query is made for all of them."""

from collections.abc import AsyncIterator, Sized
from contextlib import asynccontextmanager
from typing import Final

import trio

_TURNS: Final = 8  # of the scheduler, at most
_CROWD: Final = 64  # wanted, for which a second query is made beside the first


async def gathered(waiting: Sized, enough: int) -> None:
    """Return once a turn of the scheduler adds nothing to `waiting`, or there are `enough`.

    Whoever was answered by the same commit asks again within a few turns, and a query for one
    costs as much as ten rows. No timer: with nothing else to do it is one turn, some microseconds.
    """
    seen = 0
    for _ in range(_TURNS):
        if not seen < len(waiting) < enough:
            return
        seen = len(waiting)
        await trio.lowlevel.checkpoint()


class Turns:
    """Which of some loaders makes the next query for what is `wanted`.

    One at a time: while a query is under way the next one grows, and two of half the size cost
    nearly twice as much. Only for a crowd another loader makes a second one.
    """

    def __init__(self, wanted: Sized) -> None:
        self._wanted = wanted
        self._busy = 0
        self._idle = trio.lowlevel.ParkingLot()

    def call(self) -> None:
        """Something has been added."""
        if self._is_due():
            self._idle.unpark()

    @asynccontextmanager
    async def taken(self) -> AsyncIterator[None]:
        """Wait for a turn and have it; something is wanted then, or was just now."""
        while not self._is_due():
            await self._idle.park()
        self._busy += 1
        try:
            yield
        finally:
            self._busy -= 1

    def _is_due(self) -> bool:
        return len(self._wanted) >= (_CROWD if self._busy else 1)
