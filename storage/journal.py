"""The writer's connection: one prepared statement commits a batch (storage-facts.md)."""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import psycopg
import structlog
import trio

from actors.batch import Batch, Counters
from actors.journal import (
    Fenced,
    NotCommitted,
    OutcomeUnknown,
    RowConflict,
    Unwritable,
    WriterState,
)
from storage import batch_statement
from storage.driver import TrioConnection
from storage.errors import TROUBLE
from storage.pipeline import as_one
from storage.writes import are_together, gathered_writes, write_all

log = structlog.get_logger(__name__)

# Session-level advisory lock of the one writer; the number is arbitrary and fixed.
WRITER_LOCK: Final = 0x6461667461
_EPOCH_STRIDE: Final = 2**30  # take-overs are few: a bigint lasts for eight thousand million
COMMIT_DEADLINE: Final = 30.0  # seconds; past it the connection is given up, the outcome unknown

# The batch statement joins arrays to primary keys: never by reading a whole table.
_SETTINGS: Final = """
SELECT set_config(name, value, false)
FROM (VALUES ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'),
             ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),
             ('enable_bitmapscan', 'off'), ('enable_material', 'off'),
             ('application_name', 'daftari writer')) AS settings (name, value)
"""
_HOLDERS: Final = """
SELECT pg_terminate_backend(pid) FROM pg_locks
WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND (classid::bigint << 32) | objid::bigint = %s
"""
_TAKE_OVER: Final = """
UPDATE writer SET epoch = %s
RETURNING epoch, batch, last_journal, last_entry, last_event, last_receipt, last_us, last_hash
"""


class PostgresJournal:
    """Implements actors.journal.JournalStore on one connection of its own."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: TrioConnection | None = None
        self._own_epochs: set[int] = set()  # of take-overs whose end was not heard of

    async def open(self, expected_epoch: int | None) -> WriterState:
        await self.close()
        try:
            self._connection = await TrioConnection.connect(self._dsn)
            return await self._take_over(self._connection, expected_epoch)
        except TROUBLE as error:
            raise NotCommitted(str(error)) from error

    async def _take_over(self, connection: TrioConnection, expected: int | None) -> WriterState:
        await self._same_epoch(connection, expected)
        await connection.execute(_HOLDERS, [WRITER_LOCK])
        await connection.execute("SELECT pg_advisory_lock(%s)", [WRITER_LOCK])
        last_epoch = await self._same_epoch(connection, expected)
        await connection.execute(_SETTINGS)
        await batch_statement.prepare(connection)
        # Nobody else picks the same number, so a take-over that was committed just when the
        # connection died is known again as our own. Those before it have come to their end.
        tried = last_epoch + 1 + secrets.randbelow(_EPOCH_STRIDE)
        self._own_epochs = {last_epoch, tried}
        epoch, batch, *last = await _row(connection, _TAKE_OVER, [tried])
        self._own_epochs.clear()
        return WriterState(epoch, batch, Counters(*last))

    async def _same_epoch(self, connection: TrioConnection, expected: int | None) -> int:
        (epoch,) = await _row(connection, "SELECT epoch FROM writer")
        if expected is not None and epoch != expected and epoch not in self._own_epochs:
            raise Fenced(f"another process has become the writer: epoch {epoch}, not {expected}")
        return int(epoch)

    async def commit(self, batch: Batch, epoch: int, meanwhile: Callable[[], None]) -> None:
        connection = self._connection
        if connection is None or not connection.is_quiet():
            # Found before anything is sent: so nobody has to be asked whether it arrived.
            raise NotCommitted("the connection has ended")
        with _judged(connection):
            if not batch.changes:
                batch_statement.begin(connection, batch, epoch)
        meanwhile()
        with trio.move_on_after(COMMIT_DEADLINE), _judged(connection):
            if not batch.changes:
                await batch_statement.end(connection)
            else:
                await _write(connection, batch, epoch)
            return
        await self.close()
        raise OutcomeUnknown("the commit took too long")

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


@contextmanager
def _judged(connection: TrioConnection) -> Iterator[None]:
    """What is raised inside becomes what the journal must know of it; where the session's state
    is in doubt, it is closed."""
    try:
        yield
    except psycopg.errors.IntegrityError as error:
        constraint = error.diag.constraint_name or "integrity"
        if constraint == "writer_epoch":
            raise Fenced("another process has become the writer") from error
        raise RowConflict(constraint) from error
    except RowConflict:
        raise
    except Exception as error:  # a value that cannot be sent or stored, or the connection
        if not connection.is_idle:
            connection.discard()
            raise OutcomeUnknown(str(error)) from error
        if isinstance(error, TROUBLE):
            raise NotCommitted(str(error)) from error
        raise Unwritable(f"{type(error).__name__}: {error}") from error


async def _write(connection: TrioConnection, batch: Batch, epoch: int) -> None:
    """The batch and the rows beside it, in one round trip if all of them can be."""
    if are_together(batch.changes):
        await _pipelined(connection, batch, epoch)
    else:
        async with connection.transaction():
            batch_statement.begin(connection, batch, epoch)
            await batch_statement.end(connection)
            await write_all(connection, batch.changes)


async def _pipelined(connection: TrioConnection, batch: Batch, epoch: int) -> None:
    writes = gathered_writes(batch.changes)
    for statement, _ in writes:
        if not statement.is_known_to(connection):
            await statement.prepare(connection)
    name, params = batch_statement.encode(batch, epoch)
    sends = [partial(statement.send, connection, cells) for statement, cells in writes]
    await as_one(connection, [partial(batch_statement.send, connection, name, params), *sends])


async def _row(
    connection: TrioConnection, sql: str, params: Sequence[Any] | None = None
) -> tuple[Any, ...]:
    row = await (await connection.execute(sql, params)).fetchone()
    assert row is not None, "a single-row query answered nothing"
    return row
