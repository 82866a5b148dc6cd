"""Rates by source: what to GET, and what an answer says, as rounded rates of market pairs. Pure.

A source is a value: where it is, and how its answers are read. Its own time is checked against
ours, so that a feed which has stopped moving is a source that failed.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final
from urllib.parse import urlencode

import msgspec

from actors.rates import SourceFailed
from domain.fx import HUB, MARKET_ORDER, market_pair, rate_from
from domain.money import ASSETS, UNITS_PER_WHOLE, AssetKind
from providers.rates.wire import CoinPrice, OpenErApi, OpenExchangeRates, Ticker

OPEN_EXCHANGE_RATES_URL: Final = "https://openexchangerates.org"
OPEN_ER_API_URL: Final = "https://open.er-api.com"
COINGECKO_URL: Final = "https://api.coingecko.com"
BINANCE_URL: Final = "https://api.binance.com"

_MONEY: Final = tuple(
    code for code in MARKET_ORDER if ASSETS[code].kind is AssetKind.FIAT and code != HUB
)
COIN_IDS: Final = {
    "bitcoin": "BTC",
    "wrapped-bitcoin": "WBTC",
    "ethereum": "ETH",
    "weth": "WETH",
    "celo": "CELO",
    "tron": "TRX",
    "usd-coin": "USDC",
    "tether": "USDT",
    "dai": "DAI",
}
# Binance quotes in USDT. It stands in when CoinGecko is away, and then takes USDT for a dollar
# and a wrapped coin for the coin.
SYMBOLS: Final = {
    "BTCUSDT": ("BTC", "WBTC"),
    "ETHUSDT": ("ETH", "WETH"),
    "CELOUSDT": ("CELO",),
    "TRXUSDT": ("TRX",),
    "USDCUSDT": ("USDC",),
}
# How old a source's own time may be: one is updated hourly, one daily, one by the minute.
_HOURLY_SECONDS: Final = 3 * 3600
_DAILY_SECONDS: Final = 50 * 3600
_MINUTELY_SECONDS: Final = 900

_open_exchange_rates: Final = msgspec.json.Decoder(OpenExchangeRates)
_open_er_api: Final = msgspec.json.Decoder(OpenErApi)
_coins: Final = msgspec.json.Decoder(dict[str, CoinPrice])
_tickers: Final = msgspec.json.Decoder(list[Ticker])

Rates = dict[str, int]


@dataclass(frozen=True, slots=True)
class Source:
    """One GET, and `decode(body, now_s)`, which raises SourceFailed or msgspec's errors."""

    name: str
    url: str
    decode: Callable[[bytes, int], Rates]
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def open_exchange_rates(app_id: str, base_url: str = OPEN_EXCHANGE_RATES_URL) -> Source:
    """Money, with a key; the key goes into a header because URLs are logged."""
    return Source(
        "openexchangerates",
        f"{base_url}/api/latest.json",
        decode_open_exchange_rates,
        {"Authorization": f"Token {app_id}"},
    )


def open_er_api(base_url: str = OPEN_ER_API_URL) -> Source:
    """Money, without a key, daily."""
    return Source("open.er-api", f"{base_url}/v6/latest/{HUB}", decode_open_er_api)


def coingecko(api_key: str | None = None, base_url: str = COINGECKO_URL) -> Source:
    """Coins."""
    query = urlencode(
        {"ids": ",".join(COIN_IDS), "vs_currencies": "usd", "include_last_updated_at": "true"}
    )
    headers = {} if api_key is None else {"x-cg-demo-api-key": api_key}
    return Source("coingecko", f"{base_url}/api/v3/simple/price?{query}", decode_coingecko, headers)


def binance(base_url: str = BINANCE_URL) -> Source:
    """Coins, in USDT."""
    query = urlencode({"symbols": msgspec.json.encode(list(SYMBOLS)).decode()})
    return Source("binance", f"{base_url}/api/v3/ticker/price?{query}", decode_binance)


def decode_open_exchange_rates(body: bytes, now_s: int) -> Rates:
    """{"USD/KES": …} for the money of the ledger."""
    answer = _open_exchange_rates.decode(body)
    _check_age(answer.timestamp, now_s, _HOURLY_SECONDS)
    return _money(answer.base, answer.rates)


def decode_open_er_api(body: bytes, now_s: int) -> Rates:
    """{"USD/KES": …} for the money of the ledger."""
    answer = _open_er_api.decode(body)
    if answer.result != "success":
        raise SourceFailed("no success")
    _check_age(answer.time_last_update_unix, now_s, _DAILY_SECONDS)
    return _money(answer.base_code, answer.rates)


def decode_coingecko(body: bytes, now_s: int) -> Rates:
    """{"BTC/USD": …}; a coin whose price has stood still for long is left out."""
    return _valid(
        (COIN_IDS[coin], price.usd)
        for coin, price in _coins.decode(body).items()
        if coin in COIN_IDS and now_s - price.last_updated_at <= _MINUTELY_SECONDS
    )


def decode_binance(body: bytes, now_s: int) -> Rates:
    """{"BTC/USD": …}; its tickers carry no time, they are of now."""
    prices = [
        (asset, ticker.price)
        for ticker in _tickers.decode(body)
        for asset in SYMBOLS.get(ticker.symbol, ())
    ]
    return _valid(prices) | {"USDT/USD": UNITS_PER_WHOLE}


def _money(base: str, rates: dict[str, Decimal]) -> Rates:
    if base != HUB:
        raise SourceFailed(f"rates per {base}")
    return _valid((code, rates[code]) for code in _MONEY if code in rates)


def _valid(prices: Iterable[tuple[str, Decimal]]) -> Rates:
    """Each price against USD under its market name; what is no price is left out."""
    rates = {"/".join(market_pair(asset, HUB)): rate_from(price) for asset, price in prices}
    return {name: rate for name, rate in rates.items() if rate is not None}


def _check_age(stated_s: int, now_s: int, limit_s: int) -> None:
    if now_s - stated_s > limit_s:
        raise SourceFailed(f"{now_s - stated_s} s old")
