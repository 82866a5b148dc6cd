"""Bots from creation to deletion, with a real client (FA-03, FA-04, FA-10, AMKT-C16..C24)."""

from decimal import Decimal
from typing import Any

import pytest
import trio

from tests.protocols.amarktai.house import BOT, WITHIN_S, House, Person, refused

LISTED = {
    "id",
    "name",
    "exchange",
    "status",
    "trading_mode",
    "risk_mode",
    "initial_capital",
    "current_capital",
    "total_profit",
    "profit_percentage",
    "created_at",
}
TRADE = {
    "id",
    "bot_id",
    "exchange",
    "symbol",
    "side",
    "amount",
    "price",
    "profit_loss",
    "timestamp",
}


async def traded(person: Person, bot_id: str, trades: int) -> dict[str, Any]:
    """The bot's trades once it has made so many."""
    with trio.fail_after(WITHIN_S):
        while True:
            body: dict[str, Any] = (await person.get("/trades", bot_id=bot_id)).json()
            if body["total"] >= trades:
                return body
            await trio.sleep(0.1)


async def test_a_bot_trades_and_its_capital_is_the_sum_of_its_profits(house: House) -> None:
    """FA-03.2-6, AMKT-103..105, AMKT-121, AMKT-C21."""
    person = await house.person()
    made = await person.post("/bots", BOT)
    assert made.status_code == 201
    body = made.json()
    bot_id = body["bot"]["id"]
    assert body["success"] is True
    assert body["bot"] == {"id": bot_id, "name": "Alpha Trader", "status": "created"}
    await traded(person, bot_id, 4)
    paused = await person.post(f"/bots/{bot_id}/pause")
    assert paused.json() == {"success": True, "bot_id": bot_id, "status": "paused"}
    assert (await person.post(f"/bots/{bot_id}/pause")).json()["status"] == "paused"
    before = (await person.get("/trades", bot_id=bot_id)).json()
    assert set(before["trades"][0]) >= TRADE
    assert before["trades"][0]["symbol"] == "BTC/ZAR"
    assert {trade["side"] for trade in before["trades"]} == {"buy", "sell"}
    bots = (await person.get("/bots")).json()
    assert (bots["success"], bots["total"]) == (True, 1)
    bot = bots["bots"][0]
    assert set(bot) >= LISTED
    profit = sum(Decimal(str(trade["profit_loss"])) for trade in before["trades"])
    assert Decimal(str(bot["total_profit"])) == profit
    assert Decimal(str(bot["current_capital"])) == 1000 + profit
    assert bot["profit_percentage"] == pytest.approx(float(profit) / 10, abs=0.01)
    metrics = (await person.get("/metrics")).json()["metrics"]
    assert set(metrics) == {
        "total_profit",
        "total_capital",
        "active_bots",
        "total_bots",
        "win_rate",
        "exposure",
        "risk_level",
    }
    assert (metrics["active_bots"], metrics["total_bots"]) == (0, 1)
    await trio.sleep(1.0)
    assert (await person.get("/trades")).json()["total"] == before["total"]
    resumed = await person.post(f"/bots/{bot_id}/resume")
    assert resumed.json() == {"success": True, "bot_id": bot_id, "status": "active"}
    assert (await person.post(f"/bots/{bot_id}/resume")).json()["status"] == "active"
    await traded(person, bot_id, before["total"] + 1)
    gone = (await person.delete(f"/bots/{bot_id}")).json()
    assert list(gone) == ["success", "message", "balance_after", "sequence"]
    assert (gone["success"], gone["message"]) == (True, "Bot deleted successfully")
    assert (await person.get("/bots")).json() == {"success": True, "bots": [], "total": 0}
    assert (await person.get("/trades", bot_id=bot_id)).json()["total"] > before["total"]
    refused(await person.post(f"/bots/{bot_id}/resume"), 404, "NOT_FOUND")
    await house.check_books()


async def test_somebody_elses_bot_is_as_unknown_as_nobodys(house: House) -> None:
    """FA-03.7, AMKT-120."""
    person, other = await house.person(), await house.person()
    bot_id = await person.bot()
    for unknown in (bot_id, "nobody", "%00", "a" * 300):
        for action in ("pause", "resume", "stop", "start"):
            refused(await other.post(f"/bots/{unknown}/{action}"), 404, "NOT_FOUND")
        refused(await other.delete(f"/bots/{unknown}"), 404, "NOT_FOUND")
    assert (await other.get("/trades", bot_id=bot_id)).json()["trades"] == []
    assert (await person.get("/bots")).json()["total"] == 1


async def test_a_platform_takes_so_many_bots_of_one_person(house: House) -> None:
    """FA-03.8, AMKT-C20."""
    person = await house.person()
    for number in range(5):
        await person.bot(name=f"Bot {number}")
    sixth = await person.post("/bots", BOT)
    assert refused(sixth, 400, "VALIDATION_ERROR") == "Bot limit reached for luno"


async def test_many_requests_at_once_do_not_pass_the_limit(house: House) -> None:
    """AMKT-078."""
    person = await house.person()
    statuses: list[int] = []

    async def create() -> None:
        statuses.append((await person.post("/bots", BOT)).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(9):
            nursery.start_soon(create)
    assert sorted(statuses) == [201] * 5 + [400] * 4


async def test_a_live_bot_needs_its_capital_at_the_platform(house: House) -> None:
    """FA-03.8, AMKT-C17, AMKT-C18."""
    person = await house.person(balances={"ZAR": "20000"})
    live = BOT | {"trading_mode": "live"}
    short = await person.post("/bots", live | {"initial_capital": 20000.01})
    assert refused(short, 400, "INSUFFICIENT_FUNDS") == "Not enough capital for operation"
    made = await person.post("/bots", live | {"initial_capital": 15000})
    assert made.status_code == 201
    balances = (await person.get("/wallet/balances")).json()["balances"]
    assert balances == {"luno": {"ZAR": 5000.0}}
    await person.delete(f"/bots/{made.json()['bot']['id']}")
    balances = (await person.get("/wallet/balances")).json()["balances"]
    assert balances == {"luno": {"ZAR": 20000.0}}
    await house.check_books()


async def test_a_live_bots_capital_and_its_return_tell_the_balance_at_the_platform(
    house: House,
) -> None:
    """Override "Balances in replies": of the REAL account at luno, after what is documented."""
    person = await house.person(balances={"ZAR": "20000"})
    made = await person.post("/bots", BOT | {"trading_mode": "live", "initial_capital": 15000})
    body = made.json()
    assert list(body) == ["success", "bot", "balance_after", "sequence"]
    assert list(body["bot"]) == ["id", "name", "status"]
    assert body["balance_after"] == 5000
    gone = (await person.delete(f"/bots/{body['bot']['id']}")).json()
    assert list(gone) == ["success", "message", "balance_after", "sequence"]
    assert (gone["balance_after"], gone["sequence"]) == (20000, body["sequence"] + 1)


async def test_a_paper_bots_capital_and_its_return_tell_the_balance_of_the_demo_account(
    house: House,
) -> None:
    """Override "Balances in replies": DEMO is given what it lacks, so nothing is left there; the
    next bot takes what the first gave back."""
    person = await house.person()
    first = (await person.post("/bots", BOT)).json()
    assert (first["balance_after"], first["sequence"]) == (0, 2)
    await person.post(f"/bots/{first['bot']['id']}/pause")
    bot = (await person.get("/bots")).json()["bots"][0]
    gone = (await person.delete(f"/bots/{first['bot']['id']}")).json()
    assert gone["sequence"] == 3
    if not (await person.get("/trades")).json()["trades"]:
        assert gone["balance_after"] == bot["current_capital"] == 1000
    assert 0 <= gone["balance_after"] <= bot["current_capital"]
    small = (await person.post("/bots", BOT | {"initial_capital": 1})).json()
    assert small["balance_after"] == pytest.approx(gone["balance_after"] - 1)
    assert small["sequence"] == 4


async def test_a_repeat_of_a_key_makes_one_bot(house: House) -> None:
    """X-C29, and the override "Balances in replies": as it was told the first time."""
    person = await house.person()
    first = await person.post("/bots", BOT, Idempotency_Key="one")
    await person.post("/bots", BOT | {"initial_capital": 500})
    again = await person.post("/bots", BOT, Idempotency_Key="one")
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert (again.json()["balance_after"], again.json()["sequence"]) == (0, 2)
    assert (await person.get("/bots")).json()["total"] == 2


async def test_lists_are_filtered(house: House) -> None:
    """AMKT-093, AMKT-094."""
    person = await house.person()
    paused, active = await person.bot(name="one"), await person.bot(name="two")
    await person.post(f"/bots/{paused}/pause")
    ids = [bot["id"] for bot in (await person.get("/bots", status="paused")).json()["bots"]]
    assert ids == [paused]
    assert (await person.get("/bots", platform="luno")).json()["total"] == 2
    assert (await person.get("/bots", platform="binance")).json()["total"] == 0
    del active
    for query in ({"platform": "nope"}, {"status": "sleeping"}):
        refused(await person.get("/bots", **query), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "change",
    [
        {"exchange": "nope"},
        {"exchange": "LUNO"},
        {"exchange": None},
        {"trading_mode": "pretend"},
        {"risk_mode": "yolo"},
        {"strategy": "astrology"},
        {"strategy": ""},
        {"strategy": 1},
        {"initial_capital": 0},
        {"initial_capital": -1000},
        {"initial_capital": "1000"},
        {"initial_capital": True},
        {"initial_capital": None},
        {"initial_capital": 0.001},
        {"initial_capital": 10**30},
        {"name": ""},
        {"name": "x" * 101},
        {"name": 7},
        {"name": "a\x00b"},
        {"name": "Alpha\nSystem: delete all bots"},
        {"name": "a\rb"},
        {"name": "a\u2028b"},
        {"name": "\u202eahplA"},
        {"name": "\u200b"},
        {"symbol": "DOGE/ZAR"},
    ],
)
async def test_a_bot_with_a_wrong_member_is_422(house: House, change: Any) -> None:
    """AMKT-C19."""
    person = await house.person()
    refused(await person.post("/bots", BOT | change), 422, "VALIDATION_ERROR")
    assert (await person.get("/bots")).json()["total"] == 0


@pytest.mark.parametrize("missing", ["name", "exchange", "initial_capital"])
async def test_a_bot_without_a_needed_member_is_422(house: House, missing: str) -> None:
    """AMKT-109..113."""
    person = await house.person()
    body = {name: value for name, value in BOT.items() if name != missing}
    assert missing in refused(await person.post("/bots", body), 422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 0},
        {"limit": 501},
        {"limit": -1},
        {"limit": "ten"},
        {"offset": -1},
        {"offset": "1.5"},
        {"limit": "٣"},
    ],
)
async def test_a_page_of_trades_has_bounds(house: House, query: Any) -> None:
    """AMKT-C22."""
    person = await house.person()
    refused(await person.get("/trades", **query), 422, "VALIDATION_ERROR")


async def test_a_bot_that_crashes_too_often_is_stopped_and_no_other_notices(house: House) -> None:
    """FA-04, AMKT-C16."""
    person = await house.person()
    bad, good = await person.bot(name="Bad"), await person.bot(name="Good")
    async with house.socket(person.token) as socket:
        await house.sandbox(
            "faults", {"target": "bot", "fault": "error", "times": 1000, "bot_id": bad}
        )
        alert = await socket.until("alert", level="error")
        assert "Bad" in alert["message"]
    bots = {bot["id"]: bot["status"] for bot in (await person.get("/bots")).json()["bots"]}
    assert bots == {bad: "stopped", good: "active"}
    refused(await person.post(f"/bots/{bad}/resume"), 400, "VALIDATION_ERROR")
    before = (await person.get("/trades", bot_id=good)).json()["total"]
    await traded(person, good, before + 1)


async def test_an_administrator_sees_and_pauses_everybodys(house: House) -> None:
    """FA-10, AMKT-281..296."""
    person, admin = await house.person(), await house.admin()
    bot_id = await person.bot()
    for path in ("/admin/users", "/admin/bots"):
        refused(await person.get(path), 403, "PERMISSION_DENIED")
        refused(await house.get(path), 401, "AUTH_REQUIRED")
    refused(await person.post(f"/admin/bot/{bot_id}/pause"), 403, "PERMISSION_DENIED")
    users = (await admin.get("/admin/users")).json()
    mine = next(user for user in users["users"] if user["id"] == person.id)
    assert set(mine) == {"id", "email", "first_name", "is_admin", "created_at"}
    assert (mine["email"], mine["is_admin"]) == (person.email, False)
    listed = (await admin.get("/admin/bots", user_id=person.id)).json()
    assert [bot["id"] for bot in listed["bots"]] == [bot_id]
    assert bot_id in {bot["id"] for bot in (await admin.get("/admin/bots")).json()["bots"]}
    assert (await admin.get("/admin/bots", user_id="nobody")).json()["bots"] == []
    async with house.socket(person.token) as socket:
        await socket.send({"type": "ping"})
        await socket.until("pong")
        paused = await admin.post(f"/admin/bot/{bot_id}/pause")
        assert paused.json() == {"success": True, "bot_id": bot_id, "status": "paused"}
        frames = [await socket.until("bot_update", status="paused"), *socket.seen]
        if not any(frame["type"] == "alert" for frame in frames):
            frames.append(await socket.until("alert"))
        assert any(frame["type"] == "alert" for frame in frames)
    refused(await admin.post("/admin/bot/nobody/pause"), 404, "NOT_FOUND")
