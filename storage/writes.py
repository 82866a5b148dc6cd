"""Rows of other tables that are written in a journal's transaction.

A module of a table family registers, for each change its actors may ask for, the statement that
writes it. Every change must touch exactly one row: one that finds nothing (a token already used,
a payment already settled) fails its journal, and the journal alone.
"""

from collections.abc import Callable, Sequence
from typing import Any

from actors.journal import RowConflict
from storage.driver import TrioConnection

_writes: dict[type, tuple[str, Callable[[Any], Sequence[Any]]]] = {}


def register_write(change: type, sql: str, params: Callable[[Any], Sequence[Any]]) -> None:
    """Write changes of type `change` by `sql` with `params(change)`."""
    _writes[change] = (sql, params)


async def write(connection: TrioConnection, change: object) -> None:
    """Write one change inside the open transaction; raises RowConflict by the change's name."""
    sql, params = _writes[type(change)]
    # Not prepared: psycopg answers a rollback with DEALLOCATE ALL as soon as it has prepared
    # anything itself, and that would take the journal's own statement away.
    cursor = await connection.execute(sql, params(change), prepare=False)
    if cursor.rowcount != 1:
        raise RowConflict(type(change).__name__)
