"""The writer's connection: one prepared statement commits a batch (storage-facts.md)."""

import secrets
from collections.abc import Sequence
from typing import Any, Final

import psycopg
import structlog
import trio
from psycopg.types.numeric import Int8

from actors.batch import Batch, Counters
from actors.journal import (
    Fenced,
    NotCommitted,
    OutcomeUnknown,
    RowConflict,
    Unwritable,
    WriterState,
)
from storage.arrays import Blobs, Int8s, Texts, register
from storage.driver import TrioConnection
from storage.writes import write

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
_COMMIT: Final = """
WITH fence AS (
    UPDATE writer
    SET batch = %(batch)b, last_journal = %(last_journal)b, last_entry = %(last_entry)b,
        last_event = %(last_event)b, last_receipt = %(last_receipt)b, last_us = %(now)b,
        last_hash = %(last_hash)b
    WHERE epoch = %(epoch)b RETURNING 1
), journal AS (
    INSERT INTO journals (id, batch, kind, receipt, initiator, ref, description, fees, quote_id,
                          occurred_us, recorded_us, first_entry, entry_count, hash)
    SELECT id, %(batch)b, kind, receipt, initiator, ref, description, fees, quote_id,
           occurred_us, recorded_us, first_entry, entry_count, hash
    FROM unnest(%(j0)b, %(j1)b, %(j2)b, %(j3)b, %(j4)b, %(j5)b, %(j6)b, %(j7)b, %(j8)b,
                %(j9)b, %(j10)b, %(j11)b, %(j12)b)
        AS n (id, kind, receipt, initiator, ref, description, fees, quote_id, occurred_us,
              recorded_us, first_entry, entry_count, hash)
), entry AS (
    INSERT INTO entries (id, journal_id, account_id, asset, sequence, amount, balance_after,
                         description, recorded_us)
    SELECT id, journal_id, account_id, asset, sequence, amount::numeric, balance_after::numeric,
           description, recorded_us
    FROM unnest(%(e0)b, %(e1)b, %(e2)b, %(e3)b, %(e4)b, %(e5)b, %(e6)b, %(e7)b, %(e8)b)
        AS n (id, journal_id, account_id, asset, sequence, amount, balance_after, description,
              recorded_us)
), balance AS (
    UPDATE balances b
    SET debits_posted = n.debits::numeric, credits_posted = n.credits::numeric,
        debits_pending = n.pending::numeric, sequence = n.sequence,
        last_us = CASE WHEN b.sequence = n.sequence THEN b.last_us ELSE %(now)b END
    FROM unnest(%(b0)b, %(b1)b, %(b2)b, %(b3)b, %(b4)b, %(b5)b, %(b6)b)
        AS n (account_id, debits, credits, pending, sequence, last_sequence, last_pending)
    WHERE b.account_id = n.account_id AND b.sequence = n.last_sequence
      AND b.debits_pending = n.last_pending::numeric
    RETURNING 1
), event AS (
    INSERT INTO events (id, feed, body, recorded_us)
    SELECT id, feed, body, %(now)b FROM unnest(%(v0)b, %(v1)b, %(v2)b) AS n (id, feed, body)
), placed AS (
    INSERT INTO holds (id, account_id, amount, state)
    SELECT id, account_id, amount::numeric, 'placed'
    FROM unnest(%(p0)b, %(p1)b, %(p2)b) AS n (id, account_id, amount)
), closed AS (
    UPDATE holds h SET state = n.state, closed_by = n.journal_id
    FROM unnest(%(c0)b, %(c1)b, %(c2)b, %(c3)b, %(c4)b)
        AS n (id, state, journal_id, account_id, amount)
    WHERE h.id = n.id AND h.state = 'placed' AND h.account_id = n.account_id
      AND h.amount = n.amount::numeric
    RETURNING 1
), remembered AS (
    INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us)
    SELECT scope, key, fingerprint, outcome, %(now)b
    FROM unnest(%(k0)b, %(k1)b, %(k2)b, %(k3)b) AS n (scope, key, fingerprint, outcome)
)
SELECT must((SELECT count(*) FROM fence) = 1, 'writer_epoch'),
       must((SELECT count(*) FROM balance) = %(accounts)b, 'balance_changed'),
       must((SELECT count(*) FROM closed) = %(closings)b, 'hold_not_open')
"""
# How each column travels; None: numeric as text, which is cast in SQL (1.2 µs against 4.5).
_JOURNAL: Final = (
    Int8s, Texts, Int8s, Int8s, Texts, Texts, Texts, Int8s, Int8s, Int8s, Int8s, Int8s, Blobs,
)  # fmt: skip
_ENTRY: Final = (Int8s, Int8s, Int8s, Texts, Int8s, None, None, Texts, Int8s)
_BALANCE: Final = (Int8s, None, None, None, Int8s, Int8s, None)
_EVENT: Final = (Int8s, Texts, Blobs)
_PLACED: Final = (Int8s, Int8s, None)
_CLOSED: Final = (Int8s, Texts, Int8s, Int8s, None)
_KEY: Final = (Texts, Texts, Blobs, Blobs)


class PostgresJournal:
    """Implements actors.journal.JournalStore on one connection of its own."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: TrioConnection | None = None
        self._tried_epoch: int | None = None  # of a take-over whose end was not heard of

    async def open(self, expected_epoch: int | None) -> WriterState:
        await self.close()
        try:
            self._connection = await TrioConnection.connect(self._dsn)
            register(self._connection)
            return await self._take_over(self._connection, expected_epoch)
        except psycopg.OperationalError as error:
            raise NotCommitted(str(error)) from error

    async def _take_over(self, connection: TrioConnection, expected: int | None) -> WriterState:
        await self._same_epoch(connection, expected)
        await connection.execute(_HOLDERS, [WRITER_LOCK])
        await connection.execute("SELECT pg_advisory_lock(%s)", [WRITER_LOCK])
        last_epoch = await self._same_epoch(connection, expected)
        await connection.execute(_SETTINGS)
        # Nobody else picks the same number, so a take-over that was committed just when the
        # connection died is known again as our own.
        self._tried_epoch = last_epoch + 1 + secrets.randbelow(_EPOCH_STRIDE)
        epoch, batch, *last = await _row(connection, _TAKE_OVER, [self._tried_epoch])
        self._tried_epoch = None
        return WriterState(epoch, batch, Counters(*last))

    async def _same_epoch(self, connection: TrioConnection, expected: int | None) -> int:
        (epoch,) = await _row(connection, "SELECT epoch FROM writer")
        if expected is not None and epoch not in (expected, self._tried_epoch):
            raise Fenced(f"epoch {epoch}, expected {expected}")
        return int(epoch)

    async def commit(self, batch: Batch, epoch: int) -> None:
        connection = self._connection
        if connection is None or connection.closed:
            raise NotCommitted("not connected")
        with trio.move_on_after(COMMIT_DEADLINE):
            await self._execute(connection, batch, _params(batch, epoch))
            return
        await self.close()
        raise OutcomeUnknown("the commit took too long")

    async def _execute(
        self, connection: TrioConnection, batch: Batch, params: dict[str, Any]
    ) -> None:
        try:
            if not batch.changes:
                await connection.execute(_COMMIT, params, prepare=True)
                return
            async with connection.transaction():
                await connection.execute(_COMMIT, params, prepare=True)
                for change in batch.changes:
                    await write(connection, change)
        except psycopg.errors.IntegrityError as error:
            constraint = error.diag.constraint_name or "integrity"
            if constraint == "writer_epoch":
                raise Fenced("another process has become the writer") from error
            raise RowConflict(constraint) from error
        except RowConflict:
            raise
        except Exception as error:  # a value that cannot be sent or stored, or the connection
            if not connection.is_idle:
                await self.close()
                raise OutcomeUnknown(str(error)) from error
            if isinstance(error, psycopg.OperationalError):
                raise NotCommitted(str(error)) from error
            raise Unwritable(f"{type(error).__name__}: {error}") from error

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()


async def _row(
    connection: TrioConnection, sql: str, params: Sequence[Any] | None = None
) -> tuple[Any, ...]:
    row = await (await connection.execute(sql, params)).fetchone()
    assert row is not None, "a single-row query answered nothing"
    return row


def _params(batch: Batch, epoch: int) -> dict[str, Any]:
    balances = [
        (
            a.id,
            a.staged_debits,
            a.staged_credits,
            a.staged_pending,
            a.staged_sequence,
            a.sequence,
            a.debits_pending,
        )
        for a in batch.touched
    ]
    params: dict[str, Any] = {
        "batch": Int8(batch.number),
        "epoch": Int8(epoch),
        "now": Int8(batch.counters.recorded_us),
        "last_journal": Int8(batch.counters.journal_id),
        "last_entry": Int8(batch.counters.entry_id),
        "last_event": Int8(batch.counters.event_id),
        "last_receipt": Int8(batch.counters.receipt),
        "last_hash": batch.counters.hash,
        "accounts": Int8(len(balances)),
        "closings": Int8(len(batch.closed)),
    }
    _columns(params, "j", batch.journals, _JOURNAL)
    _columns(params, "e", batch.entries, _ENTRY)
    _columns(params, "b", balances, _BALANCE)
    _columns(params, "v", batch.events, _EVENT)
    _columns(params, "p", batch.placed, _PLACED)
    _columns(params, "c", batch.closed, _CLOSED)
    _columns(params, "k", batch.keys, _KEY)
    return params


def _columns(
    params: dict[str, Any], letter: str, rows: list[tuple[Any, ...]], types: tuple[Any, ...]
) -> None:
    """Turn rows into one array a column: `letter`0, `letter`1 …"""
    columns: Any = zip(*rows, strict=True) if rows else ((),) * len(types)
    for number, (column, kind) in enumerate(zip(columns, types, strict=True)):
        values = Texts(map(str, column)) if kind is None else kind(column)
        params[f"{letter}{number}"] = values
