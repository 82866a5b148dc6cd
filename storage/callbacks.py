"""Raw callback bodies."""

from collections.abc import Sequence
from typing import Final

from psycopg.types.numeric import Int8

from actors.callbacks import Source, StoredCallback
from storage.arrays import blobs, int8s, texts
from storage.driver import TrioConnection
from storage.gathered import Gathered
from storage.pool import Pool
from storage.prepared import Prepared
from storage.users import store_errors

# Identities are given in the order of the arrays, and returned in it.
_STORE: Final = Prepared(
    "store_callbacks",
    """
INSERT INTO callbacks (source, hash, key_hash, client, body, received_us)
SELECT source, hash, key_hash, client, body, received_us
FROM unnest($1::text[], $2::text[], $3::bytea[], $4::text[], $5::bytea[], $6::bigint[])
    WITH ORDINALITY AS n (source, hash, key_hash, client, body, received_us, place)
ORDER BY place RETURNING id
""",
)
_UNHANDLED: Final = """
SELECT id, source, hash, key_hash, body FROM callbacks WHERE NOT handled AND id > %s
ORDER BY id LIMIT %s
"""
_HANDLED: Final = Prepared(
    "handle_callbacks",
    """
UPDATE callbacks c SET handled = true, verdict = n.verdict
FROM unnest($1::bigint[], $2::text[]) AS n (id, verdict) WHERE c.id = n.id
""",
)


class PostgresCallbacks:
    """Implements actors.callbacks.CallbackStore. Raises StoreUnavailable while the database is
    away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stores = Gathered(pool, _store_all)

    async def store(
        self, source: Source, hash_: str, key_hash: bytes, client: str, body: bytes, at_us: int
    ) -> int:
        with store_errors():
            return await self._stores((source.value, hash_, key_hash, client, body, at_us))

    async def unhandled(self, after_id: int, limit: int) -> list[StoredCallback]:
        with store_errors():
            rows = await self._pool.fetch(_UNHANDLED, [Int8(after_id), limit])
        return [StoredCallback(id_, Source(source), *rest) for id_, source, *rest in rows]

    async def handled(self, verdicts: Sequence[tuple[int, str]]) -> None:
        ids, words = zip(*verdicts, strict=True)
        with store_errors():
            async with self._pool.connection() as connection:
                await _HANDLED.on(connection, int8s(ids), texts(words))


_Row = tuple[str, str, bytes, str, bytes, int]


async def _store_all(connection: TrioConnection, rows: list[_Row]) -> list[int]:
    sources, hashes, keys, clients, bodies, times = zip(*rows, strict=True)
    columns = (texts(sources), texts(hashes), blobs(keys), texts(clients), blobs(bodies))
    return [int(row[0]) for row in await _STORE.on(connection, *columns, int8s(times))]
