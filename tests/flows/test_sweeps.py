"""Operators collect deposits over `/ops/sweeps` of the real server, on the simulated chains."""

from typing import Any

import httpx
import pytest
import trio

from tests.flows.client import Person, World
from tests.flows.test_crypto import CHAIN, announce, mined, pay


async def admin(world: World) -> dict[str, str]:
    made = await world.post("/sandbox/users", admin=True)
    return {"Authorization": f"Bearer {made['token']}"}


async def sweep(world: World, who: dict[str, str], **body: Any) -> httpx.Response:
    return await world.http.post("/ops/sweeps", json=body, headers=who)


async def swept(world: World, who: dict[str, str], sweep_id: str, chain: str) -> dict[str, Any]:
    """The sweep once it is over; blocks are made meanwhile."""
    with trio.fail_after(60):
        while True:
            await world.post(f"/sandbox/chains/{chain}/blocks", count=1)
            found = (await world.http.get("/ops/sweeps", headers=who)).json()["sweeps"]
            row: dict[str, Any] = next(each for each in found if each["id"] == sweep_id)
            if row["status"] not in ("queued", "signed", "sent"):
                return row
            await trio.sleep(0.3)


async def deposited(world: World, user: Person, currency: str, amount: str) -> str:
    """The address it lies on."""
    async with world.cashier(user) as client:
        made = await announce(client, currency, float(amount))
        await pay(world, currency, made["wallet_address"], amount)
        await mined(world, client, "deposit_completed", CHAIN[currency])
        address: str = made["wallet_address"]
        return address


@pytest.mark.parametrize("currency", ["USDC", "USDT", "BTC"])
async def test_a_deposit_is_collected_and_its_owner_notices_nothing(
    world: World, currency: str
) -> None:
    """Planned first, then begun; the owner's balance and the books stay as they were."""
    user, who = await world.user(), await admin(world)
    amount = "0.5" if currency == "BTC" else "40"
    address, chain = await deposited(world, user, currency, amount), CHAIN[currency]
    plan = (await sweep(world, who, chain=chain, minimum_usd="5")).json()
    assert plan["executed"] is False
    row = next(each for each in plan["rows"] if each["address"] == address)
    assert (row["action"], row["token"], row["amount"]) == ("sweep", currency, amount)
    assert (row["user_id"], row["purpose"], row["id"]) == (user.id, "cashier", None)
    begun = (await sweep(world, who, chain=chain, minimum_usd="5", execute=True)).json()
    row = next(each for each in begun["rows"] if each["address"] == address)
    assert begun["executed"] is True
    again = (await sweep(world, who, chain=chain, minimum_usd="5", execute=True)).json()
    assert all(each["action"] != "sweep" for each in again["rows"] if each["address"] == address)
    done = await swept(world, who, row["id"], chain)
    assert (done["status"], done["source"], done["to"]) == ("confirmed", address, plan["to"])
    async with world.cashier(user) as client:
        accounts = (await client.ask("get_accounts"))["accounts"]
        number = next(a["account_number"] for a in accounts if a["currency"] == currency)
        assert await client.balance(number) == (float(amount), float(amount), 0)
    await world.check_books()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"chain": "doge"}, 400),
        ({"chain": 7}, 400),
        ({"chain": "tron", "minimum_usd": "NaN"}, 400),
        ({"chain": "tron", "minimum_usd": "-1"}, 400),
        ({"chain": "tron", "minimum_usd": "1e400"}, 400),
        ({"chain": "tron", "minimum_usd": True}, 400),
        ({"chain": "tron", "minimum_usd": [1]}, 400),
        ({"chain": "tron", "execute": "yes"}, 400),
    ],
)
async def test_what_is_no_request_to_collect_is_refused(
    world: World, body: dict[str, Any], status: int
) -> None:
    answer = await sweep(world, await admin(world), **body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}


async def test_only_administrators_collect(world: World) -> None:
    user = await world.user()
    assert (await sweep(world, {}, chain="tron")).status_code == 401
    somebody = {"Authorization": f"Bearer {user.token}"}
    assert (await sweep(world, somebody, chain="tron", execute=True)).status_code == 403
    assert (await world.http.get("/ops/sweeps", headers=somebody)).status_code == 403


async def test_a_chain_that_does_not_answer_begins_nothing(world: World) -> None:
    user, who = await world.user(), await admin(world)
    address = await deposited(world, user, "USDC", "40")
    await world.post("/sandbox/faults", target="chain", fault="down", seconds=2)
    answer = await sweep(world, who, chain="polygon", execute=True)
    assert answer.status_code == 503
    found = (await world.http.get("/ops/sweeps", headers=who)).json()["sweeps"]
    assert not any(row["source"] == address for row in found)
