"""Binance's vocabulary (api.binance.com, spot). Amounts are decimal strings."""

from decimal import Decimal
from typing import Final

import msgspec

ACCOUNT_PATH: Final = "/api/v3/account"
RIGHTS_PATH: Final = "/sapi/v1/account/apiRestrictions"
RULES_PATH: Final = "/api/v3/exchangeInfo"
ORDER_PATH: Final = "/api/v3/order"
TRADES_PATH: Final = "/api/v3/myTrades"
PRICE_PATH: Final = "/api/v3/ticker/price"
STREAM_PATH: Final = "/stream"

RECV_WINDOW_MS: Final = 5_000
# What everybody pays without a discount, in parts per million; orders tell their own.
FEE_PPM: Final = 1_000
NO_SUCH_ORDER: Final = -2013
UNKNOWN_CANCEL: Final = -2011
BAD_CLOCK: Final = -1021
KEY_CODES: Final = frozenset({-2014, -2015, -1022, -1002})
# "Unknown error", "disconnected", "timeout": it may have been carried out all the same.
UNKNOWN_CODES: Final = frozenset({-1000, -1001, -1006, -1007})


class _Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    pass


class Failure(_Wire, frozen=True, kw_only=True):
    code: int = 0
    msg: str = ""


class Balance(_Wire, frozen=True, kw_only=True):
    asset: str
    free: Decimal


class Account(_Wire, frozen=True, kw_only=True):
    can_trade: bool = True
    balances: list[Balance]


class Rights(_Wire, frozen=True, kw_only=True):
    enable_withdrawals: bool
    enable_spot_and_margin_trading: bool


class Filter(_Wire, frozen=True, kw_only=True):
    """One of PRICE_FILTER, LOT_SIZE, NOTIONAL, MIN_NOTIONAL and others."""

    filter_type: str
    tick_size: Decimal = Decimal(0)
    step_size: Decimal = Decimal(0)
    min_qty: Decimal = Decimal(0)
    min_notional: Decimal = Decimal(0)


class SymbolInfo(_Wire, frozen=True, kw_only=True):
    symbol: str
    base_asset: str
    quote_asset: str
    filters: list[Filter]


class ExchangeInfo(_Wire, frozen=True, kw_only=True):
    symbols: list[SymbolInfo]


class Fill(_Wire, frozen=True, kw_only=True):
    """Of a placed order, or a row of myTrades."""

    commission: Decimal
    commission_asset: str


class Order(_Wire, frozen=True, kw_only=True):
    order_id: int
    client_order_id: str
    side: str
    status: str
    executed_qty: Decimal
    cummulative_quote_qty: Decimal
    fills: list[Fill] = []


class Price(_Wire, frozen=True, kw_only=True):
    symbol: str
    price: Decimal


class BookTicker(msgspec.Struct, frozen=True, kw_only=True):
    """Best bid and ask; `u` grows, and each tells everything."""

    u: int
    b: Decimal
    a: Decimal


class Frame(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a combined stream; `e` is set on events about the connection itself."""

    stream: str = ""
    data: BookTicker | None = None
    e: str = ""
