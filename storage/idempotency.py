"""Saved outcomes by idempotency key. Keys of recorded intents are written by the journal."""

from typing import Final, TypeAlias

from domain.ledger import Ticket
from storage.arrays import texts
from storage.driver import TrioConnection
from storage.gathered import Gathered
from storage.pool import Pool
from storage.prepared import Prepared

_Saved: TypeAlias = tuple[bytes, bytes] | None

_FIND: Final = Prepared(
    "find_keys",
    """
SELECT i.fingerprint, i.outcome
FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS wanted (scope, key, place)
LEFT JOIN idempotency i USING (scope, key) ORDER BY place
""",
)
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
        # Every keyed request asks, and nearly always the answer is that the key is new.
        self._find: Gathered[tuple[str, str], _Saved] = Gathered(pool, _find)

    async def find(self, scope: str, key: str) -> _Saved:
        return await self._find((scope, key))

    async def remember(self, ticket: Ticket, outcome: bytes, at_us: int) -> _Saved:
        values = [ticket.scope, ticket.key, ticket.fingerprint, outcome, at_us]
        if await self._pool.execute(_REMEMBER, values):
            return None
        return await self.find(ticket.scope, ticket.key)

    async def purge(self, before_us: int) -> int:
        """Forget up to 10,000 keys older than `before_us`; how many went."""
        return await self._pool.execute(_PURGE, [before_us])


async def _find(connection: TrioConnection, wanted: list[tuple[str, str]]) -> list[_Saved]:
    scopes, keys = zip(*wanted, strict=True)
    rows = await _FIND.on(connection, texts(scopes), texts(keys))
    return [
        None if fingerprint is None else (fingerprint, outcome) for fingerprint, outcome in rows
    ]
