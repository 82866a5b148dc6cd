"""The server as users start it, with many paper bots on a synthetic exchange beside the surfaces.

    python -m benchmarks.floor_server make|idle|load DATABASE_URL DATA_DIR PORT

`make` stores the bots and ends. `idle` starts the stored ones, lets each see one tick, and prints
bytes of resident memory per bot. `load` serves, sends every symbol ten ticks a second, and for
each line "SECONDS" on standard input prints one line of JSON about the window that follows.
"""

import gc
import json
import logging
import math
import random
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psutil
import structlog
import trio

from actors.bots import Denied
from actors.exchanges import (
    Exchange,
    ExchangeRefused,
    KeyCheck,
    Keys,
    Order,
    OrderState,
    SymbolRules,
    Tick,
)
from actors.trading_floor import TradingFloor
from assembly import server, trading
from assembly.core import Core
from assembly.floor import running_floor
from assembly.options import read_options
from domain.money import units_of
from domain.trading.records import BotSpec, BotStatus, RiskMode
from domain.trading.strategies import STRATEGIES

BOTS = 1000
SYMBOLS = tuple(f"B{number:02d}/ZAR" for number in range(20))
TICKS_PER_S = 10
USERS = 50
FIRST_USER = 900_000
PLATFORM = "bench"
_PAPER = "paper bots ask for nothing but prices"
STEP_BP = 10  # a tick moves the price by 0.1 % up or down


@dataclass
class Walks:
    """An exchange whose prices walk at random. `at_us` of a tick is when it was due, on the
    monotonic clock: what is late in leaving counts as late."""

    endless: bool
    platform: str = PLATFORM
    rng: random.Random = field(default_factory=lambda: random.Random(1))

    @asynccontextmanager
    async def ticks(self, symbol: str) -> AsyncIterator[AsyncIterator[Tick]]:
        """Ten a second, each symbol at its own time within the tenth; or one and no more."""
        yield self._walk(symbol)

    async def _walk(self, symbol: str) -> AsyncIterator[Tick]:
        every_us = 1_000_000 // TICKS_PER_S
        phase_us = SYMBOLS.index(symbol) * every_us // len(SYMBOLS)
        due_us = now_us() // every_us * every_us + phase_us
        price, sequence = units_of("1000"), 0
        while True:
            due_us += every_us
            await trio.sleep(max(due_us - now_us(), 0) / 1e6)
            price = price * (10_000 + self.rng.choice((-STEP_BP, STEP_BP))) // 10_000
            sequence += 1
            yield Tick(
                platform=PLATFORM, symbol=symbol, price=price, at_us=due_us, sequence=sequence
            )
            if not self.endless:
                await trio.sleep_forever()

    async def rules(self, symbol: str) -> SymbolRules:
        """As a usual exchange has them."""
        base, _, quote = symbol.partition("/")
        return SymbolRules(
            symbol=symbol,
            base=base,
            quote=quote,
            price_step=10**4,
            amount_step=10**2,
            least_amount=10**4,
            least_cost=10**8,
            maker_fee_ppm=0,
            taker_fee_ppm=1_000,
        )

    async def check(self, keys: Keys) -> KeyCheck:
        """Refused, as all that needs keys."""
        raise ExchangeRefused(_PAPER)

    async def balances(self, keys: Keys) -> dict[str, int]:
        """Refused."""
        raise ExchangeRefused(_PAPER)

    async def place(self, keys: Keys, order: Order) -> OrderState:
        """Refused."""
        raise ExchangeRefused(_PAPER)

    async def order(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState | None:
        """Refused."""
        raise ExchangeRefused(_PAPER)

    async def cancel(self, keys: Keys, symbol: str, client_order_id: str) -> OrderState:
        """Refused."""
        raise ExchangeRefused(_PAPER)

    async def price(self, symbol: str) -> Tick:
        """Refused."""
        raise ExchangeRefused(_PAPER)


class Decisions:
    """How long after a tick was due each bot had decided on it, while measuring."""

    def __init__(self) -> None:
        self.is_measuring = False
        self.late_us: list[int] = []
        self.seen = 0

    def note(self, tick: Tick) -> None:
        """A bot has decided."""
        self.seen += 1
        if self.is_measuring:
            self.late_us.append(now_us() - tick.at_us)


def now_us() -> int:
    """The monotonic clock."""
    return time.monotonic_ns() // 1000


async def make(floor: TradingFloor) -> None:
    """Store the bots, strategies and risk modes in turn."""
    names, risks = list(STRATEGIES), list(RiskMode)

    async def of_user(user: int) -> None:
        for number in range(user, BOTS, USERS):
            spec = BotSpec(
                name=f"Bot {number}",
                platform=PLATFORM,
                symbol=SYMBOLS[number % len(SYMBOLS)],
                initial_capital=units_of("1000"),
                strategy=names[number % len(names)],
                risk_mode=risks[number % len(risks)],
            )
            made = await floor.create(FIRST_USER + user, spec)
            if isinstance(made, Denied):
                raise RuntimeError(f"bot {number}: {made}")

    async with trio.open_nursery() as nursery:
        for user in range(USERS):
            nursery.start_soon(of_user, user)
    await _all_active(floor)


async def _all_active(floor: TradingFloor) -> None:
    with trio.fail_after(60):
        while len(await floor.list(None, status=BotStatus.ACTIVE)) < BOTS:
            await trio.sleep(0.05)


def _resident() -> int:
    gc.collect()
    return int(psutil.Process().memory_info().rss)


async def _measure(floor: TradingFloor, decisions: Decisions, seconds: float) -> dict[str, Any]:
    async def trades() -> int:
        pages = [await floor.trades(FIRST_USER + user, None, 1, 0) for user in range(USERS)]
        return sum(total for _, total in pages)

    before = await trades()
    decisions.late_us, decisions.is_measuring = [], True
    await trio.sleep(seconds)
    decisions.is_measuring = False
    late = sorted(decisions.late_us)
    active = await floor.list(None, status=BotStatus.ACTIVE)

    def at(share: float) -> int:
        return late[min(math.floor(share * len(late)), len(late) - 1)] if late else 0

    return {
        "decisions": len(late),
        "ticks": len(active) * TICKS_PER_S * seconds,
        "p50_us": at(0.5),
        "p99_us": at(0.99),
        "max_us": at(1.0),
        "trades": await trades() - before,
        "active": len(active),
    }


async def _serve_windows(floor: TradingFloor, decisions: Decisions) -> None:
    stdin = trio.wrap_file(sys.stdin)
    while line := await stdin.readline():
        print(json.dumps(await _measure(floor, decisions, float(line))), flush=True)


def _floor_with_bots(mode: str, done: trio.Event) -> Callable[..., Any]:
    """`running_floor`, with the synthetic exchange beside the others."""

    @asynccontextmanager
    async def started(
        core: Core, exchanges: Mapping[str, Exchange], *rest: Any
    ) -> AsyncIterator[TradingFloor]:
        decisions = Decisions()
        every = {**exchanges, PLATFORM: Walks(endless=mode == "load")}
        before = _resident()
        ring, valuation, _limit = rest
        async with (
            running_floor(core, every, ring, valuation, BOTS, decisions.note) as floor,
            trio.open_nursery() as nursery,
        ):
            if mode == "make":
                await make(floor)
                done.set()
            elif mode == "idle":
                await _weigh(floor, decisions, before)
                done.set()
            else:
                nursery.start_soon(_serve_windows, floor, decisions)
            yield floor
            nursery.cancel_scope.cancel()

    return started


async def _weigh(floor: TradingFloor, decisions: Decisions, before: int) -> None:
    await _all_active(floor)
    while decisions.seen < BOTS:
        await trio.sleep(0.05)
    await trio.sleep(1)
    print(json.dumps({"bytes_each": (_resident() - before) / BOTS}), flush=True)


async def main(mode: str, database: str, data_dir: str, port: str) -> None:
    """See the module."""
    done = trio.Event()
    # The one difference from `app.py serve`: one exchange more.
    vars(trading)["running_floor"] = _floor_with_bots(mode, done)
    environment = {"LOG_LEVEL": "WARNING", "CASHIER_MESSAGES_PER_SECOND": "1000000"}
    options = read_options(environment, database_url=database, data_dir=data_dir, app_port=port)
    await trio.Path(data_dir).mkdir(parents=True, exist_ok=True)
    async with server.running(options):
        print(f"listening on {port}", flush=True)
        await done.wait()


if __name__ == "__main__":
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )
    trio.run(main, *sys.argv[1:])
