"""Whoever waits for a payment to move: askers whose reply depends on the provider's answer."""

from collections.abc import Callable

import trio

from actors.payment_store import PaymentStore
from domain.payments import Payment

Holds = Callable[[Payment], bool]


class Watchers:
    """Waiters by payment. Its actor says `moved` after each move that was recorded."""

    def __init__(self, store: PaymentStore) -> None:
        self._store = store
        self._waiting: dict[int, list[_Watcher]] = {}

    def moved(self, payment: Payment) -> None:
        """Wake whoever waited for this; never waits."""
        for watcher in self._waiting.get(payment.id, ()):
            watcher.look(payment)

    async def until(self, payment_id: int, holds: Holds, within_s: float) -> Payment | None:
        """The payment once `holds` is true of it, or as it is when the time is over; None when
        there is no such payment. Raises what storage raises."""
        watcher = _Watcher(holds)
        self._waiting.setdefault(payment_id, []).append(watcher)
        try:
            # After it is known to be watched: no move can slip through in between.
            payment = await self._store.load(payment_id)
            if payment is None or holds(payment):
                return payment
            with trio.move_on_after(within_s):
                await watcher.seen.wait()
            return watcher.payment or payment
        finally:
            self._leave(payment_id, watcher)

    def _leave(self, payment_id: int, watcher: "_Watcher") -> None:
        watchers = self._waiting[payment_id]
        watchers.remove(watcher)
        if not watchers:
            del self._waiting[payment_id]


class _Watcher:
    """One waiter: the last version it was shown."""

    __slots__ = ("_holds", "payment", "seen")

    def __init__(self, holds: Holds) -> None:
        self._holds = holds
        self.payment: Payment | None = None
        self.seen = trio.Event()

    def look(self, payment: Payment) -> None:
        if not self.seen.is_set():
            self.payment = payment
            if self._holds(payment):
                self.seen.set()
