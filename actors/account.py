"""One ledger account's money, and the directory that finds it.

An `Account` stands for one row of the ledger while somebody uses it. It is started on demand by
the `Accounts` directory, which recovers it from storage, and ends when it has been idle and the
directory passivates it. Every message to it is handled to completion on the spot (`reserve`,
`release`, and the journal's staging), because no handler ever waits: its mailbox is the queue of
askers that wait for its recovery, so a million accounts cost no tasks. Only the journal changes
posted counters, after its commit.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final, Protocol

import outcome
import trio

from actors.clock import Clock
from actors.runtime.gathering import Turns
from domain.ledger import AccountKey, may_overdraw


class Account:
    """Four counters in units, plus what is reserved by intents on their way to the journal."""

    __slots__ = (
        "alive",
        "created_us",
        "credits_pending",
        "credits_posted",
        "debits_pending",
        "debits_posted",
        "id",
        "in_flight",
        "is_active",
        "is_locked",
        "key",
        "last_us",
        "number",
        "overdraft",
        "reserved",
        "sequence",
        "staged_credits",
        "staged_debits",
        "staged_in",
        "staged_pending",
        "staged_sequence",
    )

    def __init__(  # one argument a column of accounts and balances
        self,
        account_id: int,
        key: AccountKey,
        number: str,
        is_active: bool = True,
        is_locked: bool = False,
        created_us: int = 0,
        debits_posted: int = 0,
        credits_posted: int = 0,
        debits_pending: int = 0,
        credits_pending: int = 0,
        sequence: int = 0,
        last_us: int = 0,
    ) -> None:
        self.id = account_id
        self.key = key
        self.number = number
        self.is_active = is_active
        self.is_locked = is_locked
        self.created_us = created_us
        self.debits_posted = debits_posted
        self.credits_posted = credits_posted
        self.debits_pending = debits_pending
        self.credits_pending = credits_pending
        self.sequence = sequence
        self.last_us = last_us
        self.overdraft = may_overdraw(key)
        self.alive = True  # False once passivated: look it up again
        self.reserved = 0  # decided, not yet committed
        self.in_flight = 0  # intents and askers that must find it alive
        self.staged_in = -1  # the batch the staged counters belong to
        self.staged_debits = self.staged_credits = self.staged_pending = self.staged_sequence = 0

    @property
    def posted(self) -> int:
        """Balance by committed postings, before holds."""
        return self.credits_posted - self.debits_posted

    @property
    def available(self) -> int:
        """What a new debit may take."""
        return self.credits_posted - self.debits_posted - self.debits_pending - self.reserved

    @property
    def frozen(self) -> bool:
        """Whether debits are refused."""
        return self.is_locked or not self.is_active

    def stage(self, batch: int) -> None:
        """Start this batch's counters from the committed ones, once a batch."""
        if self.staged_in != batch:
            self.staged_in = batch
            self.staged_debits = self.debits_posted
            self.staged_credits = self.credits_posted
            self.staged_pending = self.debits_pending
            self.staged_sequence = self.sequence

    def apply(self, recorded_us: int) -> None:
        """The staged counters are committed."""
        if self.staged_sequence != self.sequence:
            self.last_us = recorded_us
        self.debits_posted = self.staged_debits
        self.credits_posted = self.staged_credits
        self.debits_pending = self.staged_pending
        self.sequence = self.staged_sequence


class AccountStore(Protocol):
    """Storage of accounts; implemented by storage.accounts."""

    async def load(self, keys: Sequence[AccountKey]) -> list[Account]:
        """Those of `keys` that exist. Raises StoreUnavailable."""
        ...

    async def open(self, key: AccountKey, created_us: int, number: str | None) -> object:
        """Create the account with zero counters unless it exists; the result is not used. Raises
        StoreUnavailable."""
        ...


# Tasks that sleep until the account is there, and what else is to be called then.
_Waiters = list[trio.lowlevel.Task | Callable[[], None]]

LOAD_BATCH: Final = 512  # accounts per recovery query
LOADERS: Final = 2  # simultaneous recovery queries
_STOPPED: Final = "the account directory has stopped"
RESIDENT_LIMIT: Final = 400_000  # accounts kept in memory, unless told otherwise


class Accounts:
    """The accounts in memory, by key. Started and stopped by app.py as one supervised task."""

    def __init__(
        self, store: AccountStore, clock: Clock, resident_limit: int = RESIDENT_LIMIT
    ) -> None:
        self._store = store
        self._clock = clock
        self.limit = resident_limit
        # Ordered, because the oldest leave first: a plain dict would be searched from its start,
        # past all that have left already.
        self.resident: OrderedDict[AccountKey, Account] = OrderedDict()
        self._wanted: dict[AccountKey, _Waiters] = {}
        self._loading: dict[AccountKey, _Waiters] = {}
        self._turns = Turns(self._wanted)
        self._stopped = False

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Recover wanted accounts, a batch at a time, until cancelled."""
        self._stopped = False
        try:
            async with trio.open_nursery() as nursery:
                for _ in range(LOADERS):
                    nursery.start_soon(self._load_forever)
                task_status.started()
        finally:
            self._stop()

    def peek(self, key: AccountKey) -> Account | None:
        """The account when it is in memory already."""
        return self.resident.get(key)

    async def get(self, key: AccountKey) -> Account | None:
        """The account, recovered from storage if need be; None when it does not exist.

        Hold on to it over an await only if you check `alive` afterwards. Raises StoreUnavailable,
        RuntimeError once the directory has stopped.
        """
        account = self.resident.get(key)
        if account is None:
            account = await self._recover(key)
        return account

    def expect(self, key: AccountKey, then: Callable[[], None] | None = None) -> bool:
        """The account is about to be asked for: begin to recover it. Never waits.

        An expected account that cannot be recovered is nobody's failure; whoever asks for it
        tries again. False when there is nothing to wait for; else `then` is called once, when the
        account is in memory or could not be brought there. It must not wait or raise.
        """
        if key in self.resident or self._stopped:
            return False
        waiters = self._loading.get(key)
        if waiters is None:
            waiters = self._want(key)
        if then is not None:
            waiters.append(then)
        return True

    async def open(self, key: AccountKey, number: str | None = None) -> Account:
        """The account, created with zero balance when it does not exist."""
        # Only a recovery puts an account into memory, and at most one a key is under way: what
        # the opening itself read may be older than what was committed and passivated since. A
        # recovery that began before the row was there says None once more; then ask again.
        while (account := await self.get(key)) is None:
            await self._store.open(key, self._clock.now_us(), number)
        return account

    def adopt(self, found: Sequence[Account]) -> bool:
        """Keep accounts that a read nobody asked for has found; False, and none is, when there
        is no place for all.

        Never over what a recovery found or is about to find. As long as there is place nothing
        has been passivated, so what is not in memory has not changed since it was read.
        """
        if len(self.resident) + len(found) > self.limit:
            return False
        for account in found:
            key = account.key
            if not (key in self.resident or key in self._wanted or key in self._loading):
                self.resident[key] = account
        return True

    def passivate(self) -> None:
        """Drop accounts nobody has in flight, oldest first, down to the limit."""
        excess = len(self.resident) - self.limit
        if excess <= 0:
            return
        idle = (a for a in self.resident.values() if not a.in_flight)
        for account in list(islice(idle, excess)):
            account.alive = False
            del self.resident[account.key]

    async def _recover(self, key: AccountKey) -> Account | None:
        if self._stopped:
            raise RuntimeError(_STOPPED)
        waiters = self._loading.get(key)
        if waiters is None:
            waiters = self._want(key)
        task = trio.lowlevel.current_task()
        waiters.append(task)

        def abort(_: object) -> trio.lowlevel.Abort:
            waiters.remove(task)
            return trio.lowlevel.Abort.SUCCEEDED

        found: Account | Exception | None = await trio.lowlevel.wait_task_rescheduled(abort)
        if isinstance(found, Exception):
            # Many askers raise this one object: none may drag the others' frames along.
            raise found.with_traceback(None)
        if found is not None:
            found.in_flight -= 1
        return found

    def _want(self, key: AccountKey) -> _Waiters:
        """Have the account recovered; the list of those who wait for it."""
        waiters = self._wanted.get(key)
        if waiters is None:
            waiters = self._wanted[key] = []
            self._turns.call()
        return waiters

    async def _load_forever(self) -> None:
        while True:
            async with self._turns.taken():
                keys = list(islice(self._wanted, LOAD_BATCH))
                for key in keys:
                    self._loading[key] = self._wanted.pop(key)
                if keys:  # else the other loader has taken them
                    await self._load(keys)
                    self.passivate()

    async def _load(self, keys: Sequence[AccountKey]) -> None:
        try:
            found = await self._store.load(keys)
        except Exception as error:  # given to whoever asked; the loader itself goes on
            self._answer_all(keys, error)
        else:
            for account in found:
                self.resident[account.key] = account
                self._answer(account.key, account)
            self._answer_all((key for key in keys if key in self._loading), None)

    def _stop(self) -> None:
        """Leave nobody waiting."""
        self._stopped = True
        self._loading.update(self._wanted)
        self._wanted.clear()
        self._answer_all(self._loading, RuntimeError(_STOPPED))

    def _answer_all(self, keys: Iterable[AccountKey], result: Exception | None) -> None:
        for key in list(keys):
            self._answer(key, result)

    def _answer(self, key: AccountKey, result: Account | Exception | None) -> None:
        waiters = self._loading.pop(key)
        tasks = [waiter for waiter in waiters if isinstance(waiter, trio.lowlevel.Task)]
        others = [waiter for waiter in waiters if not isinstance(waiter, trio.lowlevel.Task)]
        waiters.clear()
        if isinstance(result, Account):
            result.in_flight += len(tasks)  # until they run, so that it is alive when they do
        for task in tasks:
            trio.lowlevel.reschedule(task, outcome.Value(result))
        for then in others:
            then()
