"""Saved outcomes by idempotency key. Keys of recorded intents are written by the journal."""

from typing import Final

from domain.ledger import Ticket
from storage.pool import Pool

_FIND: Final = "SELECT fingerprint, outcome FROM idempotency WHERE scope = %s AND key = %s"
_REMEMBER: Final = """
INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_PURGE: Final = """
DELETE FROM idempotency WHERE (scope, key) IN (
    SELECT scope, key FROM idempotency WHERE recorded_us < %s LIMIT 10000)
"""


class PostgresIdempotency:
    """Implements actors.idempotency.OutcomeStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def find(self, scope: str, key: str) -> tuple[bytes, bytes] | None:
        row = await self._pool.fetch_one(_FIND, [scope, key])
        return (row[0], row[1]) if row is not None else None

    async def remember(
        self, ticket: Ticket, outcome: bytes, at_us: int
    ) -> tuple[bytes, bytes] | None:
        values = [ticket.scope, ticket.key, ticket.fingerprint, outcome, at_us]
        if await self._pool.execute(_REMEMBER, values):
            return None
        return await self.find(ticket.scope, ticket.key)

    async def purge(self, before_us: int) -> int:
        """Forget up to 10,000 keys older than `before_us`; how many went."""
        return await self._pool.execute(_PURGE, [before_us])
