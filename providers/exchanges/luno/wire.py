"""Luno's vocabulary (api.luno.com). Amounts are decimal strings; Bitcoin is XBT."""

from decimal import Decimal
from typing import Final

import msgspec

BALANCE_PATH: Final = "/api/1/balance"
MARKETS_PATH: Final = "/api/exchange/1/markets"
TICKER_PATH: Final = "/api/1/ticker"
LIMIT_ORDER_PATH: Final = "/api/1/postorder"
MARKET_ORDER_PATH: Final = "/api/1/marketorder"
STOP_ORDER_PATH: Final = "/api/1/stoporder"
ORDER_PATH: Final = "/api/exchange/3/order"
STREAM_PATH: Final = "/api/1/stream/"

# What a new customer pays, in parts per million; an order's own fee is in its state.
MAKER_FEE_PPM: Final = 4_000
TAKER_FEE_PPM: Final = 6_000


class _Wire(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Failure(_Wire, frozen=True, kw_only=True):
    error: str = ""
    error_code: str = ""


class Balance(_Wire, frozen=True, kw_only=True):
    asset: str
    balance: Decimal
    reserved: Decimal = Decimal(0)


class Balances(_Wire, frozen=True, kw_only=True):
    balance: list[Balance]


class Market(_Wire, frozen=True, kw_only=True):
    market_id: str
    base_currency: str
    counter_currency: str
    min_volume: Decimal
    volume_scale: int
    min_price: Decimal
    price_scale: int


class Markets(_Wire, frozen=True, kw_only=True):
    markets: list[Market]


class Ticker(_Wire, frozen=True, kw_only=True):
    pair: str
    ask: Decimal
    bid: Decimal
    last_trade: Decimal
    timestamp: int


class Placed(_Wire, frozen=True, kw_only=True):
    order_id: str


class Order(_Wire, frozen=True, kw_only=True):
    """`status`: AWAITING, PENDING or COMPLETE (filled or cancelled); `side`: BUY or SELL."""

    order_id: str
    client_order_id: str = ""
    pair: str
    side: str
    status: str
    type: str = ""
    base: Decimal = Decimal(0)
    counter: Decimal = Decimal(0)
    fee_base: Decimal = Decimal(0)
    fee_counter: Decimal = Decimal(0)
    limit_volume: Decimal = Decimal(0)


class BookOrder(_Wire, frozen=True, kw_only=True):
    id: str
    price: Decimal
    volume: Decimal


class Trade(_Wire, frozen=True, kw_only=True):
    order_id: str = ""
    maker_order_id: str = ""
    base: Decimal
    counter: Decimal


class Create(_Wire, frozen=True, kw_only=True):
    order_id: str
    type: str
    price: Decimal
    volume: Decimal


class Delete(_Wire, frozen=True, kw_only=True):
    order_id: str


class StreamKeys(_Wire, frozen=True, kw_only=True):
    """The first frame, ours."""

    api_key_id: str
    api_key_secret: str


class Snapshot(_Wire, frozen=True, kw_only=True):
    """The second frame, theirs."""

    sequence: str
    asks: list[BookOrder]
    bids: list[BookOrder]
    status: str = ""


class Update(_Wire, frozen=True, kw_only=True):
    """Every frame after; its sequence is one more than the last."""

    sequence: str
    trade_updates: list[Trade] | None = None
    create_update: Create | None = None
    delete_update: Delete | None = None
