"""OVEX's vocabulary (www.ovex.io/api/v2). Codes are lower case."""

from decimal import Decimal
from typing import Final

import msgspec

ACCOUNTS_PATH: Final = "/api/v2/accounts"
MARKETS_PATH: Final = "/api/v2/markets"
QUOTE_PATH: Final = "/api/v2/rfq/get_quote"
ACCEPT_PATH: Final = "/api/v2/rfq/accept_quote"
TRADES_PATH: Final = "/api/v2/rfq/trades"

TRADES: Final = 100  # looked through for one whose answer was lost
# How long a quote may be accepted where it does not say so in a way we can read.
QUOTE_SECONDS: Final = 60
# What a price is asked for, in units of the base; small, and above every minimum.
PROBE: Final = 1_000_000


class _Wire(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Failure(_Wire, frozen=True, kw_only=True):
    error: str | dict[str, object] = ""
    errors: list[str] = []


class Account(_Wire, frozen=True, kw_only=True):
    currency: str
    balance: Decimal


class Market(_Wire, frozen=True, kw_only=True):
    """Of the exchange's list; quotes themselves are finer than it says."""

    id: str
    min_amount: Decimal | None = None
    amount_precision: int | None = None
    price_precision: int | None = None


class Quote(_Wire, frozen=True, kw_only=True):
    """A buy goes from the quote currency to the base, a sell the other way."""

    market: str
    side: str
    from_amount: Decimal
    to_amount: Decimal
    rate: Decimal
    quote_token: str = ""
    expires_at: str | int | None = None


class Trade(_Wire, frozen=True, kw_only=True):
    """An accepted quote; `quote_token` where it is told."""

    id: str | int
    market: str
    side: str
    from_amount: Decimal
    to_amount: Decimal
    quote_token: str = ""
    created_at: str | int | None = None
