"""OVEX as its clients see it: a bearer key, quotes that expire, trades made of them."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from domain.money import UNITS_PER_WHOLE, plain
from providers.sandbox.exchanges.engine import (
    BUY,
    SELL,
    Fees,
    Market,
    Refused,
    SimOrder,
    Venue,
)
from providers.sandbox.exchanges.simulator import API_KEY, read_amount
from providers.sandbox.exchanges.sockets import Peer
from providers.sandbox.server import HttpReply, HttpRequest

FEES: Final = Fees(maker_ppm=0, taker_ppm=0)
_MARKETS: Final = {"btczar": "BTC/ZAR"}
_QUOTE_MS: Final = 10_000
_MAX_QUOTES: Final = 10_000


def venue(now_ms: Callable[[], int]) -> Venue:
    """OVEX's markets and the account of the sandbox key."""
    market = Market(
        symbol="BTC/ZAR",
        price=1_200_000 * 10**8,
        price_step=10**6,
        amount_step=1,
        least_amount=10_000,
        least_cost=0,
    )
    owned = {"BTC": 100 * 10**8, "ZAR": 100_000_000 * 10**8}
    return Venue([market], FEES, owned, now_ms=now_ms)


@dataclass(frozen=True, slots=True)
class _Quote:
    token: str
    name: str
    side: str
    amount: int
    rate: int
    expires_ms: int

    @property
    def cost(self) -> int:
        return self.amount * self.rate // UNITS_PER_WHOLE


class OvexFacade:
    """Implements `simulator.Facade`."""

    def __init__(self, venue: Venue, now_ms: Callable[[], int]) -> None:
        self._venue = venue
        self._now_ms = now_ms
        self._quotes: OrderedDict[str, _Quote] = OrderedDict()
        self._count = 0

    def reached_at(self, stream_url: str) -> None:
        """It has no stream."""

    async def stream(self, peer: Peer) -> None:
        """It has none: whoever connects is sent away."""

    async def handle(self, request: HttpRequest) -> HttpReply:
        """One request to www.ovex.io/api/v2."""
        match request.method, request.path:
            case "GET", "/api/v2/markets":
                return _json([_market(market) for market in self._venue.markets.values()])
            case "GET", "/api/v2/rfq/get_quote":
                return self._quote(request.query)
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            return _failure(401, "Authorization failed")
        match request.method, request.path:
            case "GET", "/api/v2/accounts":
                return _json([self._account(code) for code in self._venue.balances])
            case "POST", "/api/v2/rfq/accept_quote":
                return self._accept(request.query.get("quote_token", ""))
            case "GET", "/api/v2/rfq/trades":
                limit = int(request.query.get("limit", "50"))
                newest = list(reversed(self._venue.orders()))[:limit]
                return _json([_trade(order) for order in newest])
            case _:
                return HttpReply(404)

    def _account(self, code: str) -> dict[str, str]:
        return {
            "currency": code.lower(),
            "balance": plain(self._venue.free(code)),
            "locked": plain(self._venue.reserved(code)),
        }

    def _quote(self, query: dict[str, str]) -> HttpReply:
        market = self._venue.markets.get(_MARKETS.get(query.get("market", ""), ""))
        side = query.get("side", BUY)
        if market is None or side not in {BUY, SELL}:
            return _failure(422, "market does not have a valid value")
        rate = market.ask if side == BUY else market.bid
        given, wanted = query.get("from_amount", ""), query.get("to_amount", "")
        amount = read_amount(given or wanted)
        if amount is None:
            return _failure(422, "from_amount or to_amount is missing")
        if (side == BUY) == bool(given):  # it was said in the quote currency
            amount = amount * UNITS_PER_WHOLE // rate
        if amount < market.least_amount:
            return _failure(422, "amount is below the minimum")
        self._count += 1
        quote = _Quote(
            token=f"sim-quote-{self._now_ms()}-{self._count}",
            name=query["market"],
            side=side,
            amount=amount,
            rate=rate,
            expires_ms=self._now_ms() + _QUOTE_MS,
        )
        self._quotes[quote.token] = quote
        if len(self._quotes) > _MAX_QUOTES:
            self._quotes.popitem(last=False)
        return _json(_told(quote, self._now_ms()))

    def _accept(self, token: str) -> HttpReply:
        done = self._venue.by_client(token)
        if done is not None:
            return _json(_trade(done))
        quote = self._quotes.get(token)
        if quote is None or self._now_ms() >= quote.expires_ms:
            return _failure(422, "quote has expired")
        try:
            order = self._venue.place(
                client_id=token,
                symbol=_MARKETS[quote.name],
                side=quote.side,
                amount=quote.amount,
                at=quote.rate,
            )
        except Refused as refused:
            return _failure(422, refused.why.value)
        return _json(_trade(order), 201)


def _market(market: Market) -> dict[str, Any]:
    return {
        "id": (market.base + market.quote).lower(),
        "name": market.symbol,
        "base_unit": market.base.lower(),
        "quote_unit": market.quote.lower(),
        "min_amount": plain(market.least_amount),
        "amount_precision": 8,
        "price_precision": 2,
        "state": "enabled",
    }


def _told(quote: _Quote, now_ms: int) -> dict[str, Any]:
    base, counter = quote.name[:3], quote.name[3:]
    money, coins = plain(quote.cost), plain(quote.amount)
    buys = quote.side == BUY
    return {
        "quote_token": quote.token,
        "market": quote.name,
        "side": quote.side,
        "from_currency": counter if buys else base,
        "to_currency": base if buys else counter,
        "from_amount": money if buys else coins,
        "to_amount": coins if buys else money,
        "rate": plain(quote.rate),
        "requested_at": _iso(now_ms),
        "expires_at": _iso(quote.expires_ms),
    }


def _trade(order: SimOrder) -> dict[str, Any]:
    money, coins = plain(order.cost), plain(order.filled)
    buys = order.is_buy
    return {
        "id": int(order.id),
        "quote_token": order.client_id,
        "market": order.symbol.replace("/", "").lower(),
        "side": order.side,
        "from_amount": money if buys else coins,
        "to_amount": coins if buys else money,
        "rate": plain(order.fill_price),
        "state": "executed",
        "created_at": _iso(order.created_ms),
    }


def _iso(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")


def _json(body: object, status: int = 200) -> HttpReply:
    return HttpReply(status, msgspec.json.encode(body))


def _failure(status: int, error: str) -> HttpReply:
    return HttpReply(status, msgspec.json.encode({"error": error}))
