"""Live prices: streamed or polled, over lost connections and skipped numbers."""

from dataclasses import replace

import pytest
import trio
import trio.lowlevel

from actors.exchanges import Tick
from domain.money import units_of
from tests.providers.exchanges.support import SYMBOLS, Rig, rig

ALL = sorted(SYMBOLS)


async def until(ticks: "object", price: str) -> Tick:
    """The first tick at a price; everything before it is passed over."""
    with trio.fail_after(5):
        async for tick in ticks:  # type: ignore[attr-defined]
            assert isinstance(tick, Tick)
            if tick.price == units_of(price):
                return tick
    raise AssertionError("the feed ended")


async def moved(it: Rig, ticks: object, price: str) -> Tick:
    """Set a price until a tick tells it: right after a reconnect nobody may be listening yet."""
    it.price(price)
    return await until(ticks, price)


@pytest.mark.parametrize("name", ALL)
async def test_ticks_tell_the_price_and_count(name: str) -> None:
    async with rig(name) as it, it.exchange.ticks(it.symbol) as ticks:
        first = await moved(it, ticks, "1000")
        second = await moved(it, ticks, "1010")
        third = await moved(it, ticks, "990")
    assert first.platform == name
    assert first.symbol == it.symbol
    assert first.sequence < second.sequence < third.sequence
    assert first.at_us <= second.at_us <= third.at_us


@pytest.mark.parametrize("name", ALL)
async def test_a_lost_connection_is_made_again_and_leaves_out_a_number(name: str) -> None:
    async with rig(name) as it, it.exchange.ticks(it.symbol) as ticks:
        before = await moved(it, ticks, "1000")
        it.fault.set("down")
        it.simulator.venue.disconnect()
        await trio.sleep(0.1)
        it.fault.set(None)
        after = await moved(it, ticks, "1020")
    assert after.sequence > before.sequence + 1


@pytest.mark.parametrize("name", ALL)
async def test_a_reader_that_stops_reading_loses_the_oldest_ticks_only(name: str) -> None:
    async with rig(name) as it, it.exchange.ticks(it.symbol) as ticks:
        await moved(it, ticks, "1000")
        for price in range(1_001, 1_051):
            it.price(str(price))
            await trio.lowlevel.checkpoint()
        last = await until(ticks, "1050")
    assert last.price == units_of("1050")


@pytest.mark.parametrize("name", ALL)
async def test_the_price_asked_once_is_the_last_tick(name: str) -> None:
    async with rig(name) as it:
        it.price("1234")
        tick = await it.exchange.price(it.symbol)
    assert abs(tick.price - units_of("1234")) <= units_of("2")


@pytest.mark.parametrize("name", ALL)
async def test_leaving_a_feed_lets_the_readers_own_error_through(name: str) -> None:
    async with rig(name) as it:
        with pytest.raises(ZeroDivisionError):
            async with it.exchange.ticks(it.symbol):
                raise ZeroDivisionError


async def test_luno_is_polled_where_the_operator_has_no_keys_for_its_stream() -> None:
    async with (
        rig("luno", change=lambda settings: replace(settings, stream_keys=None)) as it,
        it.exchange.ticks(it.symbol) as ticks,
    ):
        await moved(it, ticks, "1000")
        assert (await moved(it, ticks, "1001")).price == units_of("1001")


async def test_luno_connects_anew_when_a_sequence_number_is_missing() -> None:
    async with rig("luno") as it, it.exchange.ticks(it.symbol) as ticks:
        before = await moved(it, ticks, "1000")
        market = it.simulator.venue.markets[it.symbol]
        market.ticks += 3  # as if three ticks had never reached us
        after = await moved(it, ticks, "1010")
        last = await moved(it, ticks, "1020")
    # The gap is seen, the number left out, and the new snapshot tells the price.
    assert after.sequence >= before.sequence + 2
    assert last.sequence > after.sequence


@pytest.mark.parametrize("name", [name for name in ALL if name != "ovex"])
async def test_prices_are_asked_for_while_there_is_no_stream(name: str) -> None:
    nowhere = "ws://127.0.0.1:1"
    async with (
        rig(name, change=lambda settings: replace(settings, stream_url=nowhere)) as it,
        it.exchange.ticks(it.symbol) as ticks,
    ):
        if name == "kucoin":  # tells itself where its stream is
            it.simulator._facade.reached_at(nowhere)
        await moved(it, ticks, "1000")
        await moved(it, ticks, "1001")


@pytest.mark.parametrize("name", [name for name in ALL if name != "ovex"])
async def test_a_stream_that_falls_silent_is_opened_anew(name: str) -> None:
    async with (
        rig(name, change=lambda settings: replace(settings, quiet_seconds=0.2)) as it,
        it.exchange.ticks(it.symbol) as ticks,
    ):
        before = await moved(it, ticks, "1000")
        with trio.fail_after(3):
            while (again := await until(ticks, "1000")).sequence <= before.sequence + 1:
                continue
    assert again.sequence > before.sequence + 1


@pytest.mark.parametrize("name", ALL)
async def test_two_readers_have_feeds_of_their_own(name: str) -> None:
    async with (
        rig(name) as it,
        it.exchange.ticks(it.symbol) as one,
        it.exchange.ticks(it.symbol) as two,
    ):
        it.price("1000")
        assert (await until(one, "1000")).price == (await until(two, "1000")).price
