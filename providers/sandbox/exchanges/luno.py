"""Luno as its clients see it: HTTP Basic, forms, XBT, an order-book stream behind keys."""

from base64 import b64decode
from binascii import Error as BadBase64
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from domain.money import plain
from providers.sandbox.exchanges.engine import (
    BUY,
    SELL,
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

FEES: Final = Fees(maker_ppm=4_000, taker_ppm=6_000)
_PAIRS: Final = {"XBTZAR": "BTC/ZAR"}
_MARGIN: Final = "1.00000000"  # volume of the simulated best orders
_REFUSALS: Final = {
    Why.UNKNOWN_SYMBOL: (400, "ErrInvalidMarketPair"),
    Why.TOO_SMALL: (400, "ErrVolumeTooLow"),
    Why.BAD_STEP: (400, "ErrPriceTooPrecise"),
    Why.NO_FUNDS: (400, "ErrInsufficientBalance"),
    Why.DUPLICATE: (409, "ErrDuplicateClientOrderID"),
}


def venue(now_ms: Callable[[], int]) -> Venue:
    """Luno's markets and the account of the sandbox keys."""
    market = Market(
        symbol="BTC/ZAR",
        price=120_000_000_000_000,
        price_step=100_000_000,
        amount_step=100,
        least_amount=5_000,
        least_cost=0,
    )
    owned = {"BTC": 100 * 10**8, "ZAR": 100_000_000 * 10**8}
    return Venue([market], FEES, owned, now_ms=now_ms, order_id=lambda n: f"BXSIM{n:08d}")


class LunoFacade:
    """Implements `simulator.Facade`."""

    def __init__(self, venue: Venue, now_ms: Callable[[], int]) -> None:
        self._venue = venue
        self._now_ms = now_ms

    def reached_at(self, stream_url: str) -> None:
        """Its clients know where the stream is."""

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request to api.luno.com."""
        match request.method, request.path:
            case "GET", "/api/exchange/1/markets":
                return _json({"markets": [_market(row) for row in self._venue.markets.values()]})
            case "GET", "/api/1/ticker":
                return self._ticker(request.query.get("pair", ""))
        if not _authorised(request):
            return _failure(401, "ErrUnauthorised")
        form = dict(parse_qsl(request.body.decode("latin-1")))
        match request.method, request.path:
            case "GET", "/api/1/balance":
                return _json({"balance": [self._balance(code) for code in self._venue.balances]})
            case "GET", "/api/exchange/3/order":
                return self._order(request.query)
            case "POST", "/api/1/postorder":
                return self._limit(form)
            case "POST", "/api/1/marketorder":
                return self._market(form)
            case "POST", "/api/1/stoporder":
                return self._stop(form)
            case _:
                return _failure(404, "ErrNotFound")

    async def stream(self, peer: Peer) -> None:
        """Snapshot, then one update after another; each tick moves both best orders."""
        symbol = _PAIRS.get(peer.path.rpartition("/")[2], "")
        first = msgspec.json.decode(await peer.receive(), type=dict[str, Any])
        keys = first.get("api_key_id"), first.get("api_key_secret")
        if symbol not in self._venue.markets or keys != (API_KEY, API_SECRET):
            return
        market = self._venue.markets[symbol]
        watch = self._venue.watch(symbol)
        try:
            before = market.ticks
            await peer.send(_text(self._snapshot(market)))
            async for tick, price in watch:
                for update in self._updates(before, tick, price, market.price_step):
                    await peer.send(_text(update))
                before = tick
        finally:
            watch.close()

    def _snapshot(self, market: Market) -> dict[str, Any]:
        return {
            "sequence": str(2 * market.ticks),
            "asks": [_entry(f"A{market.ticks}", market.ask)],
            "bids": [_entry(f"B{market.ticks}", market.bid)],
            "status": "ACTIVE",
            "timestamp": self._now_ms(),
        }

    def _updates(self, before: int, tick: int, price: int, step: int) -> list[dict[str, Any]]:
        """Two frames, between which one side of the book is empty."""
        return [
            self._update(2 * tick - 1, "ASK", f"A{tick}", price + step, f"B{before}"),
            self._update(2 * tick, "BID", f"B{tick}", price - step, f"A{before}"),
        ]

    def _update(self, sequence: int, kind: str, new: str, price: int, old: str) -> dict[str, Any]:
        return {
            "sequence": str(sequence),
            "trade_updates": None,
            "create_update": {
                "order_id": new,
                "type": kind,
                "price": plain(price, 2),
                "volume": _MARGIN,
            },
            "delete_update": {"order_id": old},
            "status_update": None,
            "timestamp": self._now_ms(),
        }

    def _ticker(self, pair: str) -> HttpReply:
        market = self._venue.markets.get(_PAIRS.get(pair, ""))
        if market is None:
            return _failure(400, "ErrInvalidMarketPair")
        return _json(
            {
                "pair": pair,
                "timestamp": self._now_ms(),
                "bid": plain(market.bid, 2),
                "ask": plain(market.ask, 2),
                "last_trade": plain(market.price, 2),
                "rolling_24_hour_volume": "100.00",
                "status": "ACTIVE",
            }
        )

    def _balance(self, code: str) -> dict[str, Any]:
        return {
            "account_id": str(1 + list(self._venue.balances).index(code)),
            "asset": "XBT" if code == "BTC" else code,
            "balance": plain(self._venue.balances[code], 2),
            "reserved": plain(self._venue.reserved(code), 2),
            "unconfirmed": "0.00",
        }

    def _order(self, query: dict[str, str]) -> HttpReply:
        found = self._venue.by_client(query.get("client_order_id", ""))
        if found is None and "id" in query:
            found = self._venue.by_id(query["id"])
        return _failure(404, "ErrOrderNotFound") if found is None else _json(_order(found))

    def _limit(self, form: dict[str, str]) -> HttpReply:
        sides = {"BID": BUY, "ASK": SELL}
        volume, price = read_amount(form.get("volume", "")), read_amount(form.get("price", ""))
        side = sides.get(form.get("type", ""))
        if volume is None or price is None or side is None:
            return _failure(400, "ErrInvalidArguments")
        return self._place(form, side=side, amount=volume, price=price)

    def _market(self, form: dict[str, str]) -> HttpReply:
        buys = form.get("type") == "BUY"
        volume = read_amount(form.get("counter_volume" if buys else "base_volume", ""))
        if volume is None:
            return _failure(400, "ErrInvalidCounterVolume" if buys else "ErrInvalidBaseVolume")
        if buys:
            return self._place(form, side=BUY, budget=volume)
        return self._place(form, side=SELL, amount=volume)

    def _place(
        self,
        form: dict[str, str],
        *,
        side: str,
        amount: int = 0,
        price: int | None = None,
        budget: int = 0,
    ) -> HttpReply:
        try:
            order = self._venue.place(
                client_id=form.get("client_order_id", ""),
                symbol=_PAIRS.get(form.get("pair", ""), ""),
                side=side,
                amount=amount,
                price=price,
                budget=budget,
            )
        except Refused as refused:
            return _failure(*_REFUSALS[refused.why])
        return _json({"order_id": order.id})

    def _stop(self, form: dict[str, str]) -> HttpReply:
        order = self._venue.by_id(form.get("order_id", ""))
        if order is None or not self._venue.cancel(order):
            return _failure(400, "ErrOrderNotFound" if order is None else "ErrOrderCompleted")
        return _json({"success": True})


def _authorised(request: HttpRequest) -> bool:
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    try:
        return scheme == "Basic" and b64decode(given) == f"{API_KEY}:{API_SECRET}".encode()
    except BadBase64:
        return False


def _market(market: Market) -> dict[str, Any]:
    return {
        "market_id": "XBT" + market.symbol.partition("/")[2],
        "trading_status": "ACTIVE",
        "base_currency": "XBT",
        "counter_currency": market.quote,
        "min_volume": plain(market.least_amount),
        "max_volume": "100.00",
        "volume_scale": 6,
        "min_price": "100.00",
        "max_price": "10000000.00",
        "price_scale": 0,
        "fee_scale": 8,
    }


def _entry(order_id: str, price: int) -> dict[str, str]:
    return {"id": order_id, "price": plain(price, 2), "volume": _MARGIN}


def _order(order: SimOrder) -> dict[str, Any]:
    in_base = order.fee_currency == "BTC"
    return {
        "order_id": order.id,
        "client_order_id": order.client_id,
        "pair": next(pair for pair, symbol in _PAIRS.items() if symbol == order.symbol),
        "side": order.side.upper(),
        "type": "MARKET" if order.price is None else "LIMIT",
        "status": "PENDING" if order.status is Status.OPEN else "COMPLETE",
        "base": plain(order.filled),
        "counter": plain(order.cost),
        "fee_base": plain(order.fee if in_base else 0),
        "fee_counter": plain(0 if in_base else order.fee),
        "limit_price": plain(order.price or 0),
        "limit_volume": plain(0 if order.price is None else order.amount),
        "creation_timestamp": order.created_ms,
        "completed_timestamp": 0 if order.status is Status.OPEN else order.created_ms,
        "expiration_timestamp": 0,
        "time_in_force": "GTC",
    }


def _text(body: dict[str, Any]) -> str:
    return msgspec.json.encode(body).decode()


def _json(body: object) -> HttpReply:
    return HttpReply(200, msgspec.json.encode(body))


def _failure(status: int, code: str) -> HttpReply:
    return HttpReply(status, msgspec.json.encode({"error": code, "error_code": code}))
