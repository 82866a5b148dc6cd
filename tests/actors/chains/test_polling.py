"""How often a chain is read."""

import pytest

from actors.chain_watcher import Expect, Watcher, WatcherParts
from actors.clock import US
from actors.runtime.ask import Envelope
from storage.pool import Pool
from tests.actors.chains.house import House, opened

POLL_S = 8.0


def watcher(house: House, jitter: float) -> Watcher:
    parts, ends = house.rail._parts, house.ends["arbitrum"]
    own = WatcherParts(
        store=parts.store,
        tokens=parts.tokens,
        facts=parts.facts,
        clock=house.clock,
        poll_s=POLL_S,
        reopened=lambda _chain: None,
        jitter=lambda: jitter,
    )
    return Watcher(ends.chain, ends.source, own)


@pytest.mark.parametrize(("jitter", "polls"), [(0.0, 3), (0.5, 4), (1.0, 5)])
async def test_idle_chains_are_read_rarely_and_not_all_at_once(
    pool: Pool, jitter: float, polls: int
) -> None:
    async with opened(pool, "arbitrum") as house:
        now_us = house.clock.now_us()
        idle = watcher(house, jitter)
        await idle.recover()
        await idle.wake()
        assert idle.wake_at_us == pytest.approx(now_us + polls * POLL_S * US, abs=5 * US)


async def test_a_chain_somebody_is_about_to_pay_on_is_read_often(pool: Pool) -> None:
    async with opened(pool, "arbitrum") as house:
        now_us = house.clock.now_us()
        expecting = watcher(house, 1.0)
        await expecting.recover()
        await expecting.handle(Envelope(Expect()))
        assert expecting.wake_at_us == pytest.approx(now_us + POLL_S * US, abs=5 * US)
