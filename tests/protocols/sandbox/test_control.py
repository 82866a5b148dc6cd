"""What sandbox control refuses, so that nobody's mistake ends the server or spoils its data."""

from dataclasses import fields
from typing import Any

import msgspec
import pytest

from actors.clock import Clock
from domain.ledger import AccountKey
from protocols.http import Request, Response
from protocols.sandbox.persons import BadRequest, account_key, units
from protocols.sandbox.routes import Control, find, sandbox_routes
from protocols.sandbox.service import Sandbox
from protocols.sandbox.wire import ClockBody, ClockShown, NewUser

YEAR_2999_S = 32_503_593_600


def sandbox(clock: Clock, kept: list[int]) -> Sandbox:
    async def keep_clock(offset_us: int) -> None:
        kept.append(offset_us)

    parts: dict[str, Any] = dict.fromkeys(field.name for field in fields(Sandbox))
    return Sandbox(**parts | {"clock": clock, "keep_clock": keep_clock})


async def moved(clock: Clock, kept: list[int], seconds: int) -> Any:
    control = Control(sandbox(clock, kept))
    request = Request("POST", "/sandbox/clock")
    return await control.clock(request, ClockBody(advance_seconds=seconds))


@pytest.mark.parametrize("seconds", [-1, 10**11, 10**14, 10**30])
async def test_the_clock_stays_in_years_that_can_be_written(seconds: int):
    """contract.md, "Clock": what is refused moves nothing and is not kept for the next start."""
    clock, kept = Clock(), list[int]()
    answer = await moved(clock, kept, seconds)
    assert isinstance(answer, Response)
    assert (answer.status, clock.offset_us, kept) == (400, 0, [])


async def test_the_clock_can_be_read_at_its_very_end():
    clock, kept = Clock(wall_us=lambda: YEAR_2999_S * 1_000_000), list[int]()
    assert await moved(clock, kept, 86_400) == ClockShown(now="3000-01-01T00:00:00Z")
    assert isinstance(await moved(clock, kept, 1), Response)
    assert await moved(clock, kept, 0) == ClockShown(now="3000-01-01T00:00:00Z")


@pytest.mark.parametrize("text", ["1.001", "-1", "NaN", "1e400", "", "x"])
def test_a_balance_is_an_amount_of_its_currency(text: str):
    """contract.md, "Money": more decimals than the currency has are refused."""
    with pytest.raises(BadRequest):
        units("USD", text)


def test_a_balance_may_use_all_decimals_of_its_currency():
    assert units("DEMO:USD", "1.25") == 125_000_000
    assert units("arbitrum:USDC", "0.000001") == 100
    assert units("BTC", "0.00000001") == 1


@pytest.mark.parametrize("name", ["XXX", "doge:USDC", "arbitrum:ZZZ", "usd", ""])
def test_a_balance_is_of_a_known_currency_on_a_known_chain(name: str):
    with pytest.raises(BadRequest):
        account_key(1, name)


@pytest.mark.parametrize(
    "body",
    [
        b'{"agent":{"agent_id":"","name":"x"}}',
        b'{"agent":{"agent_id":"AGT-1","name":""}}',
        b'{"agent":{"agent_id":"A\\u0000","name":"x"}}',
        b'{"first_name":"a\\u0000b"}',
    ],
)
def test_texts_that_nobody_could_use_or_store_are_refused(body: bytes):
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(body, type=NewUser)


async def test_a_name_that_cannot_be_stored_is_nobodys():
    assert await find(sandbox(Clock(), []), "AGT\0") is None


async def test_control_says_that_storage_is_away():
    """contract.md: the outage may be one that was asked for a moment ago."""

    class Away(Exception):
        pass

    async def verify() -> Any:
        raise Away("starting up")

    parts: dict[str, Any] = dict.fromkeys(field.name for field in fields(Sandbox))
    routes = sandbox_routes(Sandbox(**parts | {"verify": verify, "unavailable": (Away,)}))
    (ledger,) = (route for route in routes if route.path == "/sandbox/ledger")
    answer = await ledger.handler(Request("GET", "/sandbox/ledger"))
    assert (answer.status, answer.body) == (503, b'{"error":"the database is away: starting up"}')


def test_money_for_trading_is_kept_at_the_exchange_it_is_for() -> None:
    """contract.md: a sandbox user's "ZAR" balance is at luno."""
    assert account_key(7, "ZAR") == AccountKey(7, "ZAR", "TRADING", provider="luno")
    assert account_key(7, "valr:ZAR") == AccountKey(7, "ZAR", "TRADING", provider="valr")
    assert account_key(7, "binance:USDT") == AccountKey(7, "USDT", "TRADING", provider="binance")
