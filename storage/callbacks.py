"""Raw callback bodies."""

from typing import Final

from psycopg.types.numeric import Int8

from actors.callbacks import Source, StoredCallback
from storage.arrays import Blobs, Int8s, Texts
from storage.driver import TrioConnection
from storage.gathered import Gathered
from storage.pool import Pool
from storage.users import store_errors

# Identities are given in the order of the arrays, and returned in it.
_STORE: Final = """
INSERT INTO callbacks (source, hash, key_hash, client, body, received_us)
SELECT source, hash, key_hash, client, body, received_us
FROM unnest(%b, %b, %b, %b, %b, %b) WITH ORDINALITY
    AS n (source, hash, key_hash, client, body, received_us, place)
ORDER BY place RETURNING id
"""
_UNHANDLED: Final = """
SELECT id, source, hash, key_hash, body FROM callbacks WHERE NOT handled AND id > %s
ORDER BY id LIMIT %s
"""
_HANDLED: Final = """
UPDATE callbacks c SET handled = true, verdict = n.verdict
FROM unnest(%b, %b) AS n (id, verdict) WHERE c.id = n.id
"""


class PostgresCallbacks:
    """Implements actors.callbacks.CallbackStore. Raises StoreUnavailable while the database is
    away."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stores = Gathered(pool, _store_all)
        self._handled = Gathered(pool, _handle_all)

    async def store(
        self, source: Source, hash_: str, key_hash: bytes, client: str, body: bytes, at_us: int
    ) -> int:
        with store_errors():
            return await self._stores((source.value, hash_, key_hash, client, body, at_us))

    async def unhandled(self, after_id: int, limit: int) -> list[StoredCallback]:
        with store_errors():
            rows = await self._pool.fetch(_UNHANDLED, [Int8(after_id), limit])
        return [StoredCallback(id_, Source(source), *rest) for id_, source, *rest in rows]

    async def handled(self, callback_id: int, verdict: str) -> None:
        with store_errors():
            await self._handled((callback_id, verdict))


_Row = tuple[str, str, bytes, str, bytes, int]


async def _store_all(connection: TrioConnection, rows: list[_Row]) -> list[int]:
    sources, hashes, keys, clients, bodies, times = zip(*rows, strict=True)
    cursor = await connection.execute(
        _STORE,
        [Texts(sources), Texts(hashes), Blobs(keys), Texts(clients), Blobs(bodies), Int8s(times)],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def _handle_all(connection: TrioConnection, done: list[tuple[int, str]]) -> list[None]:
    ids, verdicts = zip(*done, strict=True)
    await connection.execute(_HANDLED, [Int8s(ids), Texts(verdicts)])
    return [None] * len(done)
