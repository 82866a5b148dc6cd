"""The fx_quotes table: every rate that was ever applied, for ever."""

from typing import Final

from domain.fx import Quote
from storage.pool import Pool

_SAVE: Final = """
INSERT INTO fx_quotes (base, quote, rate, at_us) VALUES (%s, %s, %s, %s) RETURNING id
"""
_FIND: Final = "SELECT id, base, quote, rate, at_us FROM fx_quotes WHERE id = %s"


class StoredQuotes:
    """The rate service's QuoteStore. Raises what the pool raises."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save(self, base: str, quote: str, rate: int, at_us: int) -> int:
        """The id of the new row; `rate` in units of 10⁻⁸."""
        row = await self._pool.fetch_one(_SAVE, (base, quote, rate, at_us))
        if row is None:
            raise RuntimeError("INSERT … RETURNING returned nothing")
        return int(row[0])

    async def find(self, quote_id: int) -> Quote | None:
        """The quote that a journal or an `fx_rate_id` refers to."""
        row = await self._pool.fetch_one(_FIND, (quote_id,))
        return None if row is None else Quote(*row)
