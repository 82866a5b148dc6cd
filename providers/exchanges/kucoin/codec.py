"""KuCoin's bytes from intents, and what its answers mean; pure."""

import hashlib
import hmac
from base64 import b64encode
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
from providers.exchanges.http import Answer
from providers.exchanges.kucoin import wire
from providers.exchanges.numbers import middle, read_units, split, write_units

RIGHTS: Final = msgspec.json.Decoder(wire.Envelope[wire.Rights])
ACCOUNTS: Final = msgspec.json.Decoder(wire.Envelope[list[wire.Account]])
SYMBOL: Final = msgspec.json.Decoder(wire.Envelope[wire.Symbol])
PLACED: Final = msgspec.json.Decoder(wire.Envelope[wire.Placed])
ORDER: Final = msgspec.json.Decoder(wire.Envelope[wire.Order])
LEVEL1: Final = msgspec.json.Decoder(wire.Envelope[wire.Level1])
BULLET: Final = msgspec.json.Decoder(wire.Envelope[wire.Bullet])
FRAME: Final = msgspec.json.Decoder(wire.Frame)
_TICKER: Final = msgspec.json.Decoder(wire.Ticker)
_FAILURE: Final = msgspec.json.Decoder(wire.Failure)
_encode: Final = msgspec.json.Encoder().encode


def digest(secret: str, text: str) -> str:
    """Base64 HMAC-SHA256."""
    return b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()


def headers(keys: Keys, now_ms: int, method: str, target: str, body: bytes = b"") -> dict[str, str]:
    """Of a signed request; `target` is the path with its query, as it is sent."""
    stamp = str(now_ms)
    return {
        "kc-api-key": keys.api_key,
        "kc-api-timestamp": stamp,
        "kc-api-sign": digest(keys.api_secret, f"{stamp}{method}{target}{body.decode()}"),
        "kc-api-passphrase": digest(keys.api_secret, keys.passphrase),
        "kc-api-key-version": wire.KEY_VERSION,
        "content-type": "application/json",
    }


def name_of(symbol: str) -> str:
    """ "BTC/USDT" → "BTC-USDT"."""
    return symbol.replace("/", "-")


def new_order(order: Order) -> bytes:
    """The body of a new order."""
    return _encode(
        wire.NewOrder(
            client_oid=order.client_order_id,
            side=order.side.value,
            symbol=name_of(order.symbol),
            type="market" if order.price is None else "limit",
            size=write_units(order.amount),
            price=None if order.price is None else write_units(order.price),
        )
    )


def stream_url(bullet: wire.Bullet, connect_id: str) -> str:
    """Where to connect. Raises IndexError where no server is named."""
    query = urlencode({"token": bullet.token, "connectId": connect_id})
    return f"{bullet.instance_servers[0].endpoint}?{query}"


def subscribe(symbol: str, request_id: str) -> str:
    """The frame that asks for a symbol's ticker."""
    topic = wire.TICKER_TOPIC + name_of(symbol)
    return _encode(wire.Subscribe(id=request_id, topic=topic)).decode()


def ping(request_id: str) -> str:
    """KuCoin's own keepalive; it cuts who does not send it, however much is received."""
    return _encode({"id": request_id, "type": "ping"}).decode()


def ticker(frame: wire.Frame) -> tuple[int, int]:
    """Sequence and the middle of the best prices."""
    read = _TICKER.decode(frame.data)
    return int(read.sequence), middle(read_units(read.best_bid), read_units(read.best_ask))


def balances(accounts: list[wire.Account]) -> dict[str, int]:
    """What is free on the trade accounts."""
    free: dict[str, int] = {}
    for row in accounts:
        if row.type == "trade":
            free[row.currency] = free.get(row.currency, 0) + read_units(row.available)
    return free


def rules(symbol: str, read: wire.Symbol) -> SymbolRules:
    """Steps and minima as the symbol tells them."""
    base, quote = split(symbol)
    return SymbolRules(
        symbol=symbol,
        base=base,
        quote=quote,
        price_step=read_units(read.price_increment),
        amount_step=read_units(read.base_increment),
        least_amount=read_units(read.base_min_size),
        least_cost=0 if read.min_funds is None else read_units(read.min_funds),
        maker_fee_ppm=int(wire.FEE_PPM * read.maker_fee_coefficient),
        taker_fee_ppm=int(wire.FEE_PPM * read.taker_fee_coefficient),
    )


def state(read: wire.Order, symbol: str, client_order_id: str) -> OrderState:
    """An order's state; what is over without having traded in full was cancelled."""
    filled = read_units(read.deal_size)
    status = OrderStatus.OPEN
    if not read.is_active:
        over = read.cancel_exist or filled == 0
        status = OrderStatus.CANCELLED if over else OrderStatus.FILLED
    return OrderState(
        client_order_id=client_order_id,
        exchange_order_id=read.id,
        symbol=symbol,
        side=Side(read.side),
        status=status,
        filled=filled,
        cost=read_units(read.deal_funds),
        fee=read_units(read.fee),
        fee_currency=read.fee_currency,
    )


def failure(answer: Answer) -> wire.Failure:
    """The code and text of an envelope, empty where there is none."""
    try:
        return _FAILURE.decode(answer.body)
    except msgspec.MsgspecError:
        return wire.Failure()


def is_unknown_order(answer: Answer) -> bool:
    """Whether KuCoin has never seen the order that was asked for."""
    failed = failure(answer)
    if answer.status == 404:
        return True
    return failed.code not in {"", wire.OK} and "not exist" in failed.msg.replace("_", " ").lower()


def refusal(answer: Answer, *, changes: bool = False) -> ExchangeError:
    """Why an answer that is not OK is none."""
    failed = failure(answer)
    what = f"{failed.code or answer.status} {failed.msg[:100]}"
    if failed.code in wire.KEY_CODES or answer.status == 401:
        return KeysRefused(what)
    if failed.code in {wire.BAD_CLOCK, wire.TOO_MANY}:
        return ExchangeUnavailable(what)
    if failed.code == wire.INTERNAL:
        return OutcomeUnknown(what) if changes else ExchangeUnavailable(what)
    return ExchangeRefused(what)
