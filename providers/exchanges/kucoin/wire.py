"""KuCoin's vocabulary (api.kucoin.com, spot). Every answer is an envelope with a code."""

from decimal import Decimal
from typing import Final, Generic, TypeVar

import msgspec

RIGHTS_PATH: Final = "/api/v1/user/api-key"
ACCOUNTS_PATH: Final = "/api/v1/accounts"
RULES_PATH: Final = "/api/v2/symbols/"
ORDERS_PATH: Final = "/api/v1/orders"
CLIENT_ORDER_PATH: Final = "/api/v1/order/client-order/"
LEVEL1_PATH: Final = "/api/v1/market/orderbook/level1"
BULLET_PATH: Final = "/api/v1/bullet-public"
TICKER_TOPIC: Final = "/market/ticker:"

OK: Final = "200000"
KEY_VERSION: Final = "2"
BAD_CLOCK: Final = "400002"
KEY_CODES: Final = frozenset({"400001", "400003", "400004", "400005", "400006", "400007"})
TOO_MANY: Final = "429000"
INTERNAL: Final = "500000"
# What everybody pays on the first level, in parts per million, times the symbol's coefficient.
FEE_PPM: Final = 1_000

Data = TypeVar("Data")


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Envelope(msgspec.Struct, Generic[Data], frozen=True, kw_only=True):
    """`data` is absent where `code` is not "200000"; `msg` says why."""

    code: str
    data: Data | None = None
    msg: str = ""


class Failure(_Wire, frozen=True, kw_only=True):
    code: str = ""
    msg: str = ""


class Rights(_Wire, frozen=True, kw_only=True):
    """`permission`: "General, Spot, Transfer, Withdrawal" and others, comma-separated."""

    permission: str = ""


class Account(_Wire, frozen=True, kw_only=True):
    currency: str
    type: str
    available: Decimal


class Symbol(_Wire, frozen=True, kw_only=True):
    symbol: str
    base_min_size: Decimal
    base_increment: Decimal
    price_increment: Decimal
    min_funds: Decimal | None = None
    maker_fee_coefficient: Decimal = Decimal(1)
    taker_fee_coefficient: Decimal = Decimal(1)


class NewOrder(_Wire, frozen=True, kw_only=True, omit_defaults=True):
    client_oid: str
    side: str
    symbol: str
    type: str
    size: str
    price: str | None = None


class Placed(_Wire, frozen=True, kw_only=True):
    order_id: str


class Order(_Wire, frozen=True, kw_only=True):
    """`deal_size` base for `deal_funds` quote; ended when not `is_active`."""

    id: str
    client_oid: str = ""
    side: str
    size: Decimal
    deal_size: Decimal
    deal_funds: Decimal
    fee: Decimal
    fee_currency: str
    is_active: bool
    cancel_exist: bool = False


class Level1(_Wire, frozen=True, kw_only=True):
    price: Decimal


class Server(_Wire, frozen=True, kw_only=True):
    """`ping_interval` in milliseconds."""

    endpoint: str
    ping_interval: int


class Bullet(_Wire, frozen=True, kw_only=True):
    """What a stream is opened with; good for one connection."""

    token: str
    instance_servers: list[Server]


class Subscribe(_Wire, frozen=True, kw_only=True):
    id: str
    type: str = "subscribe"
    topic: str
    private_channel: bool = False
    response: bool = True


class Ticker(_Wire, frozen=True, kw_only=True):
    """Best bid and ask; the sequence grows, and each tells everything."""

    sequence: str
    best_ask: Decimal
    best_bid: Decimal


class Frame(_Wire, frozen=True, kw_only=True):
    """`type`: welcome, ack, pong, error or message."""

    type: str
    topic: str = ""
    data: msgspec.Raw = msgspec.Raw(b"null")
