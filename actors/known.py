"""What storage says of people, in memory: always what was committed last.

This process is the only writer of people, and every commit is published here before anybody is
told of it; so what is kept needs no expiry. What is cold is read in batches, many askers to a
query.
"""

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import trio

from actors.identity_store import StoreUnavailable
from actors.runtime.gathering import Turns

V = TypeVar("V")

LOAD_BATCH: Final = 256  # people per query
LOADERS: Final = 2  # simultaneous queries
COLD_LIMIT: Final = 20_000  # people who are being looked up; a storm beyond it is refused
# How long after an unconfirmed write its commit could still arrive: a dead session's last
# statement is finished or rolled back well within it (real seconds).
DOUBT_S: Final = 60.0
_STOPPED: Final = "the people in memory have stopped"


class _Load(Generic[V]):
    """One read under way; `published` is set by a commit that happens meanwhile."""

    __slots__ = ("again", "done", "error", "published", "then", "value")

    def __init__(self) -> None:
        self.done = trio.Event()
        self.value: V | None = None
        self.published = False
        self.again = False
        self.error: str | None = None
        self.then: list[Callable[[], None]] = []  # to be called at the end

    def end(self) -> None:
        """Wake everybody who waits."""
        self.done.set()
        for then in self.then:
            then()


class Known(Generic[V]):
    """One value a person, for at most `limit` people; the least recently used go first.

    `read` answers for those of some user ids that there is an answer for. `run` is a supervised
    task.
    """

    def __init__(
        self, read: Callable[[Sequence[int]], Awaitable[Mapping[int, V]]], limit: int
    ) -> None:
        self._read = read
        self._limit = limit
        self._kept: OrderedDict[int, V] = OrderedDict()
        self._loads: dict[int, _Load[V]] = {}
        self._wanted: list[int] = []
        self._turns = Turns(self._wanted)
        self._doubts: dict[int, float] = {}
        self._serving = False

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Read what is cold until cancelled."""
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(LOADERS):
                    nursery.start_soon(self._load_forever)
                self._serving = True
                task_status.started()
        finally:
            self._serving = False
            wanted = self._wanted.copy()
            self._wanted.clear()
            self._fail(wanted, _STOPPED)

    def peek(self, user_id: int) -> V | None:
        """The value when it is in memory."""
        return self._kept.get(user_id)

    async def get(self, user_id: int) -> V | None:
        """The person's value; None when there is none.

        Raises StoreUnavailable while a cold one cannot be read.
        """
        value = self._kept.get(user_id)
        if value is not None:
            self._kept.move_to_end(user_id)
            return value
        load = self._loads.get(user_id) or self._want(user_id)
        await load.done.wait()
        if load.error is not None:
            raise StoreUnavailable(load.error)
        return load.value

    def expect(self, user_id: int, then: Callable[[], None]) -> bool:
        """Have the person's value read and call `then` once when it was, or could not be.

        False when there is nothing to wait for. `then` must not wait or raise.
        """
        if user_id in self._kept:
            return False
        try:
            load = self._loads.get(user_id) or self._want(user_id)
        except StoreUnavailable:
            return False
        load.then.append(then)
        return True

    def publish(self, user_id: int, value: V) -> None:
        """This is committed: everybody sees it from now on."""
        self._doubts.pop(user_id, None)
        self._keep(user_id, value)
        load = self._loads.get(user_id)
        if load is not None:
            load.value, load.published = value, True

    def learn(self, user_id: int, value: V) -> None:
        """What a read of something else has found by the way; what is in memory is no older."""
        if user_id not in self._kept:
            self._keep(user_id, value)

    def doubt(self, user_id: int) -> None:
        """A write of this person was not confirmed: for a while every look goes to storage."""
        self._doubts[user_id] = trio.current_time() + DOUBT_S
        self._kept.pop(user_id, None)
        load = self._loads.get(user_id)
        if load is not None:
            load.published, load.again = False, True

    def _keep(self, user_id: int, value: V) -> None:
        until = self._doubts.get(user_id)
        if until is not None:
            if trio.current_time() < until:
                return
            del self._doubts[user_id]
        self._kept[user_id] = value
        self._kept.move_to_end(user_id)
        if len(self._kept) > self._limit:
            self._kept.popitem(last=False)

    def _want(self, user_id: int) -> _Load[V]:
        if not self._serving:
            raise StoreUnavailable(_STOPPED)
        if len(self._loads) >= COLD_LIMIT:
            raise StoreUnavailable("too many cold people are asked for at once")
        load = self._loads[user_id] = _Load()
        self._wanted.append(user_id)
        self._turns.call()
        return load

    async def _load_forever(self) -> None:
        while True:
            async with self._turns.taken():
                user_ids = self._wanted[:LOAD_BATCH]
                del self._wanted[:LOAD_BATCH]
                if user_ids:  # else the other loader has taken them
                    await self._load(user_ids)

    async def _load(self, user_ids: Sequence[int]) -> None:
        try:
            found = await self._read(user_ids)
        except StoreUnavailable as error:
            self._fail(user_ids, str(error))
        except BaseException:
            self._fail(user_ids, _STOPPED)
            raise
        else:
            for user_id in user_ids:
                self._finish(user_id, found.get(user_id))

    def _finish(self, user_id: int, value: V | None) -> None:
        load = self._loads[user_id]
        if load.again:  # what was read may be older than the write in doubt
            load.again = False
            self._wanted.append(user_id)
            self._turns.call()
            return
        del self._loads[user_id]
        if not load.published:
            load.value = value
            if value is not None:
                self._keep(user_id, value)
        load.end()

    def _fail(self, user_ids: Sequence[int], error: str) -> None:
        for user_id in user_ids:
            load = self._loads.pop(user_id)
            load.error = None if load.published else error
            load.end()
