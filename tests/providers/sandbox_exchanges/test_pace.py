"""How simulated prices move (contract.md, "Amarktai")."""

from itertools import pairwise

import trio
import trio.testing

from providers.sandbox.exchanges.engine import Fees, Market, Venue
from providers.sandbox.exchanges.pace import Pace, Script

WHOLE = 10**8


def market() -> tuple[Venue, Pace]:
    one = Market(
        symbol="BTC/ZAR",
        price=1_200_000 * WHOLE,
        price_step=WHOLE,
        amount_step=1,
        least_amount=1,
        least_cost=0,
    )
    it = Venue([one], Fees(maker_ppm=0, taker_ppm=0), {}, now_ms=lambda: 0)
    return it, Pace(it, one, tick_seconds=0.5)


async def prices(seconds: float, script: Script = "waves") -> list[int]:
    """What a watcher sees, from the start on."""
    venue, pace = market()
    seen = [venue.markets["BTC/ZAR"].price]
    pace.play(script)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        watch = venue.watch("BTC/ZAR")
        with trio.move_on_after(seconds):
            async for _, price in watch:
                seen.append(price)
        nursery.cancel_scope.cancel()
    return seen


async def test_waves_rise_and_fall_by_one_per_cent_a_tick_and_come_back(
    autojump_clock: trio.testing.MockClock,
) -> None:
    seen = await prices(24.1)
    assert len(seen) == 49
    assert seen[0] == seen[24] == seen[48]
    assert seen.index(max(seen)) == 12
    assert 1.12 < max(seen) / min(seen) < 1.13
    for before, after in pairwise(seen):
        assert 0.0098 < abs(after / before - 1) < 0.0102


async def test_waves_do_not_drift_in_a_day(autojump_clock: trio.testing.MockClock) -> None:
    seen = await prices(24 * 60)
    assert set(seen) == set(seen[:25])


async def test_a_price_that_is_set_is_the_next_tick_and_is_left_alone_for_a_while(
    autojump_clock: trio.testing.MockClock,
) -> None:
    venue, pace = market()
    watch = venue.watch("BTC/ZAR")
    async with trio.open_nursery() as nursery:
        nursery.start_soon(pace.run)
        pace.set_price(900_000 * WHOLE)
        assert (await anext(watch))[1] == 900_000 * WHOLE
        began = trio.current_time()
        moved = (await anext(watch))[1]
        assert trio.current_time() - began >= 9.5
        assert moved == 909_000 * WHOLE
        nursery.cancel_scope.cancel()


async def test_scripts_trend_crash_and_stand_still(
    autojump_clock: trio.testing.MockClock,
) -> None:
    trend = await prices(10.1, "trend")
    assert trend == sorted(trend)
    assert trend[-1] > trend[0] * 1.2
    crash = await prices(10.1, "crash")
    assert min(crash) == crash[8] == crash[-1]
    assert 0.6 < crash[-1] / crash[0] < 0.7
    flat = await prices(5.1, "flat")
    assert len(flat) == 11
    assert len(set(flat)) == 1
    endless = await prices(1_000, "trend")
    assert endless[-1] == endless[-100] < 2 * 10**15


async def test_a_price_below_the_least_is_lifted() -> None:
    venue, _ = market()
    venue.tick("BTC/ZAR", 1)
    assert venue.markets["BTC/ZAR"].bid > 0
    await trio.lowlevel.checkpoint()
