"""Rows of other tables that are written in a journal's transaction.

A module of a table family registers, for each change its actors may ask for, the statement that
writes it. Every change must touch exactly one row: one that finds nothing (a token already used,
a payment already settled) fails its journal, and the journal alone.

Changes that come in numbers, and that never meet another change of the same row in one batch, are
registered for being written together: every statement is a round trip that the whole batch, with
everybody's transfers in it, waits for.
"""

from collections.abc import Callable, Sequence
from typing import Any

from actors.journal import RowConflict
from storage.arrays import Int8s, Texts, register
from storage.driver import TrioConnection

Column = type[Int8s] | type[Texts]

_writes: dict[type, tuple[str, Callable[[Any], Sequence[Any]]]] = {}
_together: dict[type, tuple[str, tuple[Column, ...], Callable[[Any], Sequence[Any]]]] = {}


def register_write(change: type, sql: str, params: Callable[[Any], Sequence[Any]]) -> None:
    """Write changes of type `change` by `sql` with `params(change)`."""
    _writes[change] = (sql, params)


def register_writes(
    change: type, sql: str, columns: tuple[Column, ...], row: Callable[[Any], Sequence[Any]]
) -> None:
    """Write all changes of type `change` in a batch at once, after the others: `sql` takes one
    array a column, in `%b`, of what `row(change)` gives."""
    _together[change] = (sql, columns, row)


async def write_all(connection: TrioConnection, changes: Sequence[object]) -> None:
    """Write the changes of a batch inside the open transaction; raises RowConflict by the name
    of one that touched no row, or more than one."""
    gathered: dict[type, list[object]] = {}
    for change in changes:
        kind = type(change)
        if kind in _together:
            gathered.setdefault(kind, []).append(change)
        else:
            await write(connection, change)
    for kind, together in gathered.items():
        await _write_together(connection, kind, together)


async def write(connection: TrioConnection, change: object) -> None:
    """Write one change by itself; raises RowConflict by the change's name."""
    sql, params = _writes[type(change)]
    # Not prepared: psycopg answers a rollback with DEALLOCATE ALL as soon as it has prepared
    # anything itself, and that would take the journal's own statement away.
    cursor = await connection.execute(sql, params(change), prepare=False)
    if cursor.rowcount != 1:
        raise RowConflict(type(change).__name__)


async def _write_together(
    connection: TrioConnection, kind: type, changes: Sequence[object]
) -> None:
    sql, columns, row = _together[kind]
    values = zip(*(row(change) for change in changes), strict=True)
    params = [column(list(cells)) for column, cells in zip(columns, values, strict=True)]
    register(connection)
    cursor = await connection.execute(sql, params, prepare=False)
    if cursor.rowcount != len(changes):
        raise RowConflict(kind.__name__)
