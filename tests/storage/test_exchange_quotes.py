"""Quotes that stand for orders are found after a restart."""

from actors.exchanges import KeptQuote, Side
from domain.money import MAX_UNITS
from storage.exchange_quotes import PostgresQuotes
from storage.pool import Pool


def quote(token: str, client_order_id: str = "c-1", amount: int = 5) -> KeptQuote:
    return KeptQuote(
        platform="ovex",
        client_order_id=client_order_id,
        token=token,
        symbol="BTC/ZAR",
        side=Side.SELL,
        base=amount,
        quote=MAX_UNITS,
        requested_us=1,
        expires_us=2,
    )


async def test_the_newest_quote_of_an_order_is_found(pool: Pool) -> None:
    quotes = PostgresQuotes(pool)
    assert await quotes.find("ovex", "c-1") is None
    await quotes.keep(quote("first"))
    await quotes.keep(quote("other", client_order_id="c-2"))
    await quotes.keep(quote("second", amount=MAX_UNITS))
    assert await PostgresQuotes(pool).find("ovex", "c-1") == quote("second", amount=MAX_UNITS)
    assert await quotes.find("ovex", "c-2") == quote("other", client_order_id="c-2")
    assert await quotes.find("luno", "c-1") is None
