"""VALR's bytes from intents, and what its answers mean; pure."""

import hashlib
import hmac
from typing import Final

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
from providers.exchanges.numbers import cost_of, middle, read_units, split, step_of, write_units
from providers.exchanges.valr import wire

RIGHTS: Final = msgspec.json.Decoder(wire.Rights)
BALANCES: Final = msgspec.json.Decoder(list[wire.Balance])
PAIRS: Final = msgspec.json.Decoder(list[wire.Pair])
MARKET: Final = msgspec.json.Decoder(wire.MarketSummary)
PLACED: Final = msgspec.json.Decoder(wire.Placed)
STATUS: Final = msgspec.json.Decoder(wire.Status)
SUMMARY: Final = msgspec.json.Decoder(wire.Summary)
FRAME: Final = msgspec.json.Decoder(wire.Frame)
_BOOK: Final = msgspec.json.Decoder(wire.Book)
_FAILURE: Final = msgspec.json.Decoder(wire.Failure)
_encode: Final = msgspec.json.Encoder().encode
_STATUSES: Final = {
    "Filled": OrderStatus.FILLED,
    "Cancelled": OrderStatus.CANCELLED,
    "Expired": OrderStatus.CANCELLED,
    "Failed": OrderStatus.REJECTED,
}


def sign(secret: str, now_ms: int, verb: str, target: str, body: bytes = b"") -> str:
    """Hex HMAC-SHA512 of time, verb, path with query and body, as they are sent."""
    text = f"{now_ms}{verb.upper()}{target}".encode() + body
    return hmac.new(secret.encode(), text, hashlib.sha512).hexdigest()


def headers(keys: Keys, now_ms: int, verb: str, target: str, body: bytes = b"") -> dict[str, str]:
    """Of a signed request."""
    return {
        "x-valr-api-key": keys.api_key,
        "x-valr-signature": sign(keys.api_secret, now_ms, verb, target, body),
        "x-valr-timestamp": str(now_ms),
        "content-type": "application/json",
    }


def name_of(symbol: str) -> str:
    """ "BTC/ZAR" → "BTCZAR"."""
    return symbol.replace("/", "")


def new_order(order: Order) -> tuple[str, bytes]:
    """Path and body of a new order."""
    side, pair, client_id = order.side.name, name_of(order.symbol), order.client_order_id
    if order.price is None:
        body = wire.NewOrder(
            side=side,
            pair=pair,
            customer_order_id=client_id,
            base_amount=write_units(order.amount),
        )
        return wire.MARKET_PATH, _encode(body)
    body = wire.NewOrder(
        side=side,
        pair=pair,
        customer_order_id=client_id,
        quantity=write_units(order.amount),
        price=write_units(order.price),
        post_only=False,
        time_in_force="GTC",
    )
    return wire.LIMIT_PATH, _encode(body)


def cancel(symbol: str, client_order_id: str) -> bytes:
    """The body of a cancellation."""
    return _encode(wire.Cancel(pair=name_of(symbol), customer_order_id=client_order_id))


def subscribe(symbol: str) -> str:
    """The frame that asks for a pair's best levels."""
    wanted = wire.Subscription(event=wire.BOOK_EVENT, pairs=[name_of(symbol)])
    return _encode(wire.Subscribe(subscriptions=[wanted])).decode()


def book(frame: wire.Frame) -> tuple[int, int]:
    """Sequence and the middle of the best prices, 0 while a side is empty."""
    read = _BOOK.decode(frame.data)
    if not read.asks or not read.bids:
        return read.sequence_number, 0
    bid = max(read_units(level.price) for level in read.bids)
    ask = min(read_units(level.price) for level in read.asks)
    return read.sequence_number, middle(bid, ask)


def balances(read: list[wire.Balance]) -> dict[str, int]:
    """What is free."""
    return {row.currency: read_units(row.available) for row in read}


def rules(symbol: str, pair: wire.Pair) -> SymbolRules:
    """Steps and minima as the pair tells them."""
    base, quote = split(symbol)
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        price_step=read_units(pair.tick_size),
        amount_step=step_of(int(pair.base_decimal_places)),
        least_amount=read_units(pair.min_base_amount),
        least_cost=read_units(pair.min_quote_amount),
        maker_fee_ppm=wire.MAKER_FEE_PPM,
        taker_fee_ppm=wire.TAKER_FEE_PPM,
    )


def status_of(read: wire.Status) -> OrderStatus:
    """Where the order is."""
    return _STATUSES.get(read.order_status_type, OrderStatus.OPEN)


def state(
    read: wire.Status, summary: wire.Summary | None, symbol: str, client_order_id: str
) -> OrderState:
    """An order's state; without its summary (while it is open) its cost is by its own price."""
    base, quote = split(symbol)
    filled = read_units(read.original_quantity) - read_units(read.remaining_quantity)
    status = status_of(read)
    if status is OrderStatus.REJECTED:
        filled = 0
    side = Side(read.order_side.lower())
    cost, fee, fee_currency = cost_of(filled, read_units(read.original_price)), 0, ""
    if summary is not None:
        cost, fee = read_units(summary.total), read_units(summary.total_fee)
        fee_currency = summary.fee_currency
    return OrderState(
        client_order_id=client_order_id,
        exchange_order_id=read.order_id,
        symbol=symbol,
        side=side,
        status=status,
        filled=filled,
        cost=cost,
        fee=fee,
        fee_currency=fee_currency or (base if side is Side.BUY else quote),
        reason=read.failed_reason,
    )


def is_unknown_order(answer: Answer) -> bool:
    """Whether VALR has never seen the order that was asked for."""
    return answer.status == 404 or "not found" in _failure(answer).message.lower()


def refusal(answer: Answer) -> ExchangeError:
    """Why an answer that is not 2xx is none."""
    failed = _failure(answer)
    what = f"{failed.code or answer.status} {failed.message[:100]}"
    return KeysRefused(what) if answer.status in {401, 403} else ExchangeRefused(what)


def _failure(answer: Answer) -> wire.Failure:
    try:
        return _FAILURE.decode(answer.body)
    except msgspec.MsgspecError:
        return wire.Failure()
