"""KuCoin as its clients see it: signed headers, envelopes, a stream with a token and pings."""

import hashlib
import hmac
from base64 import b64encode
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
from providers.sandbox.exchanges.simulator import API_KEY, API_SECRET, PASSPHRASE, read_amount
from providers.sandbox.exchanges.sockets import Peer
from providers.sandbox.server import HttpReply, HttpRequest

FEES: Final = Fees(maker_ppm=1_000, taker_ppm=1_000, in_quote=True)
_TOKEN: Final = "sandbox-stream-token"  # noqa: S105  # public market data
_WINDOW_MS: Final = 5_000
_CLIENT_ORDER: Final = "/api/v1/order/client-order/"
_REFUSALS: Final = {
    Why.UNKNOWN_SYMBOL: ("900001", "symbol not exists"),
    Why.TOO_SMALL: ("400100", "The quantity is below the minimum requirement."),
    Why.BAD_STEP: ("400100", "The quantity is invalid."),
    Why.NO_FUNDS: ("200004", "Balance insufficient!"),
    Why.DUPLICATE: ("400100", "clientOid is duplicated"),
}


def venue(now_ms: Callable[[], int]) -> Venue:
    """KuCoin's markets and the account of the sandbox keys."""
    market = Market(
        symbol="BTC/USDT",
        price=65_000 * 10**8,
        price_step=10_000_000,
        amount_step=1_000,
        least_amount=1_000,
        least_cost=10**7,
    )
    owned = {"BTC": 100 * 10**8, "USDT": 10_000_000 * 10**8}
    return Venue([market], FEES, owned, now_ms=now_ms, order_id=lambda n: f"{n:024x}")


class KuCoinFacade:
    """Implements `simulator.Facade`."""

    def __init__(self, venue: Venue, now_ms: Callable[[], int]) -> None:
        self._venue = venue
        self._now_ms = now_ms
        self.stream_url = ""  # told by `reached_at` once its port is known

    def reached_at(self, stream_url: str) -> None:
        """Where the stream is; KuCoin tells its clients itself."""
        self.stream_url = stream_url

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request to api.kucoin.com."""
        match request.method, request.path:
            case "POST", "/api/v1/bullet-public":
                return _ok({"token": _TOKEN, "instanceServers": [self._server()]})
            case "GET", "/api/v1/market/orderbook/level1":
                market = self._market(request.query.get("symbol", ""))
                return _ok(None if market is None else _level1(market, self._now_ms()))
        if request.method == "GET" and request.path.startswith("/api/v2/symbols/"):
            market = self._market(request.path.rpartition("/")[2])
            return _failure("900001", "symbol not exists") if market is None else _ok(_info(market))
        refused = self._refusal(request)
        return self._signed(request) if refused is None else refused

    async def stream(self, peer: Peer) -> None:
        """Welcome, then pings and one subscription."""
        if peer.query.get("token") != _TOKEN:
            return
        await peer.send(_text({"id": peer.query.get("connectId", ""), "type": "welcome"}))
        async with trio.open_nursery() as nursery:
            while True:
                frame = msgspec.json.decode(await peer.receive(), type=dict[str, Any])
                if frame.get("type") == "ping":
                    await peer.send(_text({"id": frame.get("id", ""), "type": "pong"}))
                elif frame.get("type") == "subscribe":
                    topic = str(frame.get("topic", ""))
                    market = self._market(topic.removeprefix("/market/ticker:"))
                    if market is None:
                        await peer.send(_text({"type": "error", "code": 404}))
                        continue
                    await peer.send(_text({"id": frame.get("id", ""), "type": "ack"}))
                    nursery.start_soon(self._tell, peer, topic, market, nursery.cancel_scope)

    async def _tell(
        self, peer: Peer, topic: str, market: Market, connection: trio.CancelScope
    ) -> None:
        watch = self._venue.watch(market.symbol)
        watch.tell(market)
        try:
            async for tick, price in watch:
                data = {
                    "sequence": str(tick + 1),
                    "price": plain(price),
                    "size": "0.01",
                    "bestAsk": plain(price + market.price_step),
                    "bestAskSize": "1",
                    "bestBid": plain(price - market.price_step),
                    "bestBidSize": "1",
                    "time": self._now_ms(),
                }
                frame = {"type": "message", "topic": topic, "subject": "trade.ticker", "data": data}
                await peer.send(_text(frame))
        finally:
            watch.close()
        connection.cancel()

    def _server(self) -> dict[str, Any]:
        return {
            "endpoint": self.stream_url,
            "encrypt": False,
            "protocol": "websocket",
            "pingInterval": 18_000,
            "pingTimeout": 10_000,
        }

    def _market(self, name: str) -> Market | None:
        return self._venue.markets.get(name.replace("-", "/"))

    def _refusal(self, request: HttpRequest) -> HttpReply | None:
        """Why the headers are not those of the sandbox keys."""
        given = request.headers
        if given.get("kc-api-key") != API_KEY:
            return _failure("400003", "KC-API-KEY not exists")
        stamp = given.get("kc-api-timestamp", "")
        if not stamp.isdigit() or abs(int(stamp) - self._now_ms()) > _WINDOW_MS:
            return _failure("400002", "KC-API-TIMESTAMP Invalid")
        query = f"?{urlencode(request.query)}" if request.query else ""
        text = f"{stamp}{request.method}{request.path}{query}{request.body.decode('latin-1')}"
        if given.get("kc-api-passphrase") != _digest(PASSPHRASE):
            return _failure("400004", "KC-API-PASSPHRASE error")
        if given.get("kc-api-sign") != _digest(text):
            return _failure("400005", "Signature Error")
        return None

    def _signed(self, request: HttpRequest) -> HttpReply:
        if request.path.startswith(_CLIENT_ORDER):
            return self._one(request.method, request.path.removeprefix(_CLIENT_ORDER))
        match request.method, request.path:
            case "GET", "/api/v1/user/api-key":
                return _ok({"remark": "sandbox", "permission": "General, Spot", "isMaster": True})
            case "GET", "/api/v1/accounts":
                return _ok([self._account(code) for code in self._venue.balances])
            case "POST", "/api/v1/orders":
                return self._place(request.body)
            case _:
                return HttpReply(404)

    def _account(self, code: str) -> dict[str, str]:
        return {
            "id": f"{code.lower()}-trade",
            "currency": code,
            "type": "trade",
            "balance": plain(self._venue.balances[code]),
            "available": plain(self._venue.free(code)),
            "holds": plain(self._venue.reserved(code)),
        }

    def _one(self, method: str, client_id: str) -> HttpReply:
        order = self._venue.by_client(client_id)
        if order is None:
            return _failure("400100", "order not exist.")
        if method == "GET":
            return _ok(_order(order))
        if not self._venue.cancel(order):
            return _failure("400100", "The order cannot be canceled.")
        return _ok({"cancelledOrderId": order.id, "clientOid": client_id})

    def _place(self, body: bytes) -> HttpReply:
        fields = msgspec.json.decode(body, type=dict[str, Any])
        limit = fields.get("type") == "limit"
        amount = read_amount(str(fields.get("size", "")))
        price = read_amount(str(fields.get("price", ""))) if limit else None
        side = fields.get("side")
        if amount is None or (limit and price is None) or side not in {"buy", "sell"}:
            return _failure("400100", "Parameter error")
        market = self._market(str(fields.get("symbol", "")))
        try:
            order = self._venue.place(
                client_id=str(fields.get("clientOid", "")),
                symbol="" if market is None else market.symbol,
                side=side,
                amount=amount,
                price=price,
            )
        except Refused as refused:
            return _failure(*_REFUSALS[refused.why])
        return _ok({"orderId": order.id})


def _digest(text: str) -> str:
    made = hmac.new(API_SECRET.encode(), text.encode("latin-1"), hashlib.sha256).digest()
    return b64encode(made).decode()


def _level1(market: Market, now_ms: int) -> dict[str, Any]:
    return {
        "sequence": str(market.ticks + 1),
        "price": plain(market.price),
        "size": "0.01",
        "bestBid": plain(market.bid),
        "bestAsk": plain(market.ask),
        "time": now_ms,
    }


def _info(market: Market) -> dict[str, Any]:
    return {
        "symbol": f"{market.base}-{market.quote}",
        "baseCurrency": market.base,
        "quoteCurrency": market.quote,
        "baseMinSize": plain(market.least_amount),
        "baseIncrement": plain(market.amount_step),
        "priceIncrement": plain(market.price_step),
        "minFunds": plain(market.least_cost),
        "makerFeeCoefficient": "1.00",
        "takerFeeCoefficient": "1.00",
        "enableTrading": True,
    }


def _order(order: SimOrder) -> dict[str, Any]:
    return {
        "id": order.id,
        "clientOid": order.client_id,
        "symbol": order.symbol.replace("/", "-"),
        "type": "market" if order.price is None else "limit",
        "side": order.side,
        "price": plain(order.price or 0),
        "size": plain(order.amount),
        "dealSize": plain(order.filled),
        "dealFunds": plain(order.cost),
        "fee": plain(order.fee),
        "feeCurrency": order.symbol.partition("/")[2],
        "isActive": order.status is Status.OPEN,
        "cancelExist": order.status is Status.CANCELLED,
        "createdAt": order.created_ms,
    }


def _ok(data: object) -> HttpReply:
    return HttpReply(200, msgspec.json.encode({"code": "200000", "data": data}))


def _failure(code: str, msg: str) -> HttpReply:
    return HttpReply(400, msgspec.json.encode({"code": code, "msg": msg}))


def _text(body: object) -> str:
    return msgspec.json.encode(body).decode()
