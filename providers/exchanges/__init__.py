"""Clients of the five exchanges the trading network works with."""

from collections.abc import Mapping

import httpx

from actors.clock import Clock
from actors.exchanges import Exchange, QuoteBook
from providers.exchanges.binance import client as binance
from providers.exchanges.http import Http
from providers.exchanges.kucoin import client as kucoin
from providers.exchanges.luno import client as luno
from providers.exchanges.ovex import client as ovex
from providers.exchanges.settings import Settings
from providers.exchanges.valr import client as valr


def exchanges(
    settings: Mapping[str, Settings], http: httpx.AsyncClient, clock: Clock, quotes: QuoteBook
) -> Mapping[str, Exchange]:
    """One client per exchange that has settings, by its id in the document ("luno", …)."""
    return {name: _client(name, found, http, clock, quotes) for name, found in settings.items()}


def _client(
    name: str, settings: Settings, pool: httpx.AsyncClient, clock: Clock, quotes: QuoteBook
) -> Exchange:
    http = Http(pool, settings.base_url, pace=settings.pace, answer_seconds=settings.answer_seconds)
    match name:
        case luno.PLATFORM:
            return luno.Luno(settings, http, clock)
        case binance.PLATFORM:
            return binance.Binance(settings, http, clock)
        case kucoin.PLATFORM:
            return kucoin.KuCoin(settings, http, clock)
        case valr.PLATFORM:
            return valr.Valr(settings, http, clock)
        case ovex.PLATFORM:
            return ovex.Ovex(settings, http, clock, quotes)
        case _:
            raise ValueError(f"unknown exchange {name}")
