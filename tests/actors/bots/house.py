"""A trading floor on a real ledger, with an exchange that tests drive tick by tick."""

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import trio

from actors.bot_parts import Board, BotParts
from actors.bots import Opened
from actors.clock import Clock
from actors.exchanges import (
    Exchange,
    ExchangeError,
    ExchangeRefused,
    ExchangeUnavailable,
    KeyCheck,
    Keys,
    Order,
    OrderState,
    OrderStatus,
    OutcomeUnknown,
    Side,
    SymbolRules,
    Tick,
)
from actors.market import Markets
from actors.runtime.restarts import RestartPolicy
from actors.trading_floor import TradingFloor
from domain.events import Fact, person
from domain.ledger import AccountKey, Intent, Posting, SystemPurpose, system
from domain.money import units_of
from domain.trading.records import Bot, BotSpec, BotStatus
from storage.bots import PostgresBots
from tests.ledger.house import House, living

USER, OTHER = 7001, 7002
KEYS = Keys(api_key="key", api_secret="secret")
START_US = 1_700_000_000_000_000
PRICE = units_of("1200000")
QUICK = RestartPolicy(max_restarts=3, within_s=60.0, first_delay_s=0.001, max_delay_s=0.01)


@dataclass
class FakeExchange:
    """Keeps orders by client id; `on_place` decides what becomes of one, `at` prices the fills."""

    platform: str = "luno"
    at: int = PRICE
    fee_currency: str = ""
    orders: dict[str, OrderState] = field(default_factory=dict)
    placed: list[Order] = field(default_factory=list)
    before_place: Callable[[Order], None] = lambda _order: None
    after_place: Callable[[Order], None] = lambda _order: None
    stays_open: bool = False
    is_away: bool = False
    feeds_opened: int = 0
    asked: int = 0  # for orders
    balances_asked: int = 0
    free: dict[str, int] = field(default_factory=dict)
    _senders: dict[str, list[trio.MemorySendChannel[Tick]]] = field(default_factory=dict)
    _sequence: int = 0

    async def check(self, keys: Keys) -> KeyCheck:
        return KeyCheck(valid=keys == KEYS, latency_ms=1)

    async def balances(self, keys: Keys) -> dict[str, int]:
        await trio.lowlevel.checkpoint()
        self.balances_asked += 1
        if self.is_away:
            raise ExchangeUnavailable("away")
        return dict(self.free)

    async def rules(self, symbol: str) -> SymbolRules:
        await trio.lowlevel.checkpoint()
        if self.is_away:
            raise ExchangeError("away")
        base, _, quote = symbol.partition("/")
        return SymbolRules(
            symbol=symbol,
            base=base,
            quote=quote,
            price_step=10**8,
            amount_step=100,
            least_amount=1_000,
            least_cost=10**9,
            maker_fee_ppm=0,
            taker_fee_ppm=1_000,
        )

    async def place(self, keys: Keys, order: Order) -> OrderState:
        await trio.lowlevel.checkpoint()
        self.before_place(order)
        assert order.client_order_id not in self.orders, "an order was sent twice"
        self.placed.append(order)
        state = self._filled(order)
        if self.stays_open:
            state = OrderState(**{**_fields(state), "status": OrderStatus.OPEN, "filled": 0,
                                  "cost": 0, "fee": 0})  # fmt: skip
        self.orders[order.client_order_id] = state
        self.after_place(order)
        return state

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        await trio.lowlevel.checkpoint()
        self.asked += 1
        if self.is_away:
            raise ExchangeUnavailable("away")
        return self.orders.get(client_order_id)

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        await trio.lowlevel.checkpoint()
        if client_order_id not in self.orders:
            raise ExchangeRefused("unknown order")
        state = OrderState(
            **{**_fields(self.orders[client_order_id]), "status": OrderStatus.CANCELLED}
        )
        self.orders[client_order_id] = state
        return state

    async def price(self, symbol: str) -> Tick:
        return self._tick(symbol, self.at)

    @asynccontextmanager
    async def ticks(self, symbol: str) -> AsyncIterator[AsyncIterator[Tick]]:
        self.feeds_opened += 1
        sender, receiver = trio.open_memory_channel[Tick](1000)
        senders = self._senders.setdefault(symbol, [])
        senders.append(sender)
        try:
            yield receiver
        finally:
            senders.remove(sender)

    def tick(self, price: int, symbol: str = "BTC/ZAR") -> None:
        """The next price, to every feed."""
        self.at = price
        for sender in self._senders.get(symbol, []):
            sender.send_nowait(self._tick(symbol, price))

    def listeners(self, symbol: str = "BTC/ZAR") -> int:
        return len(self._senders.get(symbol, []))

    def _tick(self, symbol: str, price: int) -> Tick:
        self._sequence += 1
        return Tick(
            platform=self.platform, symbol=symbol, price=price, at_us=0, sequence=self._sequence
        )

    def _filled(self, order: Order) -> OrderState:
        cost = order.amount * self.at // 10**8
        base, _, quote = order.symbol.partition("/")
        fee_currency = self.fee_currency or quote
        fee = (order.amount if fee_currency == base else cost) // 1000
        return OrderState(
            client_order_id=order.client_order_id,
            exchange_order_id="1",
            symbol=order.symbol,
            side=order.side,
            status=OrderStatus.FILLED,
            filled=order.amount,
            cost=cost,
            fee=fee,
            fee_currency=fee_currency,
        )


def _fields(state: OrderState) -> dict[str, object]:
    return {name: getattr(state, name) for name in state.__struct_fields__}


def lose_answer(_order: Order) -> None:
    """The exchange has it, and its answer is lost."""
    raise OutcomeUnknown("no answer")


class FakeRing:
    """Implements KeyRing."""

    def __init__(self) -> None:
        self.kept: dict[tuple[int, str], Keys] = {}

    async def keys(self, user_id: int, platform: str) -> Keys | None:
        await trio.lowlevel.checkpoint()
        return self.kept.get((user_id, platform))


class InZar:
    """Implements Valuation: 18 ZAR to the dollar."""

    async def in_rand(self, asset: str, units: int) -> int:
        return units if asset == "ZAR" else units * 18


class Wall:
    """The time, as tests set it."""

    def __init__(self) -> None:
        self.now_us = START_US

    def __call__(self) -> int:
        return self.now_us

    def pass_s(self, seconds: float) -> None:
        self.now_us += round(seconds * 1e6)


@dataclass
class Floor:
    """A running floor and its parts."""

    house: House
    floor: TradingFloor
    exchange: FakeExchange
    other: FakeExchange
    ring: FakeRing
    wall: Wall
    board: Board
    parts: BotParts
    heard: list[tuple[int, Fact]]
    scope: trio.CancelScope

    async def make(self, user_id: int = USER, **changes: object) -> Bot:
        fields: dict[str, object] = {
            "name": "Alpha",
            "platform": "luno",
            "initial_capital": units_of("1000"),
            **changes,
        }
        made = await self.floor.create(user_id, BotSpec(**fields))  # type: ignore[arg-type]
        assert isinstance(made, Opened), made
        return made.bot

    async def active(self, user_id: int = USER, **changes: object) -> Bot:
        made = await self.make(user_id, **changes)
        await self.until(lambda: self.bot(made.id).status is BotStatus.ACTIVE)
        await self.until(lambda: self.exchange.listeners() or self.other.listeners())
        return made

    def bot(self, bot_id: str) -> Bot:
        return self.board.bots[bot_id]

    def facts(self, kind: type) -> list[Fact]:
        return [fact for _, fact in self.heard if isinstance(fact, kind)]

    async def until(self, happened: Callable[[], object]) -> None:
        with trio.fail_after(10):
            while not happened():
                await trio.sleep(0.001)

    async def play(self, *prices: int, every_s: float = 1.0) -> None:
        """Ticks one after the other, each looked at by every bot before the next."""
        for price in prices:
            self.wall.pass_s(every_s)
            self.exchange.tick(price)
            await self.settled()

    async def settled(self) -> None:
        """Until every bot waits for a message, and everything recorded is committed."""
        await trio.testing.wait_all_tasks_blocked()
        with trio.fail_after(10):
            while self._is_busy():
                await trio.sleep(0.001)
                await self.house.journal.drain()
                await trio.testing.wait_all_tasks_blocked()

    def _is_busy(self) -> bool:
        entries = self.floor._registry._entries.values()
        return any(not (entry.quarantined or entry.mailbox.idle) for entry in entries)

    async def lend(self, user_id: int, text: str, asset: str = "ZAR") -> None:
        """REAL money at luno."""
        key = AccountKey(user_id, asset, "TRADING", provider="luno")
        source = system(asset, SystemPurpose.SANDBOX_FUNDING)
        posting = Posting(source, key, units_of(text))
        await self.house.must(Intent(kind="FUNDING", postings=(posting,)))

    async def posted(self, key: AccountKey) -> int:
        account = await self.house.ledger.accounts.get(key)
        return 0 if account is None else account.posted


@asynccontextmanager
async def trading(
    house: House,
    wall: Wall | None = None,
    exchange: FakeExchange | None = None,
    ring: FakeRing | None = None,
) -> AsyncIterator[Floor]:
    """A floor on the house's ledger, killed on leaving without being asked to stop."""
    wall, exchange, ring = wall or Wall(), exchange or FakeExchange(), ring or FakeRing()
    other = FakeExchange(platform="binance")
    exchanges: dict[str, Exchange] = {"luno": exchange, "binance": other}
    rng = random.Random(1)
    markets = Markets(exchanges, jitter=rng.random)
    parts = BotParts(
        store=PostgresBots(house.pool),
        ledger=house.ledger,
        clock=Clock(0, wall),
        markets=markets,
        exchanges=exchanges,
        keys=ring,
        new_id=lambda digits: f"{rng.getrandbits(digits * 4):0{digits}x}",
    )
    floor = TradingFloor(
        parts, InZar(), {"luno": 5, "binance": 5}, jitter=rng.random, restarts=QUICK
    )
    heard: list[tuple[int, Fact]] = []

    def listen(offset: int, fact: Fact) -> None:
        heard.append((offset, fact))

    house.feeds.listen(person(USER), listen)
    try:
        async with trio.open_nursery() as nursery:
            await nursery.start(markets.run)
            await nursery.start(floor.run)
            yield Floor(
                house,
                floor,
                exchange,
                other,
                ring,
                wall,
                parts.board,
                parts,
                heard,
                nursery.cancel_scope,
            )
            nursery.cancel_scope.cancel()
    finally:
        house.feeds.leave(person(USER), listen)


@asynccontextmanager
async def floor_on(dsn: str) -> AsyncIterator[Floor]:
    """Ledger and floor together."""
    async with living(dsn) as house, trading(house) as floor:
        yield floor


def rising(count: int, price: int = PRICE) -> list[int]:
    """Ticks 1 % apart, upwards."""
    prices = []
    for _ in range(count):
        price = price * 101 // 100
        prices.append(price)
    return prices


def falling(count: int, price: int) -> list[int]:
    prices = []
    for _ in range(count):
        price = price * 100 // 101
        prices.append(price)
    return prices


SELL, BUY = Side.SELL, Side.BUY
