"""A simulated exchange and its client, over loopback."""

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from actors.clock import Clock
from actors.exchanges import Exchange, KeptQuote, Keys, Order, Side
from domain.money import units_of
from providers.exchanges import exchanges
from providers.exchanges.http import Pace, open_http
from providers.exchanges.settings import Settings
from providers.sandbox.exchanges import rail
from providers.sandbox.exchanges.simulator import ExchangeSimulator
from providers.sandbox.fault import Fault

SYMBOLS = {name: symbol for name, symbol in rail.SYMBOLS.items()}
KEYS = Keys(api_key="key", api_secret="secret", passphrase="passphrase")
FAST = Pace(per_second=10_000, burst=1_000)


class MemoryStore:
    """Implements SimulatorStore for as long as the test lasts."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def load(self) -> list[bytes]:
        return list(self.lines)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        self.lines = list(lines)

    async def append(self, line: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.lines.append(line)


class MemoryQuotes:
    """Implements QuoteBook for as long as the test lasts."""

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], KeptQuote] = {}

    async def keep(self, quote: KeptQuote) -> None:
        await trio.lowlevel.checkpoint()
        self.kept[quote.platform, quote.client_order_id] = quote

    async def find(self, platform: str, client_order_id: str) -> KeptQuote | None:
        await trio.lowlevel.checkpoint()
        return self.kept.get((platform, client_order_id))


@dataclass
class Rig:
    """One exchange with its simulator; ticks only where a test makes them."""

    exchange: Exchange
    simulator: ExchangeSimulator
    fault: Fault
    symbol: str
    clock: Clock

    def price(self, text: str) -> None:
        self.simulator.set_price(self.symbol, units_of(text))

    def order(
        self, client_id: str, side: Side = Side.BUY, amount: str = "0.01", price: str | None = None
    ) -> Order:
        return Order(
            client_order_id=client_id,
            symbol=self.symbol,
            side=side,
            amount=units_of(amount),
            price=None if price is None else units_of(price),
        )


@asynccontextmanager
async def rig(
    name: str,
    *,
    answer_seconds: float = 2.0,
    slow_seconds: float = 1.0,
    tick_seconds: float = 3_600.0,
    store: MemoryStore | None = None,
    change: Callable[[Settings], Settings] = lambda settings: settings,
) -> AsyncIterator[Rig]:
    clock = Clock()
    fault = Fault(clock.now_us)
    simulator = rail.simulator(
        name,
        clock,
        fault,
        store or MemoryStore(),
        tick_seconds=tick_seconds,
        slow_seconds=slow_seconds,
    )
    async with trio.open_nursery() as nursery, open_http() as http:
        ports = await nursery.start(simulator.serve)
        settings = change(
            rail.settings(
                name,
                ports,
                pace=FAST,
                answer_seconds=answer_seconds,
                backoff_seconds=0.02,
                poll_seconds=0.02,
            )
        )
        exchange = exchanges({name: settings}, http, clock, MemoryQuotes())[name]
        yield Rig(exchange, simulator, fault, rail.SYMBOLS[name], clock)
        nursery.cancel_scope.cancel()
