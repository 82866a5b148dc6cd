"""What storage raises, and the one place where psycopg's errors become ours.

A refusal of the database (a constraint) is translated by the constraint's name; a database that
cannot be reached is `Unavailable`; anything unknown is left as it is and raises.
"""

import psycopg
from psycopg import errors as pg


class StorageError(Exception):
    """Base of everything storage raises on purpose."""


class Unavailable(StorageError):
    """The database did not serve this request, and nothing was written. Worth retrying later."""


class OutcomeUnknown(Unavailable):
    """The connection died after a write was sent: it may have been applied, or not.

    Never treat it as failed; find out by the write's key (architecture.md, "Life of a transfer").
    """


class ConstraintViolation(StorageError):
    """The database refused a write. `constraint` is the constraint's name."""

    def __init__(self, constraint: str) -> None:
        super().__init__(constraint)
        self.constraint = constraint


class UniqueViolation(ConstraintViolation):
    """A key exists already. `constraint` names the unique index or constraint."""


class MigrationError(StorageError):
    """The database's schema and the migration files disagree. One line says how."""


# Not our doing, and over at some time: the server shuts down, starts up, is out of connections,
# memory or disk, cancels what takes too long, or is a stand-by that only reads. What was asked was
# rolled back, unless the connection went with it.
TROUBLE = (psycopg.OperationalError, pg.ReadOnlySqlTransaction)


def translated(error: psycopg.Error, *, lost: bool, sent_write: bool) -> Exception:
    """Our exception for psycopg's `error`; the same object when it is none of ours.

    `lost`: the connection is dead. `sent_write`: what was under way when it died may have changed
    something.
    """
    match error:
        case pg.UniqueViolation():
            return UniqueViolation(error.diag.constraint_name or "")
        case pg.IntegrityError() if error.diag.constraint_name:
            return ConstraintViolation(error.diag.constraint_name)
        case _ if lost and sent_write:
            return OutcomeUnknown(_first_line(error))
        case _ if lost or isinstance(error, TROUBLE):
            return Unavailable(_first_line(error))
    return error


def _first_line(error: psycopg.Error) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__
