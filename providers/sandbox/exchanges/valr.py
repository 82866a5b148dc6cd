"""VALR as its clients see it: SHA-512 headers, orders accepted first and decided after."""

import hashlib
import hmac
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlencode

import msgspec
import trio

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

FEES: Final = Fees(maker_ppm=1_800, taker_ppm=3_500)
_PAIRS: Final = {"BTCZAR": "BTC/ZAR"}
_WINDOW_MS: Final = 30_000
_BOOK: Final = "AGGREGATED_ORDERBOOK_UPDATE"
_MAX_FAILED: Final = 1_000
_STATUSES: Final = {
    Status.OPEN: "Placed",
    Status.FILLED: "Filled",
    Status.CANCELLED: "Cancelled",
}


def venue(now_ms: Callable[[], int]) -> Venue:
    """VALR's markets and the account of the sandbox keys."""
    market = Market(
        symbol="BTC/ZAR",
        price=1_200_000 * 10**8,
        price_step=10**8,
        amount_step=1,
        least_amount=1_000,
        least_cost=10 * 10**8,
    )
    owned = {"BTC": 100 * 10**8, "ZAR": 100_000_000 * 10**8}
    ids: Callable[[int], str] = lambda n: f"00000000-0000-4000-8000-{n:012x}"  # noqa: E731
    return Venue([market], FEES, owned, now_ms=now_ms, order_id=ids)


class ValrFacade:
    """Implements `simulator.Facade`."""

    def __init__(self, venue: Venue, now_ms: Callable[[], int]) -> None:
        self._venue = venue
        self._now_ms = now_ms
        self._failed: OrderedDict[str, dict[str, Any]] = OrderedDict()

    def reached_at(self, stream_url: str) -> None:
        """Its clients know where the stream is."""

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request to api.valr.com."""
        match request.method, request.path.split("/")[1:]:
            case "GET", ["v1", "public", "pairs"]:
                return _json([_pair(market) for market in self._venue.markets.values()])
            case "GET", ["v1", "public", pair, "marketsummary"]:
                return self._summary_of(pair)
        if not self._authorised(request):
            return _failure(403, -93, "API key or secret is invalid")
        match request.method, request.path.split("/")[1:]:
            case "GET", ["v1", "account", "api-keys", "current"]:
                rights = ["View access", "Trade"]
                return _json({"label": "sandbox", "permissions": rights})
            case "GET", ["v1", "account", "balances"]:
                return _json([self._balance(code) for code in self._venue.balances])
            case "POST", ["v1", "orders", "limit" | "market" as kind]:
                return self._place(kind, request.body)
            case "GET", ["v1", "orders", pair, "customerorderid", client_id]:
                return self._status(pair, client_id)
            case "GET", ["v1", "orders", "history", "summary", "customerorderid", client_id]:
                return self._summary(client_id)
            case "DELETE", ["v1", "orders", "order"]:
                return self._cancel(request.body)
            case _:
                return HttpReply(404)

    async def stream(self, peer: Peer) -> None:
        """PONGs, and the best levels of every pair that is subscribed to."""
        if peer.path != "/ws/trade":
            return
        async with trio.open_nursery() as nursery:
            while True:
                frame = msgspec.json.decode(await peer.receive(), type=dict[str, Any])
                if frame.get("type") == "PING":
                    await peer.send('{"type":"PONG"}')
                for wanted in frame.get("subscriptions", []):
                    for pair in wanted.get("pairs", []) if wanted.get("event") == _BOOK else []:
                        market = self._venue.markets.get(_PAIRS.get(pair, ""))
                        if market is not None:
                            scope = nursery.cancel_scope
                            nursery.start_soon(self._tell, peer, pair, market, scope)

    async def _tell(
        self, peer: Peer, pair: str, market: Market, connection: trio.CancelScope
    ) -> None:
        watch = self._venue.watch(market.symbol)
        watch.tell(market)
        try:
            async for tick, price in watch:
                data = {
                    "Asks": [_level(pair, "sell", price + market.price_step)],
                    "Bids": [_level(pair, "buy", price - market.price_step)],
                    "SequenceNumber": tick,
                }
                frame = {"type": _BOOK, "currencyPairSymbol": pair, "data": data}
                await peer.send(msgspec.json.encode(frame).decode())
        finally:
            watch.close()
        connection.cancel()

    def _authorised(self, request: HttpRequest) -> bool:
        given = request.headers
        stamp = given.get("x-valr-timestamp", "")
        if given.get("x-valr-api-key") != API_KEY or not stamp.isdigit():
            return False
        query = f"?{urlencode(request.query)}" if request.query else ""
        text = f"{stamp}{request.method}{request.path}{query}".encode() + request.body
        wanted = hmac.new(API_SECRET.encode(), text, hashlib.sha512).hexdigest()
        fresh = abs(int(stamp) - self._now_ms()) <= _WINDOW_MS
        return fresh and given.get("x-valr-signature") == wanted

    def _summary_of(self, pair: str) -> HttpReply:
        market = self._venue.markets.get(_PAIRS.get(pair, ""))
        if market is None:
            return _failure(400, -21, "Unsupported currency pair")
        return _json(
            {
                "currencyPair": pair,
                "askPrice": plain(market.ask),
                "bidPrice": plain(market.bid),
                "lastTradedPrice": plain(market.price),
            }
        )

    def _balance(self, code: str) -> dict[str, str]:
        return {
            "currency": code,
            "available": plain(self._venue.free(code)),
            "reserved": plain(self._venue.reserved(code)),
            "total": plain(self._venue.balances[code]),
        }

    def _place(self, kind: str, body: bytes) -> HttpReply:
        fields = msgspec.json.decode(body, type=dict[str, Any])
        limit = kind == "limit"
        amount = read_amount(str(fields.get("quantity" if limit else "baseAmount", "")))
        price = read_amount(str(fields.get("price", ""))) if limit else None
        side = str(fields.get("side", "")).lower()
        if amount is None or (limit and price is None) or side not in {"buy", "sell"}:
            return _failure(400, -11, "Invalid Request. Please check your input.")
        client_id = str(fields.get("customerOrderId", ""))
        try:
            order = self._venue.place(
                client_id=client_id,
                symbol=_PAIRS.get(str(fields.get("pair", "")), ""),
                side=side,
                amount=amount,
                price=price,
            )
        except Refused as refused:
            if refused.why is Why.NO_FUNDS:
                return self._fail(client_id, side, amount)
            return _failure(400, -11, refused.why.value)
        return _json({"id": order.id}, 202)

    def _fail(self, client_id: str, side: str, amount: int) -> HttpReply:
        """Accepted, and failed when it is looked at."""
        order_id = f"00000000-0000-4000-9000-{len(self._failed) + 1:012x}"
        self._failed[client_id] = {
            "orderId": order_id,
            "customerOrderId": client_id,
            "orderStatusType": "Failed",
            "orderSide": side,
            "originalQuantity": plain(amount),
            "remainingQuantity": plain(amount),
            "originalPrice": "0",
            "failedReason": "Insufficient Balance",
        }
        if len(self._failed) > _MAX_FAILED:
            self._failed.popitem(last=False)
        return _json({"id": order_id}, 202)

    def _status(self, pair: str, client_id: str) -> HttpReply:
        if client_id in self._failed:
            return _json(self._failed[client_id])
        order = self._venue.by_client(client_id)
        if order is None or _PAIRS.get(pair) != order.symbol:
            return _failure(404, -99, "Order not found")
        return _json(_order(order))

    def _summary(self, client_id: str) -> HttpReply:
        order = self._venue.by_client(client_id)
        if order is None or order.status is Status.OPEN:
            return _failure(404, -99, "Order not found")
        return _json(
            _order(order)
            | {
                "averagePrice": plain(order.fill_price),
                "total": plain(order.cost),
                "totalFee": plain(order.fee),
                "feeCurrency": order.fee_currency,
            }
        )

    def _cancel(self, body: bytes) -> HttpReply:
        fields = msgspec.json.decode(body, type=dict[str, Any])
        order = self._venue.by_client(str(fields.get("customerOrderId", "")))
        if order is None or not self._venue.cancel(order):
            return _failure(400, -99, "Order not found")
        return HttpReply(200, b"{}")


def _pair(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.base + market.quote,
        "baseCurrency": market.base,
        "quoteCurrency": market.quote,
        "shortName": market.symbol,
        "active": True,
        "minBaseAmount": plain(market.least_amount),
        "maxBaseAmount": "20",
        "minQuoteAmount": plain(market.least_cost),
        "maxQuoteAmount": "10000000",
        "tickSize": plain(market.price_step),
        "baseDecimalPlaces": "8",
    }


def _level(pair: str, side: str, price: int) -> dict[str, Any]:
    level = {"side": side, "quantity": "1", "price": plain(price), "currencyPair": pair}
    return level | {"orderCount": 1}


def _order(order: SimOrder) -> dict[str, Any]:
    return {
        "orderId": order.id,
        "customerOrderId": order.client_id,
        "orderStatusType": _STATUSES[order.status],
        "currencyPair": order.symbol.replace("/", ""),
        "orderSide": order.side,
        "orderType": "market" if order.price is None else "limit",
        "originalPrice": plain(order.price or 0),
        "originalQuantity": plain(order.amount),
        "remainingQuantity": plain(order.amount - order.filled),
        "failedReason": "",
        "timeInForce": "GTC",
    }


def _json(body: object, status: int = 200) -> HttpReply:
    return HttpReply(status, msgspec.json.encode(body))


def _failure(status: int, code: int, message: str) -> HttpReply:
    return HttpReply(status, msgspec.json.encode({"code": code, "message": message}))
