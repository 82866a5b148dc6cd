"""Letting those who are about to ask do so, before one query is made for all of them."""

from collections.abc import Sized
from typing import Final

import trio

_TURNS: Final = 8  # of the scheduler, at most


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
