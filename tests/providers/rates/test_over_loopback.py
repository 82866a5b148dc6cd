"""The rate source's client against the sandbox's rate server, over real loopback."""

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from decimal import Decimal

import httpx
import pytest
import trio

from actors.clock import Clock
from actors.rates import RateService, SourceFailed
from domain.money import plain
from providers.rates import codec
from providers.rates.client import HttpRateSource
from providers.sandbox.rates import APP_ID, RateServer
from providers.sandbox.server import Hangup, HttpReply, HttpRequest, serve_http

DEFAULTS = {
    "USD/KES": "133.33",
    "USD/ZAR": "18.5",
    "USD/NGN": "1550",
    "BTC/USD": "42650.5",
    "WBTC/USD": "42650.5",
    "ETH/USD": "3333.33",
    "WETH/USD": "3333.33",
    "CELO/USD": "0.65",
    "TRX/USD": "0.12",
    "USDC/USD": "1",
    "USDT/USD": "1",
    "DAI/USD": "1",
}


@dataclass
class World:
    server: RateServer
    url: str
    clock: Clock
    http: httpx.AsyncClient

    def source(self, money: list[codec.Source], coins: list[codec.Source]) -> HttpRateSource:
        return HttpRateSource(self.http, money, coins, self.clock.now_s, httpx.Timeout(0.3))

    def usual(self) -> HttpRateSource:
        return self.source([codec.open_er_api(self.url)], [codec.coingecko("key", self.url)])


@pytest.fixture
async def world(nursery) -> AsyncIterator[World]:
    clock = Clock()
    server = RateServer(clock.now_s)

    async def serve(task_status):
        await server.serve(task_status=task_status)

    port = await nursery.start(serve)
    async with httpx.AsyncClient() as http:
        yield World(server, f"http://127.0.0.1:{port}", clock, http)


def shown(rates: dict[str, int]) -> dict[str, str]:
    return {pair: plain(rate) for pair, rate in rates.items()}


async def test_every_declared_rate_arrives_as_declared(world: World) -> None:
    """X-C17."""
    assert shown(await world.usual().fetch()) == DEFAULTS


async def test_the_other_two_providers_say_the_same(world: World) -> None:
    other = world.source([codec.open_exchange_rates(APP_ID, world.url)], [codec.binance(world.url)])
    assert shown(await other.fetch()) == {
        pair: rate for pair, rate in DEFAULTS.items() if pair != "DAI/USD"
    }


@pytest.mark.parametrize(
    ("pair", "rate", "name", "expected"),
    [
        ("USD/KES", "150", "USD/KES", "150"),
        ("KES/USD", "0.008", "USD/KES", "125"),
        ("BTC/USD", "60000.5", "BTC/USD", "60000.5"),
        ("USD/TRX", "10", "TRX/USD", "0.1"),
    ],
)
async def test_a_rate_can_be_set_in_either_direction(
    world: World, pair: str, rate: str, name: str, expected: str
) -> None:
    world.server.set_rate(pair, Decimal(rate))
    assert shown(await world.usual().fetch())[name] == expected


async def test_a_wrapped_coin_follows_its_coin_until_set_itself(world: World) -> None:
    world.server.set_rate("ETH/USD", Decimal(4000))
    assert shown(await world.usual().fetch())["WETH/USD"] == "4000"
    world.server.set_rate("WETH/USD", Decimal(3999))
    rates = shown(await world.usual().fetch())
    assert (rates["ETH/USD"], rates["WETH/USD"]) == ("4000", "3999")


@pytest.mark.parametrize(
    ("pair", "rate"),
    [("USDC/KES", "1"), ("USD/EUR", "1"), ("USD", "1"), ("USD/USD", "1"), ("USD/KES", "0")],
)
async def test_what_cannot_be_set_is_refused(world: World, pair: str, rate: str) -> None:
    with pytest.raises(ValueError, match="is not a"):
        world.server.set_rate(pair, Decimal(rate))


async def test_a_wrong_key_is_a_failure_and_the_next_provider_is_asked(world: World) -> None:
    source = world.source(
        [codec.open_exchange_rates("wrong", world.url), codec.open_er_api(world.url)], []
    )
    assert shown(await source.fetch())["USD/KES"] == "133.33"


def _reply(status: int, body: bytes = b"") -> Callable[[HttpRequest], Awaitable[HttpReply]]:
    async def answer(request: HttpRequest) -> HttpReply:
        return HttpReply(status, body)

    return answer


async def _hang_up(request: HttpRequest) -> HttpReply:
    raise Hangup


async def _sleep(request: HttpRequest) -> HttpReply:
    await trio.sleep_forever()
    raise AssertionError


@pytest.mark.parametrize(
    "handler",
    [_reply(500), _reply(200, b"{}"), _reply(200, b"x" * 300_000), _hang_up, _sleep],
    ids=["http 500", "not understood", "too long", "hang-up", "timeout"],
)
async def test_every_way_to_fail_is_one_failure_and_half_an_answer_is_an_answer(
    world: World, nursery, handler
) -> None:
    port = await nursery.start(serve_http, handler)
    bad = f"http://127.0.0.1:{port}"
    with pytest.raises(SourceFailed):
        await world.source([codec.open_er_api(bad)], [codec.coingecko(None, bad)]).fetch()
    half = world.source([codec.open_er_api(world.url)], [codec.coingecko(None, bad)])
    assert set(await half.fetch()) == {"USD/KES", "USD/ZAR", "USD/NGN"}


class _Ids:
    def __init__(self) -> None:
        self.saved = 0

    async def save(self, base: str, quote: str, rate: int, at_us: int) -> int:
        self.saved += 1
        return self.saved


async def test_a_rate_set_in_the_sandbox_applies_once_the_two_minutes_are_over(
    world: World,
) -> None:
    """FN-14, over everything that is between the control and the quote."""
    rates = RateService(world.usual(), _Ids(), world.clock)
    assert plain((await rates.quote("USD", "KES")).rate) == "133.33"
    world.server.set_rate("USD/KES", Decimal(150))
    world.clock.advance(110)
    assert plain((await rates.quote("USD", "KES")).rate) == "133.33"
    world.clock.advance(11)
    assert plain((await rates.quote("USD", "KES")).rate) == "150"
