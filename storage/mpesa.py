"""Hashes of the M-Pesa surface and whom they are bound to."""

from typing import Final

from storage.pool import Pool

_OWNER: Final = "SELECT user_id FROM mpesa_hashes WHERE hash = %s"
# The update changes nothing; it makes the row of an earlier binding be returned.
_BIND: Final = """
INSERT INTO mpesa_hashes (hash, user_id, bound_us) VALUES (%s, %s, %s)
ON CONFLICT (hash) DO UPDATE SET hash = excluded.hash RETURNING user_id
"""


class PostgresHashes:
    """Implements actors.mpesa_hashes.HashStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def owner(self, hash_: str) -> int | None:
        row = await self._pool.fetch_one(_OWNER, [hash_])
        return int(row[0]) if row else None

    async def bind(self, hash_: str, user_id: int, at_us: int) -> int:
        rows = await self._pool.fetch(_BIND, [hash_, user_id, at_us])
        return int(rows[0][0])
