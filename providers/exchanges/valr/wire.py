"""VALR's vocabulary (api.valr.com). Amounts are decimal strings."""

from decimal import Decimal
from typing import Final

import msgspec

RIGHTS_PATH: Final = "/v1/account/api-keys/current"
BALANCES_PATH: Final = "/v1/account/balances"
PAIRS_PATH: Final = "/v1/public/pairs"
SUMMARY_PATH: Final = "/v1/public/{pair}/marketsummary"
LIMIT_PATH: Final = "/v1/orders/limit"
MARKET_PATH: Final = "/v1/orders/market"
STATUS_PATH: Final = "/v1/orders/{pair}/customerorderid/{client_order_id}"
HISTORY_PATH: Final = "/v1/orders/history/summary/customerorderid/{client_order_id}"
CANCEL_PATH: Final = "/v1/orders/order"
STREAM_PATH: Final = "/ws/trade"

BOOK_EVENT: Final = "AGGREGATED_ORDERBOOK_UPDATE"
PING: Final = '{"type":"PING"}'
PING_SECONDS: Final = 30.0
# What a new customer pays for spot orders, in parts per million; orders tell their own.
MAKER_FEE_PPM: Final = 1_800
TAKER_FEE_PPM: Final = 3_500


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Failure(_Wire, frozen=True, kw_only=True):
    code: int = 0
    message: str = ""


class Rights(_Wire, frozen=True, kw_only=True):
    """`permissions`: "View access", "Trade", "Withdraw" and others."""

    permissions: list[str] = []


class Balance(_Wire, frozen=True, kw_only=True):
    currency: str
    available: Decimal


class Pair(_Wire, frozen=True, kw_only=True):
    symbol: str
    min_base_amount: Decimal
    min_quote_amount: Decimal
    tick_size: Decimal
    base_decimal_places: str | int


class MarketSummary(_Wire, frozen=True, kw_only=True):
    last_traded_price: Decimal


class NewOrder(_Wire, frozen=True, kw_only=True, omit_defaults=True):
    """A limit order has quantity and price, a market order the amount in base."""

    side: str
    pair: str
    customer_order_id: str
    quantity: str | None = None
    price: str | None = None
    base_amount: str | None = None
    post_only: bool | None = None
    time_in_force: str | None = None


class Cancel(_Wire, frozen=True, kw_only=True):
    pair: str
    customer_order_id: str


class Placed(_Wire, frozen=True, kw_only=True):
    """Accepted, not decided."""

    id: str


class Status(_Wire, frozen=True, kw_only=True):
    """`order_status_type`: Placed, Partially Filled, Filled, Cancelled, Failed and others."""

    order_id: str
    order_status_type: str
    order_side: str
    original_price: Decimal = Decimal(0)
    original_quantity: Decimal
    remaining_quantity: Decimal
    failed_reason: str = ""


class Summary(_Wire, frozen=True, kw_only=True):
    """Of an order that has ended: what it cost in all."""

    total: Decimal = Decimal(0)
    total_fee: Decimal = Decimal(0)
    fee_currency: str = ""


class Subscription(_Wire, frozen=True, kw_only=True):
    event: str
    pairs: list[str]


class Subscribe(_Wire, frozen=True, kw_only=True):
    type: str = "SUBSCRIBE"
    subscriptions: list[Subscription]


class Level(_Wire, frozen=True, kw_only=True):
    price: Decimal


class Book(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """The best levels of each side, whole each time."""

    asks: list[Level]
    bids: list[Level]
    sequence_number: int = 0


class Frame(_Wire, frozen=True, kw_only=True):
    """Any message; `data` is a Book in a book event."""

    type: str
    currency_pair_symbol: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
