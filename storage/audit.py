"""What operators did: inserted, never changed (the table refuses)."""

from typing import Any, Final

from psycopg.types.numeric import Int8

from actors.audit import AuditEntry
from storage.driver import TrioConnection
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

_INSERT: Final = """
INSERT INTO audit_log (at_us, operator_id, how, action, subject, note)
VALUES (%s, %s, %s, %s, %s, %s)
"""
_ABOUT: Final = """
SELECT at_us, operator_id, how, action, subject, note FROM audit_log WHERE subject = %s ORDER BY id
"""


class PostgresAudit:
    """Implements actors.audit.AuditLog."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def write(self, entry: AuditEntry) -> None:
        with store_errors():
            await self._pool.execute(_INSERT, _row(entry))

    async def about(self, subject: str) -> list[AuditEntry]:
        with store_errors():
            rows = await self._pool.fetch(_ABOUT, (subject,))
        names = AuditEntry.__struct_fields__
        return [AuditEntry(**dict(zip(names, row, strict=True))) for row in rows]


async def insert_entry(connection: TrioConnection, entry: AuditEntry) -> None:
    """Write a deed in the transaction of what it changed."""
    await connection.execute(_INSERT, _row(entry))


def _row(entry: AuditEntry) -> list[Any]:
    return [
        Int8(entry.at_us),
        Int8(entry.operator_id),
        entry.how,
        entry.action,
        entry.subject,
        entry.note,
    ]


register_write(AuditEntry, _INSERT, _row)
