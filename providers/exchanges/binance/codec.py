"""Binance's bytes from intents, and what its answers mean; pure."""

import hashlib
import hmac
from typing import Final
from urllib.parse import urlencode

import msgspec

from actors.exchanges import (
    ExchangeError,
    ExchangeRefused,
    ExchangeUnavailable,
    Keys,
    KeysRefused,
    Order,
    OrderState,
    OrderStatus,
    OutcomeUnknown,
    Side,
    SymbolRules,
)
from providers.exchanges.binance import wire
from providers.exchanges.http import Answer
from providers.exchanges.numbers import read_units, split, write_units

ACCOUNT: Final = msgspec.json.Decoder(wire.Account)
RIGHTS: Final = msgspec.json.Decoder(wire.Rights)
INFO: Final = msgspec.json.Decoder(wire.ExchangeInfo)
ORDER: Final = msgspec.json.Decoder(wire.Order)
FILLS: Final = msgspec.json.Decoder(list[wire.Fill])
PRICE: Final = msgspec.json.Decoder(wire.Price)
FRAME: Final = msgspec.json.Decoder(wire.Frame)
_FAILURE: Final = msgspec.json.Decoder(wire.Failure)
_STATUSES: Final = {
    "FILLED": OrderStatus.FILLED,
    "CANCELED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.CANCELLED,
    "EXPIRED_IN_MATCH": OrderStatus.CANCELLED,
    "REJECTED": OrderStatus.REJECTED,
}


def sign(secret: str, payload: str) -> str:
    """Hex HMAC-SHA256 of the query or body as it is sent."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def signed(keys: Keys, now_ms: int, **fields: str) -> str:
    """A query with its timestamp and signature."""
    payload = urlencode(fields | {"recvWindow": str(wire.RECV_WINDOW_MS), "timestamp": str(now_ms)})
    return f"{payload}&signature={sign(keys.api_secret, payload)}"


def headers(keys: Keys) -> dict[str, str]:
    """The key goes in the open, its secret never."""
    return {"x-mbx-apikey": keys.api_key}


def name_of(symbol: str) -> str:
    """ "BTC/USDT" → "BTCUSDT"."""
    return symbol.replace("/", "")


def stream_of(symbol: str) -> str:
    """The query that subscribes to a symbol's best bid and ask."""
    return urlencode({"streams": f"{name_of(symbol).lower()}@bookTicker"})


def order_fields(order: Order) -> dict[str, str]:
    """Of a new order."""
    fields = {
        "symbol": name_of(order.symbol),
        "side": order.side.name,
        "type": "MARKET" if order.price is None else "LIMIT",
        "quantity": write_units(order.amount),
        "newClientOrderId": order.client_order_id,
        "newOrderRespType": "FULL",
    }
    if order.price is not None:
        fields |= {"price": write_units(order.price), "timeInForce": "GTC"}
    return fields


def balances(read: wire.Account) -> dict[str, int]:
    """What is free."""
    return {row.asset: read_units(row.free) for row in read.balances}


def rules(symbol: str, info: wire.ExchangeInfo) -> SymbolRules:
    """Steps and minima from the symbol's filters."""
    base, quote = split(symbol)
    filters = {row.filter_type: row for row in info.symbols[0].filters}
    cost = filters.get("NOTIONAL") or filters.get("MIN_NOTIONAL")
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        price_step=read_units(filters["PRICE_FILTER"].tick_size),
        amount_step=read_units(filters["LOT_SIZE"].step_size),
        least_amount=read_units(filters["LOT_SIZE"].min_qty),
        least_cost=read_units(cost.min_notional) if cost is not None else 0,
        maker_fee_ppm=wire.FEE_PPM,
        taker_fee_ppm=wire.FEE_PPM,
    )


def state(
    read: wire.Order, symbol: str, client_order_id: str, fills: list[wire.Fill]
) -> OrderState:
    """An order's state. Its fee is told in the currency that most of it was taken in."""
    fees: dict[str, int] = {}
    for fill in fills:
        fees[fill.commission_asset] = fees.get(fill.commission_asset, 0) + read_units(
            fill.commission
        )
    fee_currency = max(fees, key=lambda asset: fees[asset], default=split(symbol)[1])
    return OrderState(
        client_order_id=client_order_id,
        exchange_order_id=str(read.order_id),
        symbol=symbol,
        side=Side.BUY if read.side == "BUY" else Side.SELL,
        status=_STATUSES.get(read.status, OrderStatus.OPEN),
        filled=read_units(read.executed_qty),
        cost=read_units(read.cummulative_quote_qty),
        fee=fees.get(fee_currency, 0),
        fee_currency=fee_currency,
    )


def failure(answer: Answer) -> wire.Failure:
    """Binance's error body, empty where there is none."""
    try:
        return _FAILURE.decode(answer.body)
    except msgspec.MsgspecError:
        return wire.Failure()


def refusal(answer: Answer, *, changes: bool = False) -> ExchangeError:
    """Why an answer that is not 200 is none."""
    failed = failure(answer)
    what = f"{failed.code or answer.status} {failed.msg[:100]}"
    if failed.code in wire.KEY_CODES or answer.status == 401:
        return KeysRefused(what)
    if failed.code in wire.UNKNOWN_CODES:
        return OutcomeUnknown(what) if changes else ExchangeUnavailable(what)
    if failed.code == wire.BAD_CLOCK:
        return ExchangeUnavailable(what)
    return ExchangeRefused(what)
