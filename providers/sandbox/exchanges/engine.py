"""What all simulated exchanges share: markets that tick, orders, fills, fees and balances.

One venue has one account, the one behind the sandbox keys. A market order fills whole at the
tick; a limit order fills at its own price once the tick crosses it, or at the tick when it
crosses it already. Amounts are units of 10⁻⁸ (domain/money.py).
"""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Final

import msgspec

from domain.money import UNITS_PER_WHOLE
from providers.sandbox.exchanges.watch import Watch

PPM: Final = 1_000_000
_MAX_ORDERS: Final = 20_000  # remembered in memory; the oldest that ended are forgotten
BUY: Final = "buy"
SELL: Final = "sell"


class Why(Enum):
    """Why a venue refuses an order."""

    UNKNOWN_SYMBOL = "unknown symbol"
    TOO_SMALL = "too small"
    BAD_STEP = "not a multiple of the step"
    NO_FUNDS = "insufficient balance"
    DUPLICATE = "duplicate client order id"


class Refused(Exception):
    """The order is not taken."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


class Status(Enum):
    """Where a simulated order is."""

    OPEN = "open"
    FILLED = "filled"
    CANCELLED = "cancelled"


class Market(msgspec.Struct, kw_only=True):
    """One symbol ("BTC/ZAR") with its last tick; `ticks` counts them."""

    symbol: str
    price: int
    price_step: int
    amount_step: int
    least_amount: int
    least_cost: int
    ticks: int = 0

    @property
    def base(self) -> str:
        return self.symbol.partition("/")[0]

    @property
    def quote(self) -> str:
        return self.symbol.partition("/")[2]

    @property
    def bid(self) -> int:
        return self.price - self.price_step

    @property
    def ask(self) -> int:
        return self.price + self.price_step


class Fees(msgspec.Struct, frozen=True, kw_only=True):
    """Parts per million; taken off what is received, or on top in the quote currency."""

    maker_ppm: int
    taker_ppm: int
    in_quote: bool = False


class SimOrder(msgspec.Struct, kw_only=True):
    """`amount` in base; a market buy by cost has `budget` in quote instead."""

    id: str
    client_id: str
    symbol: str
    side: str
    amount: int
    price: int | None = None
    budget: int = 0
    status: Status = Status.OPEN
    filled: int = 0
    cost: int = 0
    fee: int = 0
    fee_currency: str = ""
    created_ms: int = 0
    trade_id: int = 0

    @property
    def is_buy(self) -> bool:
        return self.side == BUY

    @property
    def fill_price(self) -> int:
        """Quote units per whole base that it was filled at, 0 before."""
        return self.cost * UNITS_PER_WHOLE // self.filled if self.filled else 0


class Venue:
    """One simulated exchange. Not safe to use from other threads."""

    def __init__(
        self,
        markets: list[Market],
        fees: Fees,
        balances: dict[str, int],
        *,
        now_ms: Callable[[], int],
        order_id: Callable[[int], str] = str,
    ) -> None:
        self.markets = {market.symbol: market for market in markets}
        self.balances = dict(balances)
        self.fees = fees
        self.changed: Callable[[SimOrder], None] = lambda _order: None
        self._now_ms = now_ms
        self._order_id = order_id
        self._count = 0
        self._by_client: dict[str, SimOrder] = {}
        self._by_id: dict[str, SimOrder] = {}
        self._ended: deque[str] = deque()
        self._open: dict[str, SimOrder] = {}
        self._watches: set[Watch] = set()

    def place(
        self,
        *,
        client_id: str,
        symbol: str,
        side: str,
        amount: int = 0,
        price: int | None = None,
        budget: int = 0,
        at: int | None = None,
    ) -> SimOrder:
        """Take an order, and fill it if it can be: a market order at the tick, or `at` a price
        that was promised. Raises Refused."""
        market = self.markets.get(symbol)
        if market is None:
            raise Refused(Why.UNKNOWN_SYMBOL)
        if client_id in self._by_client:
            raise Refused(Why.DUPLICATE)
        if budget:
            amount = budget * UNITS_PER_WHOLE // market.price
            amount -= amount % market.amount_step
        self._check(market, amount, price)
        self._count += 1
        order = SimOrder(
            id=self._order_id(self._count),
            client_id=client_id or f"sim-{self._count}",
            symbol=symbol,
            side=side,
            amount=amount,
            price=price,
            budget=budget,
            created_ms=self._now_ms(),
        )
        crossed = price is None or _crosses(order, market.price)
        tick = market.price if at is None else at
        self._check_funds(market, order, tick if crossed else price or 0)
        self.remember(order)
        if crossed:
            self._fill(market, order, tick, self.fees.taker_ppm)
        self.changed(order)
        return order

    def by_client(self, client_id: str) -> SimOrder | None:
        return self._by_client.get(client_id)

    def by_id(self, order_id: str) -> SimOrder | None:
        return self._by_id.get(order_id)

    def orders(self) -> list[SimOrder]:
        """All that are remembered, oldest first."""
        return list(self._by_id.values())

    def cancel(self, order: SimOrder) -> bool:
        """False when it had ended before."""
        if order.status is not Status.OPEN:
            return False
        order.status = Status.CANCELLED
        self._end(order)
        self.changed(order)
        return True

    def tick(self, symbol: str, price: int) -> None:
        """The market's next price: rounded to its step, told to every watch, crossed orders
        filled."""
        market = self.markets[symbol]
        market.price = max(price - price % market.price_step, 2 * market.price_step)
        market.ticks += 1
        for order in [order for order in self._open.values() if order.symbol == symbol]:
            if _crosses(order, market.price):
                self._fill(market, order, order.price or market.price, self.fees.maker_ppm)
                self.changed(order)
        for watch in self._watches:
            watch.tell(market)

    def watch(self, symbol: str) -> Watch:
        """Prices of a symbol from now on; the caller closes it."""
        watch = Watch(symbol, self._watches.discard)
        self._watches.add(watch)
        return watch

    def disconnect(self) -> None:
        """End every watch, as if their connections were lost."""
        for watch in list(self._watches):
            watch.close()

    def reserved(self, currency: str) -> int:
        """Held by open orders."""
        held = 0
        for order in self._open.values():
            base, _, quote = order.symbol.partition("/")
            if order.is_buy and currency == quote:
                held += _cost(order.amount - order.filled, order.price or 0)
            elif not order.is_buy and currency == base:
                held += order.amount - order.filled
        return held

    def free(self, currency: str) -> int:
        """What an order may use."""
        return self.balances.get(currency, 0) - self.reserved(currency)

    def remember(self, order: SimOrder) -> None:
        """Know an order, as at a restart."""
        self._by_client[order.client_id] = order
        self._by_id[order.id] = order
        self._count = max(self._count, len(self._by_id))
        if order.status is Status.OPEN:
            self._open[order.id] = order
        else:
            self._end(order)

    def _end(self, order: SimOrder) -> None:
        self._open.pop(order.id, None)
        self._ended.append(order.id)
        if len(self._ended) > _MAX_ORDERS:
            gone = self._by_id.pop(self._ended.popleft(), None)
            if gone is not None:
                self._by_client.pop(gone.client_id, None)

    def _check(self, market: Market, amount: int, price: int | None) -> None:
        least_at = market.price if price is None else price
        if amount < market.least_amount or _cost(amount, least_at) < market.least_cost:
            raise Refused(Why.TOO_SMALL)
        if amount % market.amount_step or (price or 0) % market.price_step:
            raise Refused(Why.BAD_STEP)

    def _check_funds(self, market: Market, order: SimOrder, price: int) -> None:
        need, currency = order.amount, market.base
        if order.is_buy:
            need, currency = _cost(order.amount, price), market.quote
            if self.fees.in_quote:
                need += need * self.fees.taker_ppm // PPM
        if need > self.free(currency):
            raise Refused(Why.NO_FUNDS)

    def _fill(self, market: Market, order: SimOrder, price: int, fee_ppm: int) -> None:
        cost = _cost(order.amount, price)
        gained, received = (market.base, order.amount) if order.is_buy else (market.quote, cost)
        lost, paid = (market.quote, cost) if order.is_buy else (market.base, order.amount)
        order.fee_currency = market.quote if self.fees.in_quote else gained
        order.fee = (cost if self.fees.in_quote else received) * fee_ppm // PPM
        order.filled, order.cost, order.status = order.amount, cost, Status.FILLED
        order.trade_id = market.ticks + self._count
        moved = ((lost, -paid), (gained, received), (order.fee_currency, -order.fee))
        for currency, change in moved:
            self.balances[currency] = self.balances.get(currency, 0) + change
        self._end(order)


def _cost(amount: int, price: int) -> int:
    return amount * price // UNITS_PER_WHOLE


def _crosses(order: SimOrder, price: int) -> bool:
    if order.price is None:
        return True
    return price <= order.price if order.is_buy else price >= order.price
