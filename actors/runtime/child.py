"""One child of a supervisor: how it is run, and the one incarnation that runs now."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog
import trio

from actors.runtime.restarts import Faults, Restart

log = structlog.get_logger(__name__)


def _nothing(_fault: Exception | None) -> None: ...


@dataclass(frozen=True, slots=True)
class ChildSpec:
    """How one child is run.

    `run(task_status=...)` reports started when it can serve. `stop` asks it to end by itself
    (such as its mailbox's `close`): after `stop_within_s` seconds, or at once when there is no
    `stop`, it is cancelled. `on_end` is called once, when it will not run again, with the fault
    that ended it, or None when it returned or was stopped; it must not raise. With `quarantine`
    the child has an intensity of its own, and going past it ends this child alone.
    """

    name: str
    run: Callable[..., Awaitable[None]]
    restart: Restart = Restart.PERMANENT
    quarantine: bool = False
    stop: Callable[[], None] | None = None
    stop_within_s: float = 5.0
    on_end: Callable[[Exception | None], None] = _nothing


class Child:
    """A spec that a supervisor runs, from its first start until it will not run again.

    It is the `task_status` of its incarnations, and their containment: the only place where
    exceptions of a child stop.
    """

    __slots__ = (
        "_ended",
        "_settled",
        "fault",
        "faults",
        "has_served",
        "scope",
        "serving",
        "spec",
        "stopping",
    )

    def __init__(self, spec: ChildSpec) -> None:
        self.spec = spec
        # Shielded, so that a cancelled supervisor can stop its children in order.
        self.scope = trio.CancelScope(shield=True)
        self.serving = False  # the present incarnation has reported started
        self.has_served = False  # some incarnation has
        self.stopping = False
        self.fault: Exception | None = None  # of the last incarnation
        self.faults = Faults()
        self._settled: trio.Event | None = None
        self._ended: trio.Event | None = None

    def started(self, value: None = None) -> None:
        """Part of trio.TaskStatus."""
        self.serving = self.has_served = True
        if self._settled is not None:
            self._settled.set()

    async def run_once(self) -> None:
        """Run one incarnation to its end; how it ended is in `fault`."""
        self.fault = None
        try:
            await self.spec.run(task_status=self)
        except* Exception as group:
            fault = group.exceptions[0] if len(group.exceptions) == 1 else group
            log.error("child crashed", child=self.spec.name, exc_info=fault)
            self.fault = fault
        finally:
            self.serving = False

    async def wait_settled(self) -> None:
        """Until it serves, or has ended without ever serving."""
        self._settled = trio.Event()
        await self._settled.wait()

    async def wait_ended(self) -> None:
        """Until it will not run again. Call it only for a child that is still kept."""
        if self._ended is None:
            self._ended = trio.Event()
        await self._ended.wait()

    def request_stop(self) -> None:
        """Ask it to end by itself if it can, else cancel it."""
        self.stopping = True
        if self.spec.stop is not None and self.serving:
            self.spec.stop()
        else:
            self.scope.cancel()

    def end(self) -> None:
        """It will not run again: tell whoever waits, then the owner."""
        for event in (self._settled, self._ended):
            if event is not None:
                event.set()
        self.spec.on_end(None if self.stopping else self.fault)
