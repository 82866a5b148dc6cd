"""The rate service against a fake source and store, with a clock that stands until moved."""

import pytest
import trio

from actors.clock import US, Clock
from actors.rates import RateLimits, RateService, RatesUnavailable, SourceFailed
from domain.money import plain, units_of

START_US = 1_706_400_000 * US


class FakeSource:
    """Says what it was last told; a list is said one by one."""

    def __init__(self, **rates: str) -> None:
        self.fetches = 0
        self.down = False
        self.delay = 0.0
        self.script: list[dict[str, int] | SourceFailed] = []
        self.rates: dict[str, int] = {}
        self.say(**rates)

    def say(self, **rates: str) -> None:
        self.rates |= {name.replace("_", "/"): units_of(rate) for name, rate in rates.items()}

    async def fetch(self) -> dict[str, int]:
        self.fetches += 1
        await trio.sleep(self.delay)
        if self.down:
            raise SourceFailed("down")
        said = self.script.pop(0) if self.script else dict(self.rates)
        if isinstance(said, SourceFailed):
            raise said
        return said


class FakeStore:
    def __init__(self) -> None:
        self.rows: list[tuple[str, str, int, int]] = []

    async def save(self, base: str, quote: str, rate: int, at_us: int) -> int:
        await trio.lowlevel.checkpoint()
        self.rows.append((base, quote, rate, at_us))
        return len(self.rows)


class World:
    def __init__(self, limits: RateLimits | None = None) -> None:
        self.clock = Clock(wall_us=lambda: START_US)
        self.source = FakeSource(
            USD_KES="133.33", BTC_USD="42650.50", USDC_USD="1", USDT_USD="0.9998"
        )
        self.store = FakeStore()
        self.rates = RateService(self.source, self.store, self.clock, limits)

    async def shown(self, one: str = "USD", other: str = "KES") -> str:
        return plain((await self.rates.quote(one, other)).rate)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_quote_is_stored_and_is_the_same_one_for_two_minutes(world: World) -> None:
    """FN-14, NXPY-464, CASH-C57."""
    first = await world.rates.quote("USD", "KES")
    assert (first.id, first.base, first.quote, plain(first.rate), first.at_us) == (
        *(1, "USD", "KES", "133.33"),
        START_US,
    )
    world.source.say(USD_KES="134")
    world.clock.advance(119)
    assert await world.rates.quote("KES", "USD") is first
    assert world.source.fetches == 1
    world.clock.advance(1)
    second = await world.rates.quote("USD", "KES")
    assert (second.id, plain(second.rate)) == (2, "134")
    assert world.store.rows[0] == ("USD", "KES", units_of("133.33"), START_US)


async def test_two_assets_without_a_dollar_between_them_have_a_quote_too(world: World) -> None:
    assert await world.shown("KES", "BTC") == "5686591.17"
    assert await world.shown("USDT", "USDC") == "1.0002"
    assert await world.shown("USDC", "USDC") == "1"
    assert world.source.fetches == 1
    assert len(world.store.rows) == 3


async def test_everybody_who_asks_at_once_waits_for_one_fetch_and_gets_one_quote(
    world: World,
) -> None:
    world.source.delay = 0.01
    ids: list[int] = []

    async def ask() -> None:
        ids.append((await world.rates.quote("USD", "KES")).id)

    async with trio.open_nursery() as nursery:
        for _ in range(20):
            nursery.start_soon(ask)
    assert ids == [1] * 20
    assert world.source.fetches == 1


async def test_an_asker_who_leaves_during_the_fetch_does_not_leave_the_others_without(
    world: World,
) -> None:
    world.source.delay = 0.05
    async with trio.open_nursery() as nursery:
        with trio.move_on_after(0.01):
            await world.rates.quote("USD", "KES")
        world.source.delay = 0
        nursery.start_soon(world.shown)
    assert await world.shown() == "133.33"


async def test_the_last_rates_serve_while_the_source_is_down_but_not_for_ever(
    world: World,
) -> None:
    await world.shown()
    world.source.down = True
    world.clock.advance(300)
    kept = await world.rates.quote("USD", "KES")
    assert plain(kept.rate) == "133.33"
    assert kept.at_us == START_US  # it does not pretend to be younger than it is
    world.clock.advance(300)
    with pytest.raises(RatesUnavailable):
        await world.rates.quote("USD", "KES")
    world.source.down = False
    world.clock.advance(5)
    assert await world.shown() == "133.33"


async def test_a_source_that_is_down_is_asked_every_few_seconds_and_not_by_every_asker(
    world: World,
) -> None:
    world.source.down = True
    for _ in range(5):
        with pytest.raises(RatesUnavailable):
            await world.rates.quote("USD", "KES")
    assert world.source.fetches == 1
    world.source.down = False
    world.clock.advance(5)
    assert await world.shown() == "133.33"


async def test_while_the_source_is_down_one_quote_serves_until_it_is_asked_again(
    world: World,
) -> None:
    await world.shown()
    world.source.down = True
    world.clock.advance(200)
    kept = await world.rates.quote("USD", "KES")
    assert await world.rates.quote("USD", "KES") is kept
    assert len(world.store.rows) == 2


async def test_a_source_that_hangs_is_given_up(autojump_clock) -> None:
    world = World(RateLimits(fetch_seconds=2))
    world.source.delay = 1e9
    started = trio.current_time()
    with pytest.raises(RatesUnavailable):
        await world.rates.quote("USD", "KES")
    assert trio.current_time() - started == 2


async def test_an_asset_that_the_source_does_not_price_has_no_quote(world: World) -> None:
    await world.shown()
    with pytest.raises(RatesUnavailable):
        await world.rates.quote("TRX", "USD")
    world.source.say(TRX_USD="0.12")
    world.clock.advance(5)
    assert await world.shown("TRX", "USD") == "0.12"


async def test_a_pair_that_joins_later_does_not_shorten_the_two_minutes_of_the_others(
    world: World,
) -> None:
    await world.shown()
    world.source.say(TRX_USD="0.12", USD_KES="134")
    world.clock.advance(60)
    await world.shown("TRX", "USD")
    assert await world.shown() == "133.33"
    assert await world.shown("TRX", "KES") == "15.9996"


async def test_a_small_move_is_taken_from_one_fetch(world: World) -> None:
    await world.shown()
    world.source.say(USD_KES="139")
    world.clock.advance(120)
    assert await world.shown() == "139"
    assert world.source.fetches == 2


async def test_a_far_move_is_taken_when_a_second_fetch_says_the_same(world: World, caplog) -> None:
    await world.shown()
    world.source.say(USD_KES="150")
    world.clock.advance(120)
    assert await world.shown() == "150"
    assert world.source.fetches == 3
    assert "rates.jump" in caplog.text


async def test_a_far_move_that_a_second_fetch_contradicts_is_not_taken(
    world: World, caplog
) -> None:
    await world.shown()
    now = dict(world.source.rates)
    world.source.script = [now | {"USD/KES": units_of("199"), "BTC/USD": units_of("43000")}, now]
    world.clock.advance(120)
    assert await world.shown() == "133.33"
    assert await world.shown("BTC", "USD") == "43000"
    assert "rates.jump" in caplog.text
    world.clock.advance(5)
    assert await world.shown() == "133.33"


async def test_a_far_move_is_not_taken_while_the_second_fetch_fails(world: World) -> None:
    await world.shown()
    moved = dict(world.source.rates) | {"USD/KES": units_of("199"), "BTC/USD": units_of("43000")}
    world.source.script = [moved, SourceFailed("down")]
    world.clock.advance(120)
    assert await world.shown() == "133.33"
    assert await world.shown("BTC", "USD") == "43000"


async def test_a_misplaced_decimal_point_is_never_taken_however_often_it_is_said(
    world: World,
) -> None:
    await world.shown()
    world.source.say(USD_KES="13333")
    world.clock.advance(120)
    assert await world.shown() == "133.33"
    world.clock.advance(600)
    with pytest.raises(RatesUnavailable):
        await world.rates.quote("USD", "KES")
    assert await world.shown("BTC", "USD") == "42650.5"


async def test_a_store_that_fails_gives_no_quote_and_the_next_asker_gets_one(
    world: World,
) -> None:
    save = world.store.save

    async def broken(*row: object) -> int:
        raise ConnectionError

    world.store.save = broken  # type: ignore[method-assign,assignment]
    with pytest.raises(ConnectionError):
        await world.rates.quote("USD", "KES")
    world.store.save = save  # type: ignore[method-assign]
    assert (await world.rates.quote("USD", "KES")).id == 1
