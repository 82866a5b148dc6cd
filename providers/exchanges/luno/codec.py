"""Luno's bytes from intents, and what its answers mean; pure."""

from base64 import b64encode
from typing import Final
from urllib.parse import urlencode

import msgspec

from actors.exchanges import (
    ExchangeError,
    ExchangeRefused,
    Keys,
    KeysRefused,
    Order,
    OrderState,
    OrderStatus,
    Side,
    SymbolRules,
)
from providers.exchanges.http import Answer
from providers.exchanges.luno import wire
from providers.exchanges.numbers import cost_of, read_units, split, step_of, write_units

BALANCES: Final = msgspec.json.Decoder(wire.Balances)
MARKETS: Final = msgspec.json.Decoder(wire.Markets)
TICKER: Final = msgspec.json.Decoder(wire.Ticker)
PLACED: Final = msgspec.json.Decoder(wire.Placed)
ORDER: Final = msgspec.json.Decoder(wire.Order)
SNAPSHOT: Final = msgspec.json.Decoder(wire.Snapshot)
UPDATE: Final = msgspec.json.Decoder(wire.Update)
_FAILURE: Final = msgspec.json.Decoder(wire.Failure)
_KEY_ERRORS: Final = frozenset({"ErrUnauthorised", "ErrApiKeyRevoked", "ErrAPIKeyNotFound"})


def authorization(keys: Keys) -> dict[str, str]:
    """HTTP Basic: key id as user name, secret as password."""
    pair = f"{keys.api_key}:{keys.api_secret}".encode()
    return {"authorization": "Basic " + b64encode(pair).decode()}


def form(keys: Keys, **fields: str) -> tuple[dict[str, str], bytes]:
    """Headers and body of a POST."""
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return authorization(keys) | kind, urlencode(fields).encode()


def their_asset(code: str) -> str:
    """The document's currency code in Luno's spelling."""
    return "XBT" if code == "BTC" else code


def our_asset(asset: str) -> str:
    """Luno's currency code in the document's spelling."""
    return "BTC" if asset == "XBT" else asset


def pair_of(symbol: str) -> str:
    """ "BTC/ZAR" → "XBTZAR"."""
    base, quote = split(symbol)
    return their_asset(base) + their_asset(quote)


def limit_fields(order: Order, price: int) -> dict[str, str]:
    """Of `/api/1/postorder`."""
    return {
        "pair": pair_of(order.symbol),
        "type": "BID" if order.side is Side.BUY else "ASK",
        "volume": write_units(order.amount),
        "price": write_units(price),
        "client_order_id": order.client_order_id,
    }


def market_fields(order: Order, ask: int) -> dict[str, str]:
    """Of `/api/1/marketorder`. A buy is by what it may cost, so it is priced at the ask."""
    fields = {
        "pair": pair_of(order.symbol),
        "type": order.side.name,
        "client_order_id": order.client_order_id,
    }
    if order.side is Side.SELL:
        return fields | {"base_volume": write_units(order.amount)}
    cents = step_of(2)
    cost = cost_of(order.amount, ask)
    return fields | {"counter_volume": write_units(cost - cost % cents)}


def balances(read: wire.Balances) -> dict[str, int]:
    """What is free, over all accounts of a currency."""
    free: dict[str, int] = {}
    for row in read.balance:
        code = our_asset(row.asset)
        free[code] = free.get(code, 0) + read_units(row.balance) - read_units(row.reserved)
    return free


def rules(symbol: str, market: wire.Market) -> SymbolRules:
    """A market without a least cost of its own: its least amount at its least price."""
    base, quote = split(symbol)
    least = read_units(market.min_volume)
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        price_step=step_of(market.price_scale),
        amount_step=step_of(market.volume_scale),
        least_amount=least,
        least_cost=cost_of(least, read_units(market.min_price)),
        maker_fee_ppm=wire.MAKER_FEE_PPM,
        taker_fee_ppm=wire.TAKER_FEE_PPM,
    )


def state(read: wire.Order, symbol: str) -> OrderState:
    """An order's state; what is complete without having traded in full was cancelled."""
    base, quote = split(symbol)
    filled, wanted = read_units(read.base), read_units(read.limit_volume)
    status = OrderStatus.OPEN
    if read.status == "COMPLETE":
        whole = filled > 0 and filled >= wanted
        status = OrderStatus.FILLED if whole else OrderStatus.CANCELLED
    fee_base, fee_quote = read_units(read.fee_base), read_units(read.fee_counter)
    return OrderState(
        client_order_id=read.client_order_id,
        exchange_order_id=read.order_id,
        symbol=symbol,
        side=Side.BUY if read.side == "BUY" else Side.SELL,
        status=status,
        filled=filled,
        cost=read_units(read.counter),
        fee=fee_base or fee_quote,
        fee_currency=base if fee_base else quote,
    )


def failure(answer: Answer) -> wire.Failure:
    """Luno's error body, empty where there is none."""
    try:
        return _FAILURE.decode(answer.body)
    except msgspec.MsgspecError:
        return wire.Failure()


def refusal(answer: Answer) -> ExchangeError:
    """Why an answer that is not 200 is none."""
    failed = failure(answer)
    what = failed.error_code or f"HTTP {answer.status}"
    if answer.status == 401 or failed.error_code in _KEY_ERRORS:
        return KeysRefused(what)
    return ExchangeRefused(what)


def is_unknown_order(answer: Answer) -> bool:
    """Whether Luno has never seen the order that was asked for."""
    return answer.status == 404 or failure(answer).error_code == "ErrOrderNotFound"


class Book:
    """Luno's order book as its stream tells it; gives the price between the best of each side."""

    def __init__(self, snapshot: wire.Snapshot) -> None:
        self.sequence = int(snapshot.sequence)
        self._bids = {row.id: (read_units(row.price), row.volume) for row in snapshot.bids}
        self._asks = {row.id: (read_units(row.price), row.volume) for row in snapshot.asks}
        self._best_bid = self._best_ask = 0
        self._look()

    def middle(self) -> int:
        """0 while a side is empty."""
        if not self._best_bid or not self._best_ask:
            return 0
        return (self._best_bid + self._best_ask) // 2

    def apply(self, update: wire.Update) -> bool:
        """Take the next update over; False when one before it is missing."""
        if int(update.sequence) != self.sequence + 1:
            return False
        self.sequence += 1
        for trade in update.trade_updates or ():
            self._trade(trade)
        if update.create_update is not None:
            self._create(update.create_update)
        if update.delete_update is not None:
            self._remove(update.delete_update.order_id)
        self._look()
        return True

    def _trade(self, trade: wire.Trade) -> None:
        for side in (self._bids, self._asks):
            for order_id in (trade.maker_order_id, trade.order_id):
                if order_id in side:
                    price, volume = side[order_id]
                    side[order_id] = price, volume - trade.base
                    if volume <= trade.base:
                        del side[order_id]
                    return

    def _create(self, create: wire.Create) -> None:
        side = self._bids if create.type == "BID" else self._asks
        side[create.order_id] = read_units(create.price), create.volume

    def _remove(self, order_id: str) -> None:
        self._bids.pop(order_id, None)
        self._asks.pop(order_id, None)

    def _look(self) -> None:
        self._best_bid = max((price for price, _ in self._bids.values()), default=0)
        self._best_ask = min((price for price, _ in self._asks.values()), default=0)
