"""The one statement that commits a batch, and how a batch becomes its parameters.

It is prepared by name and executed without psycopg's cursor: finding 48 dumpers for every commit
cost more than the commit of a small batch (benchmarks/RESULTS.md).
"""

import re
from collections.abc import Callable, Sequence
from struct import error as DoesNotFit
from typing import Any, Final

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen

from actors.batch import Batch
from storage.arrays import BYTEA_ARRAY, INT8_ARRAY, TEXT_ARRAY, blobs, int8, int8s, labels, texts
from storage.driver import TrioConnection

_SQL: Final = """
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
_INT8: Final = 20
_BYTEA: Final = 17
_SCALARS: Final = (
    *("batch", "epoch", "now", "last_journal", "last_entry", "last_event", "last_receipt"),
    *("last_hash", "accounts", "closings"),
)


def _amounts(values: Sequence[int]) -> bytes:
    """As bigint[], which covers ninety thousand million of anything; DoesNotFit beyond."""
    return int8s(values)


def _large_amounts(values: Sequence[int]) -> bytes:
    return texts([str(value) for value in values])


# Columns of each table by the letter the statement knows it by.
_TABLES: Final[dict[str, tuple[Callable[[Any], bytes], ...]]] = {
    "j": (
        *(int8s, labels, int8s, int8s, texts, labels, labels, int8s),
        *(int8s, int8s, int8s, int8s, blobs),
    ),
    "e": (int8s, int8s, int8s, labels, int8s, _amounts, _amounts, labels, int8s),
    "b": (int8s, _amounts, _amounts, _amounts, int8s, int8s, _amounts),
    "v": (int8s, texts, blobs),
    "p": (int8s, int8s, _amounts),
    "c": (int8s, labels, int8s, int8s, _amounts),
    "k": (texts, texts, blobs, blobs),
}
_OIDS: Final = {int8s: INT8_ARRAY, texts: TEXT_ARRAY, labels: TEXT_ARRAY, blobs: BYTEA_ARRAY}
_NAMES: Final = (
    *_SCALARS,
    *(f"{letter}{n}" for letter, columns in _TABLES.items() for n in range(len(columns))),
)
_NUMBERED: Final = re.sub(
    r"%\((\w+)\)b", lambda match: f"${_NAMES.index(match[1]) + 1}", _SQL
).encode()
_FORMATS: Final = [pq.Format.BINARY] * len(_NAMES)
_NONE: Final[dict[Callable[[Any], bytes], bytes]] = {
    kind: kind(()) for kind in (int8s, texts, labels, blobs, _amounts, _large_amounts)
}
# The same statement for amounts that fit in 64 bits, and for those that travel as text.
_SMALL, _LARGE = b"commit_small", b"commit_large"


async def prepare(connection: TrioConnection) -> None:
    """Make the statement known to this session."""
    for name, amounts in ((_SMALL, INT8_ARRAY), (_LARGE, TEXT_ARRAY)):
        scalars = [_BYTEA if scalar == "last_hash" else _INT8 for scalar in _SCALARS]
        oids = [_OIDS.get(kind, amounts) for columns in _TABLES.values() for kind in columns]
        await connection.wait(_prepare(connection.pgconn, name, scalars + oids))


def begin(connection: TrioConnection, batch: Batch, epoch: int) -> None:
    """Hand the batch to the database without waiting; raises psycopg's errors."""
    name, params = encode(batch, epoch)
    send(connection, name, params)
    connection.pgconn.flush()  # what does not fit is sent by `end`


async def end(connection: TrioConnection) -> None:
    """Wait for what was begun; raises psycopg's errors."""
    await connection.wait(_result(connection.pgconn))


def send(connection: TrioConnection, name: bytes, params: list[bytes]) -> None:
    """Queue the statement; whoever drives the protocol fetches its result."""
    connection.pgconn.send_query_prepared(name, params, _FORMATS, result_format=pq.Format.BINARY)


def encode(batch: Batch, epoch: int) -> tuple[bytes, list[bytes]]:
    """Which form of the statement, and its parameters in order."""
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
    last = batch.counters
    params = [
        *map(int8, (batch.number, epoch, last.recorded_us, last.journal_id, last.entry_id)),
        *map(int8, (last.event_id, last.receipt)),
        last.hash,
        *map(int8, (len(balances), len(batch.closed))),
    ]
    tables = (
        batch.journals,
        batch.entries,
        balances,
        batch.events,
        batch.placed,
        batch.closed,
        batch.keys,
    )
    try:
        return _SMALL, params + _columns(tables, _amounts)
    except DoesNotFit:
        return _LARGE, params + _columns(tables, _large_amounts)


def _columns(tables: Sequence[Sequence[Any]], amounts: Callable[[Any], bytes]) -> list[bytes]:
    """One array a column, table by table."""
    encoded: list[bytes] = []
    for kinds, rows in zip(_TABLES.values(), tables, strict=True):
        if not rows:
            encoded += [_NONE[amounts if kind is _amounts else kind] for kind in kinds]
            continue
        for kind, column in zip(kinds, zip(*rows, strict=True), strict=True):
            encoded.append((amounts if kind is _amounts else kind)(column))
    return encoded


def _prepare(pgconn: "pq.abc.PGconn", name: bytes, oids: list[int]) -> PQGen[None]:
    pgconn.send_prepare(name, _NUMBERED, oids)
    _raise_failure((yield from generators.execute(pgconn)))


def _result(pgconn: "pq.abc.PGconn") -> PQGen[None]:
    _raise_failure((yield from generators.execute(pgconn)))


def _raise_failure(results: Sequence["pq.abc.PGresult"]) -> None:
    for result in results:
        if result.status not in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            raise psycopg.errors.error_from_result(result, encoding="utf-8")
    if not results:
        raise psycopg.OperationalError("no answer from the database")
