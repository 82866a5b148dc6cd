"""Committed events by feed, for whoever resumes; old ones are purged."""

from collections.abc import Sequence
from typing import Final

from domain.events import Fact, decode
from storage.pool import Pool

_SINCE: Final = "SELECT id, body FROM events WHERE feed = %s AND id > %s ORDER BY id LIMIT %s"
# Who has seen everything up to the horizon has missed nothing that is kept.
_NEWEST: Final = """
SELECT greatest((SELECT max(id) FROM events WHERE feed = %s), forgotten) FROM event_horizon
"""
_FORGOTTEN: Final = "SELECT forgotten FROM event_horizon"
_PURGE: Final = """
WITH old AS (
    DELETE FROM events WHERE (feed, id) IN (
        SELECT feed, id FROM events WHERE recorded_us < %s LIMIT 10000)
    RETURNING id
), horizon AS (
    UPDATE event_horizon SET forgotten = greatest(forgotten, (SELECT max(id) FROM old))
    WHERE EXISTS (SELECT FROM old)
)
SELECT count(*) FROM old
"""


class PostgresEvents:
    """Implements actors.feed.EventStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def since(self, feed: str, offset: int, limit: int) -> Sequence[tuple[int, Fact]]:
        rows = await self._pool.fetch(_SINCE, [feed, offset, limit])
        return [(id_, decode(body)) for id_, body in rows]

    async def newest(self, feed: str) -> int:
        row = await self._pool.fetch_one(_NEWEST, [feed])
        return int(row[0]) if row else 0

    async def forgotten(self) -> int:
        row = await self._pool.fetch_one(_FORGOTTEN)
        return int(row[0]) if row else 0

    async def purge(self, before_us: int) -> int:
        """Forget up to 10,000 events recorded before `before_us`; how many went."""
        row = await self._pool.fetch_one(_PURGE, [before_us])
        return int(row[0]) if row else 0
