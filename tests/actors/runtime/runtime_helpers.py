"""What the runtime's tests share."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.runtime.ask import Asks


class Echo(Asks[int]):
    """A question whose answer is its number."""

    def __init__(self, number: int = 0) -> None:
        self.number = number


class CancelAfter(trio.abc.Instrument):
    """Cancels a scope once `steps` steps of any task have been made: every await in turn."""

    def __init__(self, scope: trio.CancelScope, steps: int) -> None:
        self.scope = scope
        self.left = steps

    def after_task_step(self, task: trio.lowlevel.Task) -> None:
        self.left -= 1
        if self.left == 0:
            self.scope.cancel()


async def cancelled_after(steps: int, work: Callable[[], Awaitable[Any]]) -> tuple[bool, Any]:
    """Run `work`, cancelling it after so many steps; (whether it was cancelled, its result)."""
    result = None
    with trio.CancelScope() as scope:
        instrument = CancelAfter(scope, steps)
        if steps == 0:
            scope.cancel()
        trio.lowlevel.add_instrument(instrument)
        try:
            result = await work()
        finally:
            trio.lowlevel.remove_instrument(instrument)
    return scope.cancelled_caught, result


@asynccontextmanager
async def running(part: Any) -> AsyncIterator[trio.Nursery]:
    """A supervisor or registry that has started, and is stopped at the end."""
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda *, task_status: part.run(task_status=task_status))
        try:
            yield nursery
        finally:
            part.stop()


def no_jitter() -> float:
    return 0.0
