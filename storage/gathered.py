"""Many small statements at once as one: group commit for rows outside the ledger.

A thousand payments asked for together would each wait for a commit of their own, and for one of
the pool's few sessions. Here whoever comes while a statement is under way waits for the next one,
which does the work of all of them. Alone, nobody waits for anybody.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Final, Generic, TypeVar

import trio

from storage.arrays import register
from storage.driver import TrioConnection
from storage.errors import Unavailable
from storage.pool import Pool

I = TypeVar("I")  # noqa: E741  # an item of work
R = TypeVar("R")

LIMIT: Final = 256  # items in one statement


class _Slot(Generic[I, R]):
    """One item, and what became of it."""

    __slots__ = ("done", "error", "item", "result")

    def __init__(self, item: I) -> None:
        self.item = item
        self.done = False
        self.result: Any = None
        self.error: BaseException | None = None

    def outcome(self) -> R:
        if self.error is not None:
            # An exception of its own for everybody who waited.
            raise type(self.error)(*self.error.args) from self.error
        result: R = self.result
        return result


class Gathered(Generic[I, R]):
    """`await gathered(item)` answers what `run` answered for it.

    `run(connection, items)` is one statement, all or nothing, and returns a result for each item
    in order. No two items of one statement have the same `key`. When the statement fails for
    another reason than that the database is away, its items are tried one by one, so that none
    suffers for its neighbour. Waiters are bounded by connections and payments in flight. The item
    of an asker that is cancelled while it waits is forgotten, so that nothing is written long after
    whoever wanted it has gone; one that was begun is carried out all the same.
    """

    def __init__(
        self,
        pool: Pool,
        run: Callable[[TrioConnection, list[I]], Awaitable[Sequence[R]]],
        key: Callable[[I], Hashable] = id,
    ) -> None:
        self._pool = pool
        self._run = run
        self._key = key
        self._waiting: list[_Slot[I, R]] = []
        self._lock = trio.Lock()

    async def __call__(self, item: I) -> R:
        """The item's result. Raises what the pool raises."""
        slot: _Slot[I, R] = _Slot(item)
        self._waiting.append(slot)
        try:
            while not slot.done:
                async with self._lock:
                    if not slot.done:
                        # Taken items are others' too; the pool and its sessions have deadlines.
                        with trio.CancelScope(shield=True):
                            await self._carry_out(self._taken())
        except trio.Cancelled:
            if slot in self._waiting:
                self._waiting.remove(slot)
            raise
        return slot.outcome()

    def _taken(self) -> list[_Slot[I, R]]:
        """What the next statement does, the longest waiting first."""
        taken: dict[Hashable, _Slot[I, R]] = {}
        left = []
        for slot in self._waiting:
            key = self._key(slot.item)
            if len(taken) < LIMIT and key not in taken:
                taken[key] = slot
            else:
                left.append(slot)
        self._waiting = left
        return list(taken.values())

    async def _carry_out(self, slots: list[_Slot[I, R]]) -> None:
        try:
            async with self._pool.connection() as connection:
                register(connection)
                results = await self._run(connection, [slot.item for slot in slots])
        except Exception as error:
            if len(slots) > 1 and not isinstance(error, Unavailable):
                for slot in slots:
                    await self._carry_out([slot])
                return
            for slot in slots:
                slot.error = error
                slot.done = True
            return
        for slot, result in zip(slots, results, strict=True):
            slot.result = result
            slot.done = True
