"""The single writer of the ledger: group commit.

One `Journal` stands for the ledger's journal. app.py starts it after storage; it ends with the
process, or when another process has taken the ledger over. While one batch commits, intents
gather in the mailbox; the next batch takes up to half of those under way, so batches adapt to the
load, nobody waits for a timer, and one half is answered while the other commits: a committed
batch is applied, the next one sent, and then the first one answered. Nothing is applied, answered
or published before COMMIT.
"""

import time
from collections import deque
from collections.abc import Callable
from typing import Final, Protocol

import msgspec
import structlog
import trio

from actors.batch import Batch, Command, Counters, build
from actors.clock import Clock
from actors.feed import Feeds
from domain.ledger import Refusal

log = structlog.get_logger(__name__)

# Larger batches cost less, here and in the database, and more of what they cause leaves together:
# 256 takes a tenth less of our time than 128. But the last of 512 waits for the answers to the 511
# before it, which costs the p99 more than is gained.
BATCH_LIMIT: Final = 256
# Below this, two commits cost more than what working on the other half meanwhile gains.
SMALL_BATCH: Final = 16
# Commands that may wait: at 5,000 a second this is four seconds of work. More is refused.
MAILBOX_LIMIT: Final = 20_000
ANSWER_AFTER: Final = 5.0  # seconds after which askers of an unknown outcome are told so
REOPEN_WITHIN: Final = 1.0  # seconds in which a connection that merely broke is there again
REOPENINGS: Final = 2  # losses in a row that askers are not told of: their batch is tried again
RETRY_DELAYS: Final = (0.05, 0.1, 0.2, 0.5, 1.0)  # the last one repeats


class WriterState(msgspec.Struct, frozen=True):
    """Where the ledger stands: the last numbers committed, and the writer's epoch."""

    epoch: int
    batch: int
    counters: Counters


class NotCommitted(Exception):
    """The batch is provably not in the database; the connection may be gone."""


class OutcomeUnknown(Exception):
    """The connection was lost during the commit."""


class RowConflict(Exception):
    """A row of the batch contradicts the database (a key used twice, a hold closed twice)."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class Unwritable(Exception):
    """The batch holds something the database cannot take (`__cause__` says what); nothing of it
    was committed."""


class Fenced(Exception):
    """Another process has become the writer; this one must end."""


class JournalStore(Protocol):
    """The writer's connection; implemented by storage.journal."""

    async def open(self, expected_epoch: int | None) -> WriterState:
        """Become the one writer: whatever an earlier writer had in flight has ended after this.

        With `expected_epoch`, raises Fenced when somebody else was the writer in between.
        Raises NotCommitted while the database is away.
        """
        ...

    async def commit(self, batch: Batch, epoch: int, meanwhile: Callable[[], None]) -> None:
        """Write everything of the batch in one transaction.

        Calls `meanwhile`, once, before it waits for anything, and when the database has its work
        already if that is possible; what that raises, it raises. It may be left uncalled when the
        batch cannot be sent.

        Raises RowConflict, Unwritable, NotCommitted or Fenced when nothing of it was committed,
        OutcomeUnknown when nobody knows. Anything else counts as not known, and ends the writer.
        """
        ...

    async def close(self) -> None: ...


class Journal:
    """Mailbox, committer and numbering of the ledger."""

    def __init__(self, store: JournalStore, feeds: Feeds, clock: Clock) -> None:
        self._store = store
        self._feeds = feeds
        self._clock = clock
        self._mailbox: deque[Command] = deque()
        self._parts: list[list[Command]] = []  # taken from the mailbox, the next to commit last
        self._current: Batch | None = None  # built, and not committed yet
        self._done: Batch | None = None  # committed and applied, and not answered yet
        self._wakeup = trio.lowlevel.ParkingLot()
        self._idle = False  # whether anybody is parked there
        self._counters = Counters()
        self._epoch = 0
        self._batch = 0
        self._committing = False
        self._last_size = 0  # of the batch before
        self._arrived = 0  # commands since it ended
        self._losses = 0  # of the connection, in a row, that nobody was told of
        self.keys: set[tuple[str, str]] = set()  # (scope, key) of intents accepted and not ended
        self.available = False
        self.committed_batches = 0
        self.commit_seconds = 0.0

    @property
    def journals(self) -> int:
        """Number of the last committed journal."""
        return self._counters.journal_id

    @property
    def queued(self) -> int:
        """Commands waiting for the next batch."""
        return len(self._mailbox)

    def submit(self, command: Command) -> Refusal | None:
        """Queue a decided command; nobody else decides in between. Never waits."""
        if not self.available:
            return Refusal.UNAVAILABLE
        if len(self._mailbox) >= MAILBOX_LIMIT:
            return Refusal.OVERLOADED
        # An asker that went away leaves its command behind: a repeat must wait for its end.
        if command.intent.ticket is not None and not command.claim_key(self.keys):
            return Refusal.IN_PROGRESS
        command.reserve()
        self._mailbox.append(command)
        self._arrived += 1
        if self._idle:
            self._idle = False
            self._wakeup.unpark()
        return None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit batches until cancelled; raises Fenced when this writer was replaced."""
        try:
            await self._reopen()
            self.available = True
            task_status.started()
            while True:
                # Under load nothing else here waits outside a shield.
                await trio.lowlevel.checkpoint_if_cancelled()
                self._parts.append(await self._next_batch())
                while self._parts:
                    await self._commit(self._parts.pop())
        finally:
            self._stop()
            with trio.move_on_after(2, shield=True):
                await self._store.close()

    async def drain(self) -> None:
        """Return once everything queued is answered (bounded by the caller's deadline)."""
        while self._mailbox or self._committing:
            await trio.sleep(0.005)

    async def _next_batch(self) -> list[Command]:
        if not self._mailbox:
            self._answer()  # nothing to send first
        self._committing = False
        self._arrived = 0
        while not self._mailbox:
            self._idle = True
            await self._wakeup.park()
        self._committing = True
        mailbox = self._mailbox
        # If everybody were taken at once, everybody would come back at once too: the database
        # would idle while we answer, and we while it commits.
        away = max(self._last_size - self._arrived, 0)  # answered a moment ago, not back yet
        half = (len(mailbox) + away + 1) // 2
        size = min(len(mailbox), max(half, SMALL_BATCH), BATCH_LIMIT)
        self._last_size = size
        return [mailbox.popleft() for _ in range(size)]

    async def _commit(self, commands: list[Command]) -> None:
        """Commit these commands, splitting around one that the database contradicts."""
        self._batch += 1
        batch = build(commands, self._batch, self._counters, self._now())
        if not batch.commands:
            return
        self._current = batch
        try:
            await self._write(batch)
        except (RowConflict, Unwritable) as problem:
            self._split(batch.commands, problem)
        except NotCommitted:
            await self._lost(batch, known=True)
        except OutcomeUnknown:
            await self._lost(batch, known=False)
        except Fenced:
            _finish(batch.commands, Refusal.UNAVAILABLE)
            raise
        else:
            self._committed(batch)
        self._current = None

    async def _write(self, batch: Batch) -> None:
        """Have it committed; the batch before is answered while the database works."""
        try:
            # Shielded: a cancelled COMMIT would be ambiguous, and storage has its own deadline.
            with trio.CancelScope(shield=True):
                began = time.perf_counter()
                await self._store.commit(batch, self._epoch, self._answer)
                self.commit_seconds += time.perf_counter() - began
        finally:
            self._answer()  # if it was not sent at all

    def _split(self, commands: list[Command], problem: RowConflict | Unwritable) -> None:
        """Try both halves apart; one command alone is refused. Commands know nothing of each
        other, so those before and after it are as good as they were."""
        if len(commands) > 1:
            middle = len(commands) // 2
            self._parts += [commands[middle:], commands[:middle]]
        elif isinstance(problem, RowConflict):
            log.warning("journal refused", constraint=problem.constraint)
            _finish(commands, Refusal.CONFLICT)
        else:
            log.warning("journal not writable", error=str(problem))
            _finish(commands, problem)

    def _committed(self, batch: Batch) -> None:
        """Apply it. Nobody decides anything until it is answered too: nothing waits in between."""
        self._counters = batch.counters
        self._losses = 0
        self.committed_batches += 1
        for account in batch.touched:
            account.apply(batch.counters.recorded_us)
        self._done = batch

    def _answer(self) -> None:
        """Answer and publish what has been committed, if that is still to be done."""
        batch, self._done = self._done, None
        if batch is None:
            return
        for command, recorded in zip(batch.commands, batch.recorded, strict=True):
            command.finish(recorded)
        for offset, event in batch.published:
            self._feeds.publish(offset, event)

    async def _lost(self, batch: Batch, *, known: bool) -> None:
        """The connection is gone: find out about `batch` before anything else is done.

        Where the database is there again at once, a batch that did not land is committed anew
        and nobody hears of it; else everybody who waits is refused until it is back.
        """
        log.warning("database lost", outcome_known=known, commands=len(batch.commands))
        self._losses += 1
        landed = await self._reopen_at_once() if self._losses <= REOPENINGS else None
        if landed is None:
            self._losses = 0
            self._refuse_waiting()
            if known:
                _finish(batch.commands, Refusal.UNAVAILABLE)
                await self._reopen()
            elif await self._reopen_for(batch) == batch.number:
                self._committed(batch)
            else:
                _finish(batch.commands, Refusal.UNAVAILABLE)
            # Not before: nobody may decide on accounts that lack what has landed.
            self.available = True
        elif landed == batch.number:
            self._committed(batch)
        else:
            self._parts.append(batch.commands)

    async def _reopen_at_once(self) -> int | None:
        """Become the writer again if that works now: the last batch that landed, else None."""
        with trio.move_on_after(REOPEN_WITHIN):
            try:
                return self._opened(await self._store.open(self._epoch))
            except NotCommitted as error:
                log.warning("database unavailable", error=str(error))
        return None

    async def _reopen_for(self, batch: Batch) -> int:
        """Become the writer again; whoever waits for `batch` too long is told so."""
        landed: int | Fenced
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_unknown, batch)
            try:
                landed = await self._reopen()
            except Fenced as fenced:  # raised as it is, not in the nursery's group
                landed = fenced
            nursery.cancel_scope.cancel()
        if isinstance(landed, Fenced):
            raise landed
        return landed

    async def _tell_unknown(self, batch: Batch) -> None:
        await trio.sleep(ANSWER_AFTER)
        for command in batch.commands:
            command.answer(Refusal.UNKNOWN)

    async def _reopen(self) -> int:
        """Become the writer again, however long it takes; the last batch that landed."""
        attempt = 0
        while True:
            try:
                return self._opened(await self._store.open(self._epoch or None))
            except NotCommitted as error:
                if attempt == 0:
                    log.warning("database unavailable", error=str(error))
                await trio.sleep(RETRY_DELAYS[min(attempt, len(RETRY_DELAYS) - 1)])
                attempt += 1

    def _opened(self, state: WriterState) -> int:
        self._epoch = state.epoch
        self._counters = state.counters
        self._batch = max(self._batch, state.batch)
        return state.batch

    def _now(self) -> int:
        # Never before the last journal, so that an account's entries are ordered by time too.
        return max(self._clock.now_us(), self._counters.recorded_us)

    def _refuse_waiting(self) -> None:
        """Answer everything that was not tried."""
        self.available = False
        waiting = [*(c for part in self._parts for c in part), *self._mailbox]
        self._parts.clear()
        self._mailbox.clear()
        _finish(waiting, Refusal.UNAVAILABLE)

    def _stop(self) -> None:
        """Leave nobody waiting; what was being committed when everything ended is not known."""
        self._answer()
        self._refuse_waiting()
        if self._current is not None:
            _finish(self._current.commands, Refusal.UNKNOWN)


def _finish(commands: list[Command], result: Refusal | Exception) -> None:
    for command in commands:
        command.finish(result)
