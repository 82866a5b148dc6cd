"""Markets and bots, put together from the core and the exchanges."""

import random
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager

import trio

from actors.bot_parts import BotParts
from actors.exchanges import Exchange, Tick
from actors.key_ring import KeyRing
from actors.market import Markets
from actors.trading_floor import TradingFloor, Valuation
from assembly.core import Core
from storage.bots import PostgresBots


@asynccontextmanager
async def running_floor(
    core: Core,
    exchanges: Mapping[str, Exchange],
    keys: KeyRing,
    valuation: Valuation,
    bot_limit: int,
    decided: Callable[[Tick], None] = lambda _tick: None,
) -> AsyncIterator[TradingFloor]:
    """Start the feeds, then every stored bot; on leaving, stop the bots before the feeds, while
    the ledger still serves. `bot_limit` is each user's on each platform; `decided` hears of every
    tick a bot has decided on."""
    markets = Markets(exchanges, jitter=random.random)
    parts = BotParts(
        store=PostgresBots(core.pool),
        ledger=core.ledger,
        clock=core.clock,
        markets=markets,
        exchanges=exchanges,
        keys=keys,
        new_id=lambda digits: secrets.token_hex(digits // 2),
        decided=decided,
    )
    limits = dict.fromkeys(exchanges, bot_limit)
    floor = TradingFloor(parts, valuation, limits, jitter=random.random)
    async with trio.open_nursery() as feeds:
        await feeds.start(markets.run)
        async with trio.open_nursery() as bots:
            await bots.start(floor.run)
            yield floor
            bots.cancel_scope.cancel()
        feeds.cancel_scope.cancel()
