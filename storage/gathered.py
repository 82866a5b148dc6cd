"""Many small statements at once as one: group commit for rows outside the ledger.

A thousand payments asked for together would each wait for a commit of their own, and for one of
the pool's few sessions. Here whoever comes while a statement is under way waits for the next one,
which does the work of all of them. Alone, nobody waits for anybody.
"""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Any, Final, Generic, TypeVar

import trio

from actors.runtime.gathering import gathered
from storage.driver import TrioConnection
from storage.errors import Unavailable
from storage.pool import Pool

I = TypeVar("I")  # noqa: E741  # an item of work
R = TypeVar("R")

LIMIT: Final = 256  # items in one statement


class _Slot(Generic[I, R]):
    """One item, and what became of it. `turn`: it is done, or is to make the next statement."""

    __slots__ = ("done", "error", "item", "result", "turn")

    def __init__(self, item: I) -> None:
        self.item = item
        self.turn = trio.Event()
        self.done = False
        self.result: Any = None
        self.error: Exception | None = None

    def finish(self, result: R | None, error: Exception | None = None) -> None:
        """Tell whoever waits."""
        self.result, self.error = result, error
        self.done = True
        self.turn.set()

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
        self._busy = False  # somebody makes a statement, or is about to

    async def __call__(self, item: I) -> R:
        """The item's result. Raises what the pool raises."""
        slot: _Slot[I, R] = _Slot(item)
        self._waiting.append(slot)
        if self._busy:
            await self._turn_of(slot)
        if not slot.done:
            await self._lead(slot)
        return slot.outcome()

    async def _turn_of(self, slot: _Slot[I, R]) -> None:
        """Return when the slot is done, or is the one to make the next statement."""
        try:
            await slot.turn.wait()
        except trio.Cancelled:
            if slot in self._waiting:
                self._waiting.remove(slot)
                if slot.turn.is_set():
                    self._hand_over()
            raise

    async def _lead(self, slot: _Slot[I, R]) -> None:
        """Make statements until the slot is done."""
        self._busy = True
        try:
            # Taken items are others' too; the pool and its sessions have deadlines.
            with trio.CancelScope(shield=True):
                while not slot.done:
                    await gathered(self._waiting, LIMIT)
                    await self._carry_out(self._taken())
        finally:
            self._hand_over()

    def _hand_over(self) -> None:
        """Whoever waits longest makes the next statement."""
        if self._waiting:
            self._waiting[0].turn.set()
        else:
            self._busy = False

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
                results = await self._run(connection, [slot.item for slot in slots])
        except Exception as error:
            if len(slots) > 1 and not isinstance(error, Unavailable):
                for slot in slots:
                    await self._carry_out([slot])
                return
            for slot in slots:
                slot.finish(None, error)
            return
        for slot, result in zip(slots, results, strict=True):
            slot.finish(result)
