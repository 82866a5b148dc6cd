"""What markets and bots need of an exchange: the interface `providers/exchanges` implements.

Amounts and prices are integers of 10⁻⁸ (domain/money.py): an amount counts the base currency, a
price is quote currency per whole base. Times are integer microseconds. Symbols are the document's
own ("BTC/ZAR", "BTC/USDT"); each exchange's spelling stays inside its client.
"""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from enum import Enum
from typing import Protocol

import msgspec


class Side(Enum):
    """Which way an order goes, seen from the base currency."""

    BUY = "buy"
    SELL = "sell"


class OrderStatus(Enum):
    """Where an order is. FILLED, CANCELLED and REJECTED are final."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"


class Keys(msgspec.Struct, frozen=True, kw_only=True):
    """A customer's credentials at one exchange; never logged. Only KuCoin has a passphrase."""

    api_key: str
    api_secret: str
    passphrase: str = ""

    def __repr__(self) -> str:
        return "Keys(…)"


class KeyCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange said about keys; `can_withdraw` None where it cannot be asked."""

    valid: bool
    latency_ms: int
    can_trade: bool | None = None
    can_withdraw: bool | None = None


class Tick(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One price of one symbol. `sequence` grows by one per tick of a feed; a gap is a loss."""

    platform: str
    symbol: str
    price: int
    at_us: int
    sequence: int


class SymbolRules(msgspec.Struct, frozen=True, kw_only=True):
    """What an exchange accepts for a symbol, and what it charges (parts per million)."""

    symbol: str
    base: str
    quote: str
    price_step: int
    amount_step: int
    least_amount: int
    least_cost: int
    maker_fee_ppm: int
    taker_fee_ppm: int


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An order to place; `price` None is a market order. `client_order_id` makes it once-only."""

    client_order_id: str
    symbol: str
    side: Side
    amount: int
    price: int | None = None


class OrderState(msgspec.Struct, frozen=True, kw_only=True):
    """An order as the exchange has it: `filled` base units for `cost` quote units in all."""

    client_order_id: str
    exchange_order_id: str
    symbol: str
    side: Side
    status: OrderStatus
    filled: int
    cost: int
    fee: int
    fee_currency: str
    reason: str = ""


class KeptQuote(msgspec.Struct, frozen=True, kw_only=True):
    """The quote that stands for an order where an exchange knows no client order ids (OVEX).

    `base` and `quote` are its amounts in units; it can be accepted until `expires_us`.
    """

    platform: str
    client_order_id: str
    token: str
    symbol: str
    side: Side
    base: int
    quote: int
    requested_us: int
    expires_us: int


class QuoteBook(Protocol):
    """Remembers quotes before they are accepted, so that a lost answer can be asked for."""

    async def keep(self, quote: KeptQuote) -> None:
        """In place of one kept before for the same order. Raises ExchangeUnavailable."""
        ...

    async def find(self, platform: str, client_order_id: str) -> KeptQuote | None:
        """The newest of an order. Raises ExchangeUnavailable."""
        ...


class ExchangeError(Exception):
    """Any failure of an exchange; the text names no secret."""


class ExchangeUnavailable(ExchangeError):
    """It could not be reached or said "not now"; nothing was placed."""


class ExchangeRefused(ExchangeError):
    """It understood and refused: bad keys, unknown symbol, too small, no money."""


class KeysRefused(ExchangeRefused):
    """The exchange does not accept these keys."""


class OutcomeUnknown(ExchangeError):
    """An order was sent and no answer came: ask by client order id, never send it again."""


class Exchange(Protocol):
    """One exchange. Every call has its own deadline and raises only ExchangeError."""

    @property
    def platform(self) -> str:
        """Its id in the document: luno, binance, kucoin, valr or ovex."""
        ...

    async def check(self, keys: Keys) -> KeyCheck:
        """Whether keys are accepted, and what they may do."""
        ...

    async def balances(self, keys: Keys) -> dict[str, int]:
        """Units free to spend, by currency code of the document ("BTC", not "XBT")."""
        ...

    async def rules(self, symbol: str) -> SymbolRules:
        """The symbol's steps, minima and fees; kept for a while."""
        ...

    async def place(self, keys: Keys, order: Order) -> OrderState:
        """Place it. OutcomeUnknown when it may have arrived."""
        ...

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        """The order by our own id; None when the exchange has never seen it."""
        ...

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        """Cancel what is left of it; the state after."""
        ...

    async def price(self, symbol: str) -> Tick:
        """The last price, asked once."""
        ...

    def ticks(self, symbol: str) -> AbstractAsyncContextManager[AsyncIterator[Tick]]:
        """Live prices until the context is left: reconnects by itself, with backoff."""
        ...
