"""The exchange_quotes table: which quote stands for which order."""

from typing import Final

from actors.exchanges import ExchangeUnavailable, KeptQuote, Side
from storage.errors import Unavailable
from storage.pool import Pool

_KEEP: Final = """
INSERT INTO exchange_quotes (platform, client_order_id, token, symbol, side, base, quote,
                             requested_us, expires_us)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (platform, client_order_id) DO UPDATE
SET token = excluded.token, symbol = excluded.symbol, side = excluded.side,
    base = excluded.base, quote = excluded.quote,
    requested_us = excluded.requested_us, expires_us = excluded.expires_us
"""
_FIND: Final = """
SELECT platform, client_order_id, token, symbol, side, base, quote, requested_us, expires_us
FROM exchange_quotes WHERE platform = %s AND client_order_id = %s
"""


class PostgresQuotes:
    """Implements actors.exchanges.QuoteBook."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def keep(self, quote: KeptQuote) -> None:
        """See `QuoteBook.keep`."""
        row = (
            quote.platform,
            quote.client_order_id,
            quote.token,
            quote.symbol,
            quote.side.value,
            quote.base,
            quote.quote,
            quote.requested_us,
            quote.expires_us,
        )
        try:
            await self._pool.execute(_KEEP, row)
        except Unavailable as error:
            raise ExchangeUnavailable("quotes cannot be kept") from error

    async def find(self, platform: str, client_order_id: str) -> KeptQuote | None:
        """See `QuoteBook.find`."""
        try:
            row = await self._pool.fetch_one(_FIND, (platform, client_order_id))
        except Unavailable as error:
            raise ExchangeUnavailable("quotes cannot be looked up") from error
        if row is None:
            return None
        return KeptQuote(
            platform=row[0],
            client_order_id=row[1],
            token=row[2],
            symbol=row[3],
            side=Side(row[4]),
            base=int(row[5]),
            quote=int(row[6]),
            requested_us=row[7],
            expires_us=row[8],
        )
