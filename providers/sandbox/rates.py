"""The sandbox's rate sources: money and coins on one port, at rates that can be set.

It speaks the formats of open.er-api.com, openexchangerates.org, CoinGecko and Binance. The
defaults which the documents fix are USD/KES 133.33, BTC/USD 42650.50, ETH/USD 3333.33 and a
dollar for USDC, USDT and DAI (X-C17); ZAR, NGN, TRX and CELO are ours; WETH is ETH and WBTC is
BTC until set otherwise.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import msgspec
import trio

from domain.fx import HUB, MARKET_ORDER, inverse_from, market_pair, rate_from
from domain.money import to_decimal, units_of
from providers.rates.codec import COIN_IDS, SYMBOLS
from providers.sandbox.server import HttpReply, HttpRequest, serve_http

DEFAULTS: Final = {
    "USD/KES": "133.33",
    "USD/ZAR": "18.50",
    "USD/NGN": "1550.00",
    "BTC/USD": "42650.50",
    "WBTC/USD": "42650.50",
    "ETH/USD": "3333.33",
    "WETH/USD": "3333.33",
    "CELO/USD": "0.65",
    "TRX/USD": "0.12",
    "USDC/USD": "1",
    "USDT/USD": "1",
    "DAI/USD": "1",
}
APP_ID: Final = "sandbox-rates"
# A coin and what wraps it move together when the coin is set.
_WRAPPED: Final = {"BTC/USD": "WBTC/USD", "ETH/USD": "WETH/USD"}
_encoder: Final = msgspec.json.Encoder(decimal_format="number")


class RateServer:
    """Rates as its clients will be told them; the rate service's cache still applies."""

    def __init__(self, now_s: Callable[[], int]) -> None:
        """`now_s` is the application clock: these rates are always of now."""
        self._now_s = now_s
        self._rates = {name: units_of(rate) for name, rate in DEFAULTS.items()}

    async def serve(self, *, task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled; `task_status.started(port)`."""
        await serve_http(self.handle, task_status=task_status)

    def set_rate(self, pair: str, rate: Decimal) -> None:
        """`rate` units of the pair's second asset for one of its first, from the next answer on.

        Either direction ("USD/KES" or "KES/USD"), but one side must be USD. ValueError says
        what is wrong.
        """
        base, _, quote = pair.partition("/")
        known = base in MARKET_ORDER and quote in MARKET_ORDER and base != quote
        if not known or HUB not in {base, quote}:
            raise ValueError(f"{pair} is not a pair of USD and a known asset")
        as_quoted = market_pair(base, quote) == (base, quote)
        units = rate_from(rate) if as_quoted else inverse_from(rate)
        if units is None:
            raise ValueError(f"{rate} is not a rate")
        name = "/".join(market_pair(base, quote))
        self._rates[name] = units
        if name in _WRAPPED:
            self._rates[_WRAPPED[name]] = units

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request to any of the four."""
        match request.method, request.path:
            case "GET", "/v6/latest/USD":
                return _json(
                    {
                        "result": "success",
                        "time_last_update_unix": self._now_s(),
                        "base_code": HUB,
                        "rates": self._money(),
                    }
                )
            case "GET", "/api/latest.json":
                return self._open_exchange_rates(request)
            case "GET", "/api/v3/simple/price":
                return self._coingecko(request)
            case "GET", "/api/v3/ticker/price":
                return self._binance(request)
            case _:
                return HttpReply(404)

    def _money(self) -> dict[str, Decimal]:
        """Everything counted per dollar."""
        per_dollar = {HUB: Decimal(1)}
        for name, rate in self._rates.items():
            base, quote = name.split("/")
            if base == HUB:
                per_dollar[quote] = to_decimal(rate)
        return per_dollar

    def _dollars(self, asset: str) -> Decimal:
        return to_decimal(self._rates[f"{asset}/{HUB}"])

    def _open_exchange_rates(self, request: HttpRequest) -> HttpReply:
        given = request.query.get("app_id") or request.headers.get("authorization", "")
        if given.removeprefix("Token ") != APP_ID:
            body = {"error": True, "status": 401, "message": "invalid_app_id"}
            return HttpReply(401, _encoder.encode(body))
        answer = {"timestamp": self._now_s(), "base": HUB, "rates": self._money()}
        return _json(answer)

    def _coingecko(self, request: HttpRequest) -> HttpReply:
        if request.query.get("vs_currencies") != "usd":
            return HttpReply(422, b'{"error":"Missing parameter vs_currencies"}')
        wanted = request.query.get("ids", "").split(",")
        prices = {
            coin: {"usd": self._dollars(COIN_IDS[coin]), "last_updated_at": self._now_s()}
            for coin in wanted
            if coin in COIN_IDS
        }
        return _json(prices)

    def _binance(self, request: HttpRequest) -> HttpReply:
        try:
            symbols = msgspec.json.decode(request.query.get("symbols", ""), type=list[str])
            prices = [(symbol, self._dollars(SYMBOLS[symbol][0])) for symbol in symbols]
        except (msgspec.MsgspecError, KeyError):
            return HttpReply(400, b'{"code":-1121,"msg":"Invalid symbol."}')
        dollars = self._dollars("USDT")
        tickers = [
            {"symbol": symbol, "price": f"{price / dollars:.8f}"} for symbol, price in prices
        ]
        return _json(tickers)


def _json(body: object) -> HttpReply:
    return HttpReply(200, _encoder.encode(body))
