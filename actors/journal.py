"""The single writer of the ledger: group commit.

One `Journal` stands for the ledger's journal. app.py starts it after storage; it ends with the
process, or when another process has taken the ledger over. While one batch commits, intents
gather in the mailbox; the next batch takes what is there, up to BATCH_LIMIT, so batches adapt to
the load and nobody waits for a timer. Nothing is applied, answered or published before COMMIT.
"""

import time
from collections import deque
from typing import Final, Protocol

import msgspec
import structlog
import trio

from actors.batch import Batch, Command, Counters, build
from actors.clock import Clock
from actors.feed import Feeds
from domain.ledger import Refusal

log = structlog.get_logger(__name__)

BATCH_LIMIT: Final = 512  # storage-facts.md: larger batches gain little and wait longer
# Commands that may wait: at 5,000 a second this is four seconds of work. More is refused.
MAILBOX_LIMIT: Final = 20_000
ANSWER_AFTER: Final = 5.0  # seconds after which askers of an unknown outcome are told so
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

    async def commit(self, batch: Batch, epoch: int) -> None:
        """Write everything of the batch in one transaction."""
        ...

    async def close(self) -> None: ...


class Journal:
    """Mailbox, committer and numbering of the ledger."""

    def __init__(self, store: JournalStore, feeds: Feeds, clock: Clock) -> None:
        self._store = store
        self._feeds = feeds
        self._clock = clock
        self._mailbox: deque[Command] = deque()
        self._wakeup = trio.lowlevel.ParkingLot()
        self._counters = Counters()
        self._epoch = 0
        self._batch = 0
        self._committing = False
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
        command.reserve()
        self._mailbox.append(command)
        if self._wakeup:
            self._wakeup.unpark()
        return None

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Commit batches until cancelled; raises Fenced when this writer was replaced."""
        try:
            await self._reopen()
            task_status.started()
            while True:
                await self._commit(await self._next_batch())
        finally:
            self._stop()
            with trio.move_on_after(2, shield=True):
                await self._store.close()

    async def drain(self) -> None:
        """Return once everything queued is answered (bounded by the caller's deadline)."""
        while self._mailbox or self._committing:
            await trio.sleep(0.005)

    async def _next_batch(self) -> list[Command]:
        self._committing = False
        while not self._mailbox:
            await self._wakeup.park()
        self._committing = True
        mailbox = self._mailbox
        return [mailbox.popleft() for _ in range(min(len(mailbox), BATCH_LIMIT))]

    async def _commit(self, commands: list[Command]) -> None:
        """Commit these commands, splitting around one that the database contradicts."""
        self._batch += 1
        batch = build(commands, self._batch, self._counters, self._now())
        if not batch.commands:
            return
        try:
            # Shielded: a cancelled COMMIT would be ambiguous, and storage has its own deadline.
            with trio.CancelScope(shield=True):
                began = time.perf_counter()
                await self._store.commit(batch, self._epoch)
                self.commit_seconds += time.perf_counter() - began
        except RowConflict as conflict:
            await self._bisect(batch.commands, conflict)
        except NotCommitted:
            await self._lost(batch, known=True)
        except OutcomeUnknown:
            await self._lost(batch, known=False)
        else:
            self._committed(batch)

    async def _bisect(self, commands: list[Command], conflict: RowConflict) -> None:
        if len(commands) == 1:
            log.warning("journal refused", constraint=conflict.constraint)
            commands[0].finish(Refusal.CONFLICT)
            return
        middle = len(commands) // 2
        await self._commit(commands[:middle])
        await self._commit(commands[middle:])

    def _committed(self, batch: Batch) -> None:
        self._counters = batch.counters
        self.committed_batches += 1
        for account in batch.touched:
            account.apply(batch.counters.recorded_us)
        for command, recorded in zip(batch.commands, batch.recorded, strict=True):
            command.finish(recorded)
        for offset, event in batch.published:
            self._feeds.publish(offset, event)

    async def _lost(self, batch: Batch, *, known: bool) -> None:
        """The database went away: find out about `batch` before anything else is done."""
        self.available = False
        log.warning("database lost", outcome_known=known, commands=len(batch.commands))
        waiting, self._mailbox = self._mailbox, deque()
        for command in waiting:
            command.finish(Refusal.UNAVAILABLE)
        if known:
            for command in batch.commands:
                command.finish(Refusal.UNAVAILABLE)
            await self._reopen()
            return
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._tell_unknown, batch)
            landed = await self._reopen()
            nursery.cancel_scope.cancel()
        if landed == batch.number:
            self._committed(batch)
        else:
            for command in batch.commands:
                command.finish(Refusal.UNAVAILABLE)

    async def _tell_unknown(self, batch: Batch) -> None:
        await trio.sleep(ANSWER_AFTER)
        for command in batch.commands:
            command.answer(Refusal.UNKNOWN)

    async def _reopen(self) -> int:
        """Become the writer again, however long it takes; the last batch that landed."""
        attempt = 0
        while True:
            try:
                state = await self._store.open(self._epoch or None)
                break
            except NotCommitted as error:
                if attempt == 0:
                    log.warning("database unavailable", error=str(error))
                await trio.sleep(RETRY_DELAYS[min(attempt, len(RETRY_DELAYS) - 1)])
                attempt += 1
        self._epoch = state.epoch
        self._counters = state.counters
        self._batch = max(self._batch, state.batch)
        self.available = True
        return state.batch

    def _now(self) -> int:
        # Never before the last journal, so that an account's entries are ordered by time too.
        return max(self._clock.now_us(), self._counters.recorded_us)

    def _stop(self) -> None:
        self.available = False
        while self._mailbox:
            self._mailbox.popleft().finish(Refusal.UNAVAILABLE)
