"""Rows of other tables that are written in a journal's transaction.

A module of a table family registers, for each change its actors may ask for, the statement that
writes it. Every change must touch exactly one row: one that finds nothing (a token already used,
a payment already settled) fails its journal, and the journal alone.

Changes that come in numbers, and that never meet another change of the same row in one batch, are
registered for being written together: every statement is a round trip that the whole batch, with
everybody's transfers in it, waits for.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple

from actors.journal import RowConflict
from storage.arrays import Column, int8
from storage.driver import TrioConnection
from storage.prepared import Prepared


class _Together(NamedTuple):
    """How all changes of one type in a batch are written."""

    statement: Prepared
    columns: tuple[Column, ...]
    row: Callable[[Any], Sequence[Any]]


_writes: Final[dict[type, tuple[str, Callable[[Any], Sequence[Any]]]]] = {}
_together: Final[dict[type, _Together]] = {}


def register_write(change: type, sql: str, params: Callable[[Any], Sequence[Any]]) -> None:
    """Write changes of type `change` by `sql` with `params(change)`."""
    _writes[change] = (sql, params)


def register_writes(
    change: type, sql: str, columns: tuple[Column, ...], row: Callable[[Any], Sequence[Any]]
) -> None:
    """Write all changes of type `change` in a batch at once, after the others: `sql`, an INSERT or
    UPDATE without RETURNING, takes one array a column, `$1` … cast to its type, of what
    `row(change)` gives."""
    name = change.__name__
    checked = f"""
WITH written AS ({sql} RETURNING 1)
SELECT must((SELECT count(*) FROM written) = ${len(columns) + 1}::bigint, '{name}')
"""  # noqa: S608  # only constants
    _together[change] = _Together(Prepared(f"write_{name}", checked), columns, row)


def are_together(changes: Iterable[object]) -> bool:
    """Whether none of them has to be written by itself."""
    return all(type(change) in _together for change in changes)


async def write_all(connection: TrioConnection, changes: Sequence[object]) -> None:
    """Write the changes of a batch inside the open transaction; raises RowConflict, or psycopg's
    IntegrityError, by the name of one that touched no row, or more than one."""
    for change in changes:
        if type(change) not in _together:
            await write(connection, change)
    for statement, params in gathered_writes(changes):
        await statement.on(connection, *params)


def gathered_writes(changes: Iterable[object]) -> list[tuple[Prepared, list[bytes]]]:
    """The statements, and their parameters, that write all of `changes` that are written
    together."""
    found: dict[type, list[Sequence[Any]]] = {}
    for change in changes:
        if (together := _together.get(type(change))) is not None:
            found.setdefault(type(change), []).append(together.row(change))
    return [(_together[kind].statement, _params(kind, rows)) for kind, rows in found.items()]


def _params(kind: type, rows: list[Sequence[Any]]) -> list[bytes]:
    columns = zip(_together[kind].columns, zip(*rows, strict=True), strict=True)
    return [*(column(cells) for column, cells in columns), int8(len(rows))]


async def write(connection: TrioConnection, change: object) -> None:
    """Write one change by itself; raises RowConflict by the change's name."""
    sql, params = _writes[type(change)]
    # Not prepared: psycopg answers a rollback with DEALLOCATE ALL as soon as it has prepared
    # anything itself, and that would take the journal's own statement away.
    cursor = await connection.execute(sql, params(change), prepare=False)
    if cursor.rowcount != 1:
        raise RowConflict(type(change).__name__)
