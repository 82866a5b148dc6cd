"""What the rate sources answer. Names are theirs; numbers become Decimal, never float."""

from decimal import Decimal

import msgspec


class OpenExchangeRates(msgspec.Struct, frozen=True, kw_only=True):
    """openexchangerates.org `GET /api/latest.json`: money per one `base`."""

    timestamp: int
    base: str
    rates: dict[str, Decimal]


class OpenErApi(msgspec.Struct, frozen=True, kw_only=True):
    """open.er-api.com `GET /v6/latest/USD`: money per one `base_code`."""

    result: str
    time_last_update_unix: int
    base_code: str
    rates: dict[str, Decimal]


class CoinPrice(msgspec.Struct, frozen=True, kw_only=True):
    """One coin of CoinGecko's `GET /api/v3/simple/price`, which answers {id: CoinPrice}."""

    usd: Decimal
    last_updated_at: int


class Ticker(msgspec.Struct, frozen=True, kw_only=True):
    """One of Binance's `GET /api/v3/ticker/price`; `price` is a decimal in a string."""

    symbol: str
    price: Decimal
