"""Moving the simulated exchanges (contract.md, `POST /sandbox/market`)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from actors.clock import Clock
from assembly.exchanges import SimulatedExchanges, simulated_exchanges
from domain.money import units_of
from protocols.http import Request, Response
from protocols.sandbox.routes import Control
from protocols.sandbox.service import Sandbox
from protocols.sandbox.wire import MarketBody
from providers.exchanges import exchanges
from providers.exchanges.http import open_http
from providers.sandbox.fault import Fault
from tests.providers.exchanges.support import MemoryQuotes

SYMBOLS = {
    "luno": "BTC/ZAR",
    "valr": "BTC/ZAR",
    "ovex": "BTC/ZAR",
    "binance": "BTC/USDT",
    "kucoin": "BTC/USDT",
}


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[tuple[Control, SimulatedExchanges, Clock]]:
    clock = Clock()
    fault = Fault(clock.now_us)
    async with trio.open_nursery() as nursery:
        markets = await simulated_exchanges(nursery, folder, clock, fault, 3_600.0)
        parts: dict[str, Any] = dict.fromkeys(field.name for field in fields(Sandbox))
        yield Control(Sandbox(**parts | {"markets": markets})), markets, clock
        nursery.cancel_scope.cancel()


async def post(control: Control, body: bytes) -> Any:
    request = Request("POST", "/sandbox/market")
    return await control.market(request, msgspec.json.decode(body, type=MarketBody))


@pytest.mark.parametrize(("platform", "symbol"), SYMBOLS.items())
async def test_a_price_is_the_next_tick_of_its_exchange_alone(
    platform: str, symbol: str, tmp_path: Path
) -> None:
    async with running(tmp_path) as (control, markets, clock), open_http() as http:
        body = {"platform": platform, "symbol": symbol, "price": "54321"}
        await post(control, msgspec.json.encode(body))
        clients = exchanges(markets.settings, http, clock, MemoryQuotes())
        for name, client in clients.items():
            price = (await client.price(SYMBOLS[name])).price
            assert (price == units_of("54321")) is (name == platform)


@pytest.mark.parametrize(
    "fields_",
    [
        '"platform":"luno","symbol":"BTC/ZAR"',
        '"platform":"luno","symbol":"BTC/ZAR","price":"0"',
        '"platform":"luno","symbol":"BTC/ZAR","price":"-1"',
        '"platform":"luno","symbol":"BTC/ZAR","price":1e400',
        '"platform":"luno","symbol":"BTC/ZAR","price":"NaN"',
        '"platform":"luno","symbol":"BTC/ZAR","price":"0.000000001"',
        '"platform":"luno","symbol":"BTC/USDT","price":"1"',
        '"platform":"LUNO","symbol":"BTC/ZAR","price":"1"',
        '"platform":"","symbol":"","price":"1"',
        '"platform":"luno","symbol":"BTC/ZAR","script":"moon"',
    ],
)
async def test_what_is_no_tick_is_refused(fields_: str, tmp_path: Path) -> None:
    async with running(tmp_path) as (control, markets, _):
        answer = await post(control, b"{" + fields_.encode() + b"}")
        assert isinstance(answer, Response)
        assert answer.status == 400
        assert b"error" in answer.body
        for script in ("waves", "trend", "crash", "flat"):
            markets.play("luno", "BTC/ZAR", script)
