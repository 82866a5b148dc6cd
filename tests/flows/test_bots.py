"""Trading bots on a running server, against the simulated exchange (FA-03, FA-04, restarts)."""

from typing import Any

import trio

from tests.flows.client import World

SPEC = {
    "name": "Alpha Trader",
    "exchange": "luno",
    "trading_mode": "paper",
    "risk_mode": "balanced",
    "initial_capital": 1000.0,
    "strategy": "momentum",
}


class Trader:
    """A user of the trading network."""

    def __init__(self, world: World, token: str) -> None:
        self._world = world
        self._headers = {"Authorization": f"Bearer {token}"}

    async def ask(self, method: str, path: str, status: int = 200, **body: object) -> Any:
        answer = await self._world.http.request(
            method, f"/amarktai/api{path}", headers=self._headers, json=body or None
        )
        assert answer.status_code == status, answer.text
        return answer.json()

    async def bots(self) -> list[dict[str, Any]]:
        return (await self.ask("GET", "/bots"))["bots"]

    async def trades(self) -> int:
        return (await self.ask("GET", "/trades"))["total"]


async def _until_traded(trader: Trader, count: int) -> None:
    with trio.fail_after(14):
        while await trader.trades() < count:
            await trio.sleep(0.2)


async def test_the_default_strategy_trades_within_14_seconds_and_sums_add_up(world: World) -> None:
    """contract.md, "Amarktai"; FA-03 step 4."""
    ann = await world.user()
    trader = Trader(world, ann.token)
    await trader.ask("POST", "/bots", 201, **SPEC)
    await _until_traded(trader, 1)
    trades = (await trader.ask("GET", "/trades"))["trades"]
    (bot,) = await trader.bots()
    profit = sum(trade["profit_loss"] for trade in trades)
    assert abs(bot["current_capital"] - 1000 - profit) < 1e-6


async def test_an_administrator_stops_all_trading_and_allows_it_again(world: World) -> None:
    """The kill switch is lifted without a restart."""
    ann = await world.user()
    trader = Trader(world, ann.token)
    await trader.ask("POST", "/bots", 201, **SPEC)
    assert (await _switch(world, on=True, token=ann.token)).status_code == 403
    admin = (await world.post("/sandbox/token", user="admin@example.com"))["token"]
    assert (await _switch(world, on=True, token=admin)).json() == {"on": True, "user_id": None}
    before = await trader.trades()
    await trio.sleep(13)  # more than a whole wave of the simulated market
    assert await trader.trades() == before
    assert (await _switch(world, on=False, token=admin)).status_code == 200
    await _until_traded(trader, before + 1)


async def _switch(world: World, *, on: bool, token: str) -> Any:
    headers = {"Authorization": f"Bearer {token}"}
    return await world.http.post("/ops/kill-switch", headers=headers, json={"on": on})


async def test_a_bot_that_crashes_is_stopped_and_the_others_trade_on(world: World) -> None:
    """FA-04."""
    ann = await world.user()
    trader = Trader(world, ann.token)
    broken = (await trader.ask("POST", "/bots", 201, **SPEC))["bot"]["id"]
    sound = (await trader.ask("POST", "/bots", 201, **{**SPEC, "name": "Beta"}))["bot"]["id"]
    await world.post("/sandbox/faults", target="bot", fault="error", bot_id=broken, times=100)
    with trio.fail_after(20):
        while (await _statuses(trader))[broken] != "stopped":
            await trio.sleep(0.2)
    assert (await _statuses(trader))[sound] == "active"
    refused = await trader.ask("POST", f"/bots/{broken}/resume", 400)
    assert refused["success"] is False
    await _until_traded(trader, 1)


async def _statuses(trader: Trader) -> dict[str, str]:
    return {bot["id"]: bot["status"] for bot in await trader.bots()}
