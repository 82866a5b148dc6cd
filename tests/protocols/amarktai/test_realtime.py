"""The event stream and the socket, with real clients (FA-03, FA-09, AMKT-C33..C38, X-C26..C28)."""

import json

import trio

from tests.protocols.amarktai.house import BOT, House, refused


async def test_a_stream_begins_with_heartbeat_and_overview(house: House) -> None:
    """FA-03.1, AMKT-237..247, AMKT-C35."""
    person = await house.person()
    async with house.events(person.token) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        assert events.headers["cache-control"] == "no-cache"
        assert events.headers["x-accel-buffering"] == "no"
        first = await events.next()
        assert (first["event"], first["retry"]) == ("heartbeat", "3000")
        assert json.loads(first["data"]).keys() == {"timestamp", "counter"}
        assert json.loads(first["data"])["counter"] == 1
        overview = await events.until("overview_update")
        assert overview.keys() == {
            "type",
            "active_bots",
            "total_bots",
            "total_profit",
            "total_capital",
            "timestamp",
        }
        assert (overview["type"], overview["total_bots"]) == ("overview", 0)


async def test_a_bots_life_is_told_on_both(house: House) -> None:
    """FA-03.3-6."""
    person = await house.person()
    async with house.events(person.token) as events, house.socket(person.token) as socket:
        await events.until("overview_update", total_bots=0)
        bot_id = await person.bot()
        count = await events.until("bot_update")
        assert {"type": "bot_count_changed", "total_bots": 1}.items() <= count.items()
        update = await socket.until("bot_update", bot_id=bot_id, status="active")
        assert set(update) == {"type", "bot_id", "status", "data"}
        assert update["data"]["name"] == BOT["name"]
        executed = await socket.until("trade_executed")
        assert set(executed) == {"type", "trade"}
        assert set(executed["trade"]) == {"id", "bot_id", "symbol", "side", "profit"}
        assert executed["trade"]["bot_id"] == bot_id
        recent = await events.until("trade_update")
        assert recent["type"] == "recent_trades"
        assert recent["count"] == len(recent["trades"])
        assert executed["trade"]["id"] in {trade["id"] for trade in recent["trades"]}
        await events.until("overview_update", total_bots=1)
        await person.post(f"/bots/{bot_id}/pause")
        await socket.until("bot_update", bot_id=bot_id, status="paused")
        await person.delete(f"/bots/{bot_id}")
        await events.until("bot_update", total_bots=0)


async def test_only_its_persons_bots_are_told(house: House) -> None:
    """A feed is one person's."""
    person, other = await house.person(), await house.person()
    async with house.events(person.token) as events, house.socket(person.token) as socket:
        await events.until("overview_update")
        await other.bot()
        await person.bot(name="Mine")
        assert (await events.until("bot_update"))["total_bots"] == 1
        assert (await socket.next())["data"]["name"] == "Mine"


async def test_a_stream_resumes_with_every_trade_missed(house: House) -> None:
    """X-C28: by Last-Event-ID, nothing twice."""
    person = await house.person()
    bots = [await person.bot(name=f"Bot {number}") for number in range(5)]
    async with house.events(person.token) as events:
        seen = await events.until("trade_update")
    told = [trade["id"] for trade in seen["trades"]]
    with trio.fail_after(30):
        while (await person.get("/trades")).json()["total"] < len(told) + 12:
            await trio.sleep(0.1)
    for bot_id in bots:
        await person.post(f"/bots/{bot_id}/pause")
    trades = (await person.get("/trades")).json()["trades"]
    newest_first = [trade["id"] for trade in trades]
    # Trades may have been made before the stream was opened: those were not missed by it.
    missed = newest_first[: min(newest_first.index(trade) for trade in told)]
    got: list[str] = []
    async with house.events(person.token, Last_Event_ID=seen["id"]) as events:
        while len(got) < len(missed):
            got += [trade["id"] for trade in (await events.until("trade_update"))["trades"]]
    assert set(missed) <= set(got)
    assert len(set(got)) == len(got)


async def test_a_trade_that_waits_is_not_skipped_by_a_count(house: House) -> None:
    """X-C28, AMKT-C35: the id of what is told at once passes over no trade that is told later."""
    person = await house.person()
    bots = [await person.bot(name=f"Bot {number}") for number in range(4)]
    got: list[str] = []
    async with house.events(person.token) as events:
        seen = await events.until("trade_update")
        oldest = seen["trades"][0]["id"]
        newest = seen["trades"][-1]["id"]
        with trio.fail_after(30):
            while (await person.get("/trades", limit=1)).json()["trades"][0]["id"] == newest:
                await trio.sleep(0.05)
        bots.append(await person.bot(name="Counted"))
        while seen["type"] != "bot_count_changed":
            got += [trade["id"] for trade in seen["trades"]]
            seen = await events.told()
    for bot_id in bots:
        await person.post(f"/bots/{bot_id}/pause")
    trades = (await person.get("/trades")).json()["trades"]
    made = {trade["id"] for trade in trades if trade["id"] >= oldest}
    async with house.events(person.token, Last_Event_ID=seen["id"]) as events:
        await person.delete(f"/bots/{bots[0]}")  # the last thing to be told
        while (seen := await events.told()).get("total_bots") != 4:
            got += [trade["id"] for trade in seen.get("trades", ())]
    assert made <= set(got)
    assert len(set(got)) == len(got)


async def test_a_socket_resumes_by_offset(house: House) -> None:
    """X-C28."""
    person = await house.person()
    bot_id = await person.bot()
    await person.post(f"/bots/{bot_id}/pause")
    async with house.socket(person.token, "&resume_from=0") as socket:
        frames = [await socket.until("bot_update", status="paused"), *socket.seen]
        offsets = [frame["offset"] for frame in socket.seen]
        assert offsets == sorted(offsets)
        assert any(frame["status"] == "active" for frame in frames if "status" in frame)
        last = offsets[-1]
    async with house.socket(person.token, f"&resume_from={last}") as socket:
        await person.post(f"/bots/{bot_id}/resume")
        update = await socket.until("bot_update")
        assert update["offset"] > last
    async with house.socket(person.token, "&resume_from=999999999") as socket:
        assert (await socket.next())["type"] == "reload_required"


async def test_pings_are_answered_and_nothing_else_is_known(house: House) -> None:
    """FA-09, AMKT-260..264, AMKT-C36."""
    person = await house.person()
    async with house.socket(person.token) as socket:
        await socket.send({"type": "ping", "timestamp": "2024-01-01T00:00:00Z"})
        pong = await socket.next()
        assert pong.keys() == {"type", "timestamp"}
        await socket.send({"type": "ping"})
        assert (await socket.next())["type"] == "pong"
        await socket.send({"type": "subscribe"})
        assert await socket.next() == {"type": "error", "message": "Unknown message type"}
        for garbage in ("", "{", "[]", "null", '{"type":1}', "[" * 10_000):
            await socket.send(garbage)
            assert (await socket.next())["type"] == "error"
        await socket.send({"type": "ping"})
        assert (await socket.next())["type"] == "pong"


async def test_sockets_and_streams_without_a_good_token_are_refused(house: House) -> None:
    """FA-09, AMKT-258, AMKT-259, AMKT-C34."""
    person = await house.person()
    refused(await house.refused_socket(), 401, "AUTH_REQUIRED")
    refused(await house.refused_socket("?token=garbage"), 401, "AUTH_INVALID")
    headers = {"Authorization": "Bearer garbage"}
    refused(await house.refused_socket(**headers), 401, "AUTH_INVALID")
    refused(await house.get("/realtime/events"), 401, "AUTH_REQUIRED")
    refused(await house.get("/realtime/events", token="x"), 401, "AUTH_INVALID")
    async with house.events("", f"?token={person.token}") as events:
        assert (await events.next())["event"] == "heartbeat"
    refused(await house.get(f"/bots?token={person.token}"), 401, "AUTH_REQUIRED")


async def test_the_end_of_a_token_ends_both(house: House) -> None:
    """FA-09, X-C26."""
    person = await house.person()
    async with house.events(person.token) as events, house.socket(person.token) as socket:
        await events.until("overview_update")
        await socket.send({"type": "ping"})
        await socket.next()
        await house.advance(86_401)
        assert await socket.close_code() == 4401
        assert await events.ended()


async def test_a_password_reset_ends_both(house: House) -> None:
    """XS-09."""
    person = await house.person(password="SecurePassword123")
    async with house.events(person.token) as events, house.socket(person.token) as socket:
        await events.until("overview_update")
        nexus = "/nexuspay/api/auth/password-reset"
        await house.http.post(f"{nexus}/request", json={"email": person.email})
        body = {"email": person.email, "otp": "123456", "newPassword": "AnotherPassword1"}
        assert (await house.http.post(nexus, json=body)).status_code == 200
        assert await socket.close_code() == 4401
        assert await events.ended()


async def test_a_client_that_goes_away_leaves_nothing_behind(house: House) -> None:
    """FA-09: the count of open streams and sockets falls back."""
    person = await house.person()
    await none_open(house)
    async with (
        house.events(person.token) as one,
        house.events(person.token) as other,
        house.socket(person.token) as socket,
    ):
        await one.until("overview_update")
        await other.until("overview_update")
        await socket.send({"type": "ping"})
        await socket.next()
        assert await open_ones(house) == (2, 1)
    await none_open(house)


async def none_open(house: House) -> None:
    """Wait until no stream and no socket is open."""
    with trio.fail_after(10):
        while await open_ones(house) != (0, 0):
            await trio.sleep(0.1)


async def open_ones(house: House) -> tuple[float, float]:
    """Streams and sockets, by the server's own metrics."""
    lines = (await house.http.get("/metrics")).text.splitlines()
    values = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return float(values["daftari_streams"]), float(values["daftari_sockets"])
