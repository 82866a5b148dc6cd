"""Numbered SQL files, applied in order at start (architecture.md, "Storage").

`storage/migrations/NNNN_name.sql` run once each, in a transaction of its own, under an advisory
lock, so that two starts at once do not meet; what ran is remembered with its checksum.
"""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg
import structlog

from storage.driver import TrioConnection
from storage.errors import MigrationError, translated

log = structlog.get_logger(__name__)

MIGRATIONS: Final = Path(__file__).parent / "migrations"
# Any number will do as long as it stays the same: "daftari" in letters of a telephone keypad.
_LOCK_KEY: Final = 3238274
# Waiting for another start's migrations, or for one long ALTER of our own.
_ANSWER_WITHIN_S: Final = 600.0
_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")

LOCK = "SELECT pg_advisory_lock(%s)"
CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    number integer PRIMARY KEY,
    name text NOT NULL,
    checksum text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)"""
SELECT_APPLIED = "SELECT number, name, checksum FROM schema_migrations ORDER BY number"
INSERT_APPLIED = "INSERT INTO schema_migrations (number, name, checksum) VALUES (%s, %s, %s)"


@dataclass(frozen=True, kw_only=True)
class Migration:
    """One file: its number, its file name, its text and the SHA-256 of that text."""

    number: int
    name: str
    sql: str
    checksum: str


async def migrate(dsn: str, directory: Path = MIGRATIONS) -> list[str]:
    """Bring the database at `dsn` up to date; returns the names of the files applied now.

    Raises MigrationError when a file that ran has changed or is gone, or a number is missing or
    used twice; Unavailable when the database is away; psycopg's error when a file's SQL fails
    (that file is then rolled back whole, those before it stay).
    """
    migrations = read_migrations(directory)
    try:
        connection = await TrioConnection.connect(dsn)
    except psycopg.Error as error:
        raise translated(error, lost=True, sent_write=False) from error
    connection.answer_within_s = _ANSWER_WITHIN_S
    try:
        return await _apply_missing(connection, migrations)
    except psycopg.Error as error:
        raise translated(error, lost=connection.closed, sent_write=True) from error
    finally:
        connection.discard()  # which gives the lock back


def read_migrations(directory: Path) -> list[Migration]:
    """The files in order of their numbers, which must be 1, 2, 3, …"""
    migrations = [_read(path) for path in sorted(directory.glob("*.sql"))]
    for expected, migration in enumerate(migrations, start=1):
        if migration.number != expected:
            raise MigrationError(f"migration {expected:04d} is next, found {migration.name}")
    return migrations


def _read(path: Path) -> Migration:
    match = _FILE_NAME.fullmatch(path.name)
    if match is None:
        raise MigrationError(f"{path.name} is not named NNNN_name.sql")
    text = path.read_text(encoding="utf-8")
    return Migration(
        number=int(match[1]),
        name=path.name,
        sql=text,
        checksum=hashlib.sha256(text.encode()).hexdigest(),
    )


async def _apply_missing(connection: TrioConnection, migrations: list[Migration]) -> list[str]:
    await connection.execute(LOCK, (_LOCK_KEY,))
    await connection.execute(CREATE_TABLE)
    applied = await (await connection.execute(SELECT_APPLIED)).fetchall()
    _check_history(applied, migrations)
    missing = migrations[len(applied) :]
    for migration in missing:
        await _apply(connection, migration)
        log.info("migration applied", migration=migration.name)
    return [migration.name for migration in missing]


def _check_history(applied: list[tuple[int, str, str]], migrations: list[Migration]) -> None:
    """What ran must be exactly the first of the files."""
    for position, (number, name, checksum) in enumerate(applied):
        if number != position + 1:
            raise MigrationError(f"the database lacks migration {position + 1:04d} before {name}")
        if position >= len(migrations):
            raise MigrationError(f"the database has {name}, which this program does not know")
        if (name, checksum) != (migrations[position].name, migrations[position].checksum):
            raise MigrationError(f"{name} has changed since it was applied; add a new file instead")


async def _apply(connection: TrioConnection, migration: Migration) -> None:
    async with connection.transaction():
        # A text cursor without parameters: only the simple protocol takes several statements.
        await psycopg.AsyncCursor(connection).execute(migration.sql.encode())
        await connection.execute(
            INSERT_APPLIED, (migration.number, migration.name, migration.checksum)
        )
