"""Quotes in PostgreSQL: written once, found again, never changed."""

import psycopg
import pytest

from domain.fx import Quote
from domain.money import units_of
from storage.pool import Pool
from storage.rates import StoredQuotes


async def test_a_saved_quote_is_found_by_its_id(pool: Pool) -> None:
    """CASH-C57."""
    quotes = StoredQuotes(pool)
    largest = 10**18  # domain.fx.MAX_RATE
    first = await quotes.save("USD", "KES", units_of("133.33"), 1_706_400_000_000_000)
    second = await quotes.save("BTC", "NGN", largest, 1_706_400_000_000_001)
    assert second > first > 0
    assert await quotes.find(first) == Quote(
        first, "USD", "KES", units_of("133.33"), 1_706_400_000_000_000
    )
    assert await quotes.find(second) == Quote(second, "BTC", "NGN", largest, 1_706_400_000_000_001)
    assert await quotes.find(second + 1) is None


@pytest.mark.parametrize("statement", ["UPDATE fx_quotes SET rate = 1", "DELETE FROM fx_quotes"])
async def test_a_quote_that_was_given_out_cannot_be_changed(pool: Pool, statement: str) -> None:
    await StoredQuotes(pool).save("USD", "KES", units_of("133.33"), 0)
    with pytest.raises(psycopg.Error, match="append-only"):
        await pool.execute(statement)
