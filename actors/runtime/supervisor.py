"""A supervisor: starts children in order, restarts them, stops them in reverse."""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import structlog
import trio

from actors.runtime.child import Child, ChildSpec
from actors.runtime.restarts import Faults, Restart, RestartPolicy

log = structlog.get_logger(__name__)

DEFAULT_RESTARTS: Final = RestartPolicy()


class ChildFailed(Exception):
    """A child did not start, or crashed beyond its intensity; `__cause__` is its fault."""


def ignore(_name: str) -> None: ...


class Supervisor:
    """One nursery and the children in it.

    Started by app.py, or as the child of another supervisor, by running `run`. It ends when
    `stop()` is called or when it is cancelled; either way the children are stopped one by one,
    last started first (`ordered=False`: all at once, for many that do not know each other). It
    fails with ChildFailed, after stopping the rest, when an initial child cannot start, or when
    more than `restarts.max_restarts` faults of its children fall within one window.

    A child that fails before it first reports started is not restarted: its starter is told.
    `jitter` gives numbers in [0, 1). `on_restart` and `on_quarantine` get the name of the child,
    for metrics and alerts; they must not raise.
    """

    def __init__(
        self,
        name: str,
        children: Iterable[ChildSpec] = (),
        *,
        jitter: Callable[[], float],
        restarts: RestartPolicy = DEFAULT_RESTARTS,
        ordered: bool = True,
        on_restart: Callable[[str], None] = ignore,
        on_quarantine: Callable[[str], None] = ignore,
    ) -> None:
        self.name = name
        self._initial = tuple(children)
        self._jitter = jitter
        self._restarts = restarts
        self._ordered = ordered
        self._on_restart = on_restart
        self._on_quarantine = on_quarantine
        self._children: dict[str, Child] = {}
        self._nursery: trio.Nursery | None = None
        self._until_stopped = trio.CancelScope()
        self._faults = Faults()
        self._failure: tuple[str, BaseException | None] | None = None

    @property
    def serving(self) -> bool:
        """Whether children can be started."""
        return self._nursery is not None

    @property
    def children(self) -> tuple[str, ...]:
        """Names of the children that run, or wait to be restarted, in order of start."""
        return tuple(self._children)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Run the children until stopped; started once every initial child has started."""
        self._until_stopped, self._faults, self._failure = trio.CancelScope(), Faults(), None
        async with trio.open_nursery() as nursery:
            self._nursery = nursery
            try:
                with self._until_stopped:
                    if await self._start_initial():
                        task_status.started()
                        await trio.sleep_forever()
            finally:
                self._nursery = None
                # Bounded: every child has a deadline, after which it is cancelled.
                with trio.CancelScope(shield=True):
                    await self._stop_all()
        if self._failure is not None:
            name, fault = self._failure
            raise ChildFailed(f"{self.name}: {name} failed") from fault

    def stop(self) -> None:
        """Make run() stop the children and return. Never waits."""
        self._until_stopped.cancel()

    def spawn(self, spec: ChildSpec) -> Child:
        """Start a child without waiting for it.

        Raises RuntimeError when the supervisor is not serving or has a child of that name.
        """
        if self._nursery is None:
            raise RuntimeError(f"supervisor {self.name} is not serving")
        if spec.name in self._children:
            raise RuntimeError(f"{self.name} has a child {spec.name} already")
        child = self._children[spec.name] = Child(spec)
        self._nursery.start_soon(self._keep, child, name=spec.name)
        return child

    async def start_child(self, spec: ChildSpec) -> None:
        """Start a child and wait until it serves; if this is cancelled, so is the child.

        Raises ChildFailed when the child ended before, RuntimeError as spawn() does.
        """
        child = self.spawn(spec)
        try:
            await child.wait_settled()
        except trio.Cancelled:
            child.scope.cancel()
            raise
        if not child.has_served:
            raise ChildFailed(f"{spec.name} did not start") from child.fault

    async def stop_child(self, name: str) -> None:
        """Stop a child, if there is one of that name, and return when it has ended."""
        child = self._children.get(name)
        if child is not None:
            await self._end([child])

    async def _start_initial(self) -> bool:
        for spec in self._initial:
            try:
                await self.start_child(spec)
            except ChildFailed as failure:
                if not spec.quarantine:
                    self._escalate(spec.name, failure.__cause__)
                    return False
                self._quarantine(spec.name)
        return True

    async def _keep(self, child: Child) -> None:
        """Run incarnations of a child until there is to be no other."""
        try:
            with child.scope:
                while True:
                    await child.run_once()
                    delay_s = self._restart_delay_s(child)
                    if delay_s is None:
                        break
                    await trio.sleep(delay_s)
        finally:
            del self._children[child.spec.name]
            child.end()

    def _restart_delay_s(self, child: Child) -> float | None:
        """Seconds until the child's next incarnation; None when it has had its last."""
        spec = child.spec
        if child.stopping or not child.has_served or spec.restart is Restart.TEMPORARY:
            return None
        if child.fault is None and spec.restart is Restart.TRANSIENT:
            return None
        now, within_s = trio.current_time(), self._restarts.within_s
        attempt = child.faults.add(now, within_s)
        counted = attempt if spec.quarantine else self._faults.add(now, within_s)
        if counted <= self._restarts.max_restarts:
            self._on_restart(spec.name)
            return self._restarts.delay_s(attempt, self._jitter())
        if spec.quarantine:
            self._quarantine(spec.name)
        else:
            self._escalate(spec.name, child.fault)
        return None

    def _quarantine(self, name: str) -> None:
        log.error("child quarantined", supervisor=self.name, child=name)
        self._on_quarantine(name)

    def _escalate(self, name: str, fault: BaseException | None) -> None:
        if self._failure is None:
            log.error("supervisor gives up", supervisor=self.name, child=name)
            self._failure = (name, fault)
        self.stop()

    async def _stop_all(self) -> None:
        remaining = list(reversed(self._children.values()))
        if not self._ordered:
            await self._end(remaining)
            return
        for child in remaining:
            await self._end([child])

    async def _end(self, children: Sequence[Child]) -> None:
        """Stop these together: ask, wait until their deadline, cancel, wait."""
        for child in children:
            child.request_stop()
        try:
            patience_s = max((child.spec.stop_within_s for child in children), default=0.0)
            with trio.move_on_after(patience_s):
                await self._all_ended(children)
        finally:
            for child in children:
                child.scope.cancel()
        await self._all_ended(children)

    async def _all_ended(self, children: Sequence[Child]) -> None:
        for child in children:
            if self._children.get(child.spec.name) is child:
                await child.wait_ended()
