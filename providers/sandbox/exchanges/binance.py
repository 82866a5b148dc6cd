"""Binance as its clients see it: signed queries within a window, filters, bookTicker."""

import hashlib
import hmac
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

import msgspec

from domain.money import plain
from providers.sandbox.exchanges.engine import (
    Fees,
    Market,
    Refused,
    SimOrder,
    Status,
    Venue,
    Why,
)
from providers.sandbox.exchanges.simulator import API_KEY, API_SECRET, read_amount
from providers.sandbox.exchanges.sockets import Peer
from providers.sandbox.server import HttpReply, HttpRequest

FEES: Final = Fees(maker_ppm=1_000, taker_ppm=1_000)
_SYMBOLS: Final = {"BTCUSDT": "BTC/USDT"}
_WINDOW_MS: Final = 5_000
_AHEAD_MS: Final = 1_000
_STATUSES: Final = {
    Status.OPEN: "NEW",
    Status.FILLED: "FILLED",
    Status.CANCELLED: "CANCELED",
}
_REFUSALS: Final = {
    Why.UNKNOWN_SYMBOL: (-1121, "Invalid symbol."),
    Why.TOO_SMALL: (-1013, "Filter failure: NOTIONAL"),
    Why.BAD_STEP: (-1013, "Filter failure: LOT_SIZE"),
    Why.NO_FUNDS: (-2010, "Account has insufficient balance for requested action."),
    Why.DUPLICATE: (-2010, "Duplicate order sent."),
}


def venue(now_ms: Callable[[], int]) -> Venue:
    """Binance's markets and the account of the sandbox keys."""
    market = Market(
        symbol="BTC/USDT",
        price=65_000 * 10**8,
        price_step=1_000_000,
        amount_step=1_000,
        least_amount=1_000,
        least_cost=5 * 10**8,
    )
    owned = {"BTC": 100 * 10**8, "USDT": 10_000_000 * 10**8}
    return Venue([market], FEES, owned, now_ms=now_ms, order_id=lambda n: str(28_000_000 + n))


class _Bad(Exception):
    """Answered with this code."""

    def __init__(self, code: int, msg: str, status: int = 400) -> None:
        super().__init__(msg)
        self.reply = HttpReply(status, msgspec.json.encode({"code": code, "msg": msg}))


class BinanceFacade:
    """Implements `simulator.Facade`."""

    def __init__(self, venue: Venue, now_ms: Callable[[], int]) -> None:
        self._venue = venue
        self._now_ms = now_ms

    def reached_at(self, stream_url: str) -> None:
        """Its clients know where the stream is."""

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request to api.binance.com."""
        try:
            return self._answer(request)
        except _Bad as bad:
            return bad.reply

    def _answer(self, request: HttpRequest) -> HttpReply:
        match request.method, request.path:
            case "GET", "/api/v3/exchangeInfo":
                return _json({"symbols": [_info(self._market(request.query))]})
            case "GET", "/api/v3/ticker/price":
                market = self._market(request.query)
                return _json({"symbol": request.query["symbol"], "price": plain(market.price, 8)})
        fields = self._verified(request)
        match request.method, request.path:
            case "GET", "/api/v3/account":
                return _json(self._account())
            case "GET", "/sapi/v1/account/apiRestrictions":
                return _json(
                    {
                        "ipRestrict": False,
                        "enableReading": True,
                        "enableWithdrawals": False,
                        "enableSpotAndMarginTrading": True,
                    }
                )
            case "POST", "/api/v3/order":
                return self._place(fields)
            case "GET", "/api/v3/order":
                return _json(_order(self._known(fields, -2013, "Order does not exist.")))
            case "DELETE", "/api/v3/order":
                order = self._known(fields, -2011, "Unknown order sent.")
                if not self._venue.cancel(order):
                    raise _Bad(-2011, "Unknown order sent.")
                return _json(_order(order))
            case "GET", "/api/v3/myTrades":
                return _json(self._trades(fields))
            case _:
                return HttpReply(404)

    async def stream(self, peer: Peer) -> None:
        """One bookTicker of a combined stream."""
        name = peer.query.get("streams", "")
        symbol = _SYMBOLS.get(name.removesuffix("@bookTicker").upper(), "")
        if symbol not in self._venue.markets:
            return
        market = self._venue.markets[symbol]
        watch = self._venue.watch(symbol)
        watch.tell(market)
        try:
            async for tick, price in watch:
                data = {
                    "u": tick + 1,
                    "s": symbol.replace("/", ""),
                    "b": plain(price - market.price_step, 8),
                    "B": "1.00000000",
                    "a": plain(price + market.price_step, 8),
                    "A": "1.00000000",
                }
                await peer.send(msgspec.json.encode({"stream": name, "data": data}).decode())
        finally:
            watch.close()

    def _verified(self, request: HttpRequest) -> dict[str, str]:
        """The signed fields; raises _Bad."""
        if request.headers.get("x-mbx-apikey") != API_KEY:
            raise _Bad(-2014, "API-key format invalid.", 401)
        fields = dict(request.query) | dict(parse_qsl(request.body.decode("latin-1")))
        given = fields.pop("signature", "")
        wanted = hmac.new(API_SECRET.encode(), urlencode(fields).encode(), hashlib.sha256)
        if not hmac.compare_digest(given.encode(), wanted.hexdigest().encode()):
            raise _Bad(-1022, "Signature for this request is not valid.")
        stamp = int(fields.get("timestamp", "0"))
        window = int(fields.get("recvWindow", str(_WINDOW_MS)))
        if not self._now_ms() - window <= stamp <= self._now_ms() + _AHEAD_MS:
            raise _Bad(-1021, "Timestamp for this request is outside of the recvWindow.")
        return fields

    def _market(self, fields: dict[str, str]) -> Market:
        symbol = _SYMBOLS.get(fields.get("symbol", ""), "")
        if symbol not in self._venue.markets:
            raise _Bad(-1121, "Invalid symbol.")
        return self._venue.markets[symbol]

    def _account(self) -> dict[str, Any]:
        return {
            "canTrade": True,
            "canWithdraw": True,
            "balances": [
                {
                    "asset": code,
                    "free": plain(self._venue.free(code), 8),
                    "locked": plain(self._venue.reserved(code), 8),
                }
                for code in self._venue.balances
            ],
        }

    def _known(self, fields: dict[str, str], code: int, msg: str) -> SimOrder:
        self._market(fields)
        order = self._venue.by_client(fields.get("origClientOrderId", ""))
        if order is None:
            raise _Bad(code, msg)
        return order

    def _place(self, fields: dict[str, str]) -> HttpReply:
        amount = read_amount(fields.get("quantity", ""))
        limit = fields.get("type") == "LIMIT"
        price = read_amount(fields.get("price", "")) if limit else None
        if amount is None or (limit and price is None) or fields.get("side") not in {"BUY", "SELL"}:
            raise _Bad(-1102, "Mandatory parameter was not sent, was empty/null, or malformed.")
        try:
            order = self._venue.place(
                client_id=fields.get("newClientOrderId", ""),
                symbol=self._market(fields).symbol,
                side=fields["side"].lower(),
                amount=amount,
                price=price,
            )
        except Refused as refused:
            raise _Bad(*_REFUSALS[refused.why]) from refused
        fills = [_fill(order)] if order.filled else []
        return _json(_order(order) | {"fills": fills})

    def _trades(self, fields: dict[str, str]) -> list[dict[str, Any]]:
        order = self._venue.by_id(fields.get("orderId", ""))
        return [_fill(order)] if order is not None and order.filled else []


def _info(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.base + market.quote,
        "status": "TRADING",
        "baseAsset": market.base,
        "quoteAsset": market.quote,
        "filters": [
            {"filterType": "PRICE_FILTER", "tickSize": plain(market.price_step, 8)},
            {
                "filterType": "LOT_SIZE",
                "minQty": plain(market.least_amount, 8),
                "stepSize": plain(market.amount_step, 8),
            },
            {"filterType": "NOTIONAL", "minNotional": plain(market.least_cost, 8)},
        ],
    }


def _order(order: SimOrder) -> dict[str, Any]:
    return {
        "symbol": order.symbol.replace("/", ""),
        "orderId": int(order.id),
        "clientOrderId": order.client_id,
        "price": plain(order.price or 0, 8),
        "origQty": plain(order.amount, 8),
        "executedQty": plain(order.filled, 8),
        "cummulativeQuoteQty": plain(order.cost, 8),
        "status": _STATUSES[order.status],
        "timeInForce": "GTC",
        "type": "MARKET" if order.price is None else "LIMIT",
        "side": order.side.upper(),
        "time": order.created_ms,
    }


def _fill(order: SimOrder) -> dict[str, Any]:
    return {
        "id": order.trade_id,
        "orderId": int(order.id),
        "price": plain(order.fill_price, 8),
        "qty": plain(order.filled, 8),
        "commission": plain(order.fee, 8),
        "commissionAsset": order.fee_currency,
    }


def _json(body: object) -> HttpReply:
    return HttpReply(200, msgspec.json.encode(body))
