"""Clients of the five exchanges the trading network works with."""

from collections.abc import Callable, Mapping
from typing import Final

import httpx

from actors.clock import Clock
from actors.exchanges import Exchange
from providers.exchanges.binance import client as binance
from providers.exchanges.http import Http
from providers.exchanges.kucoin import client as kucoin
from providers.exchanges.luno import client as luno
from providers.exchanges.settings import Settings
from providers.exchanges.valr import client as valr

_MAKERS: Final[dict[str, Callable[[Settings, Http, Clock], Exchange]]] = {
    luno.PLATFORM: luno.Luno,
    valr.PLATFORM: valr.Valr,
    kucoin.PLATFORM: kucoin.KuCoin,
    binance.PLATFORM: binance.Binance,
}


def exchanges(
    settings: Mapping[str, Settings], http: httpx.AsyncClient, clock: Clock
) -> Mapping[str, Exchange]:
    """One client per exchange that has settings, by its id in the document ("luno", …)."""
    return {
        name: _MAKERS[name](
            setting,
            Http(http, setting.base_url, pace=setting.pace, answer_seconds=setting.answer_seconds),
            clock,
        )
        for name, setting in settings.items()
    }
