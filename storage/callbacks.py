"""Raw callback bodies."""

from typing import Final

from psycopg.types.numeric import Int8

from actors.callbacks import Source, StoredCallback
from storage.pool import Pool
from storage.users import store_errors

_STORE: Final = """
INSERT INTO callbacks (source, hash, key_hash, client, body, received_us)
VALUES (%s, %s, %s, %s, %s, %s) RETURNING id
"""
_UNHANDLED: Final = """
SELECT id, source, hash, key_hash, body FROM callbacks WHERE NOT handled AND id > %s
ORDER BY id LIMIT %s
"""
_HANDLED: Final = "UPDATE callbacks SET handled = true, verdict = %s WHERE id = %s"


class PostgresCallbacks:
    """Implements actors.callbacks.CallbackStore. Raises StoreUnavailable while the database is
    away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def store(
        self, source: Source, hash_: str, key_hash: bytes, client: str, body: bytes, at_us: int
    ) -> int:
        values = [source.value, hash_, key_hash, client, body, at_us]
        with store_errors():
            rows = await self._pool.fetch(_STORE, values)
        return int(rows[0][0])

    async def unhandled(self, after_id: int, limit: int) -> list[StoredCallback]:
        with store_errors():
            rows = await self._pool.fetch(_UNHANDLED, [Int8(after_id), limit])
        return [StoredCallback(id_, Source(source), *rest) for id_, source, *rest in rows]

    async def handled(self, callback_id: int, verdict: str) -> None:
        with store_errors():
            await self._pool.execute(_HANDLED, [verdict, callback_id])
