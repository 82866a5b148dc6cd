"""FC-01..FC-04, FC-26..FC-28: sockets of the cashier, from handshake to close."""

import base64
import socket
import time
from pathlib import Path

import httpx
import pytest
import trio

from tests.flows.client import CASHIER, World
from tests.flows.conftest import serving
from tests.flows.ports import lasting_port
from tests.flows.test_withdrawals import MPESA


async def test_fc_01_connect(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    async with world.cashier(user) as client:
        now = await world.now()
        assert client.greeting == {
            "type": "connected",
            "data": {"user_id": user.id, "timestamp": client.greeting["timestamp"]},
            "timestamp": client.greeting["timestamp"],
        }
        assert abs(client.greeting["timestamp"] - now) <= 2
        reply = await client.call("get_accounts")
        assert reply["data"]["message"] == "accounts retrieved"
        listed = reply["data"]["data"]
        assert listed["count"] == len(listed["accounts"]) == 1
        assert client.events == []


async def _rejected(world: World, token: str | None) -> int:
    """Status of a handshake that is answered without an upgrade."""
    headers = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    answer = await world.http.get(CASHIER, headers=headers)
    body = answer.json()
    assert (body["type"], body["data"]) == ("error", {"message": "unauthorized"})
    return answer.status_code


async def test_fc_02_connect_refused(world: World) -> None:
    user = await world.user()
    head, body, signature = user.token.split(".")
    none = base64.urlsafe_b64encode(b'{"alg":"none","typ":"JWT"}').decode().rstrip("=")
    other_key = signature[:-4] + ("AAAA" if signature[-4:] != "AAAA" else "BBBB")
    for token in (None, "x", f"{head}.{body}.{other_key}", f"{none}.{body}."):
        assert await _rejected(world, token) == 401
    gone = await world.user()
    await world.post(f"/sandbox/users/{gone.id}", deleted=True)
    assert await _rejected(world, gone.token) == 401
    await world.advance(86_401)
    assert await _rejected(world, user.token) == 401


async def test_fc_03_malformed_traffic_does_not_kill_the_connection(world: World) -> None:
    user = await world.user()
    async with world.cashier(user) as client:
        for text in ("{", '{"data":{}}', "[]", "5", "nul", '{"type":5}'):
            reply = await client.tell(text)
            assert reply["type"] == "error"
            assert reply["data"] == {"message": "invalid message format"}
        reply = await client.tell(b"\x00\x01")
        assert reply["data"] == {"message": "invalid message format"}
        assert await client.refused("nope") == "unknown message type: nope"
        assert (await client.tell('{"type":"get_accounts"}'))["type"] == "success"
        assert await client.refused("get_account_balance", account_number=5) == (
            "invalid request data"
        )
        assert (await client.ask("get_accounts"))["count"] == 1


async def test_fc_04_pipelined_requests_answer_in_order(world: World) -> None:
    user = await world.user()
    async with world.cashier(user) as client:
        for kind in ("get_accounts", "get_owner_summary", "nope", "get_supported_currencies"):
            await client.send(kind)
        assert [(await client.reply())["data"]["message"] for _ in range(4)] == [
            "accounts retrieved",
            "owner summary",
            "unknown message type: nope",
            "supported currencies",
        ]


@pytest.mark.slow
async def test_fc_26_idle_and_dead_peers(world: World) -> None:
    """FC-26.1, FC-26.2: sixty seconds of real time."""
    user = await world.user()
    async with world.cashier(user) as alive:
        sent = (
            f"GET {CASHIER} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {user.token}\r\n\r\n"
        )
        url = world.http.base_url
        opened, received = time.monotonic(), b""
        async with await trio.open_tcp_stream(url.host, url.port or 80) as dead:
            await dead.send_all(sent.encode())
            with trio.fail_after(75):
                async for chunk in dead:  # reads, but answers no ping
                    received += chunk
        assert 50 < time.monotonic() - opened < 70
        assert b"\x89" in received  # it was pinged before it was given up
        assert (await alive.ask("get_accounts"))["count"] == 1


async def test_fc_26_slow_peers(world: World) -> None:
    """FC-26.3: who stops reading is disconnected; nobody else notices."""
    payer = await world.user(balances={"USD": "100.00"})
    payee = await world.user()
    url = world.http.base_url
    with socket.socket() as raw:
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.connect((url.host, url.port or 80))
        stalled = trio.SocketStream(trio.socket.from_stdlib_socket(raw))
        sent = (
            f"GET {CASHIER} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            f"Authorization: Bearer {payee.token}\r\n\r\n"
        )
        await stalled.send_all(sent.encode())
        async with world.cashier(payer) as sender, world.cashier(payee) as reader:
            transfer = {"to_user_id": payee.id, "amount": 0.01, "currency": "USD"}
            long = {**transfer, "description": "x" * 900}
            for _ in range(4000):
                await sender.send("transfer", long)
            replies = [await sender.reply() for _ in range(4000)]
            assert {reply["type"] for reply in replies} == {"success"}
            await world.until(_count_of(reader), lambda count: count == 4000)
            assert len({e["data"]["receipt_code"] for e in reader.events}) == 4000
            with trio.fail_after(15):
                await _until_reset(stalled)
            assert await reader.balance(payee.numbers.get("USD") or await _first(reader)) == (
                40.0,
                40.0,
                0,
            )
    await world.check_books()


def _count_of(reader):
    async def count() -> int:
        return len(reader.events)

    return count


async def _first(client) -> str:
    number: str = (await client.ask("get_accounts"))["accounts"][0]["account_number"]
    return number


async def _until_reset(stream: trio.SocketStream) -> None:
    """Return once the server has given the connection up; what it had sent is read first."""
    try:
        while await stream.receive_some(65536):
            pass
    except trio.BrokenResourceError:
        pass


async def test_fc_27_disconnect_and_reconnect(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    number = user.numbers["USD"]
    phone = "254712340027"
    await world.rule("no_callback", phone=phone)
    async with world.cashier(user) as client:
        token = await client.token(world, user)
        request = {**MPESA, "destination": phone, "verification_token": token}
        made = await client.ask("withdraw_request", **request)
        payout = await world.operation(phone)
    await world.callback(payout["conversation"], "success")

    async def history():
        async with world.cashier(user) as client:
            return (await client.ask("get_history", type="withdrawals"))["withdrawals"]

    (item,) = await world.until(history, lambda h: h[0]["status"] == "completed")
    assert item["request_ref"] == made["request_ref"]
    async with world.cashier(user) as client:
        assert await client.balance(number) == (94.5, 94.5, 0)
        assert client.events == []  # nothing is replayed to who does not ask for it
    async with world.cashier(user, "?resume_from=0") as client:
        told = await client.event("withdraw_completed")
        assert told["data"]["request_ref"] == made["request_ref"]
        assert isinstance(told["offset"], int)
    await world.check_books()


async def test_a_connection_lost_while_nobody_asked_costs_no_request(world: World) -> None:
    """After an outage on an idle server the first command is as good as any."""
    user, peer = await world.user(balances={"USD": "100.00"}), await world.user()
    async with world.cashier(user) as client:
        for _ in range(3):
            await world.post("/sandbox/faults", target="storage", fault="error")
            await client.ask("transfer", to_user_id=peer.id, amount=1, currency="USD")
        assert await client.balance(user.numbers["USD"]) == (97, 97, 0)
    await world.check_books()


async def test_fc_27_a_killed_server_finishes_what_it_had_begun(tmp_path: Path) -> None:
    """FC-27.2 with kill -9: the hold is there after the restart, and results complete it."""
    port, phone = lasting_port(), "254712340028"
    with serving(tmp_path, port=port) as (base, run):
        async with httpx.AsyncClient(base_url=base) as http:
            world = World(http)
            user = await world.user(balances={"USD": "100.00"})
            await world.rule("no_callback", phone=phone)
            await world.rule("no_callback", phone=user.mpesa)
            async with world.cashier(user) as client:
                token = await client.token(world, user)
                request = {**MPESA, "destination": phone, "verification_token": token}
                withdrawal = await client.ask("withdraw_request", **request)
                deposit = await client.ask(
                    "deposit_request", amount=1000, local_currency="KES", service="mpesa"
                )
                payout = await world.operation(phone)
                push = await world.operation(user.mpesa)
            run.kill()
            run.wait(10)
    with serving(tmp_path, port=port, log="second.log") as (base, _):
        async with httpx.AsyncClient(base_url=base) as http:
            world = World(http)
            async with world.cashier(user) as client:
                number = user.numbers["USD"]
                assert await client.balance(number) == (100, 94.5, 5.5)
                await world.callback(payout["conversation"], "success")
                await world.callback(push["checkout"], "success")
                done = await client.event("withdraw_completed")
                assert done["data"]["request_ref"] == withdrawal["request_ref"]
                done = await client.event("deposit_completed")
                assert done["data"]["request_ref"] == deposit["request_ref"]
                assert await client.balance(number) == (102, 102, 0)
            assert len(await world.operations(phone)) == 1
            assert len(await world.operations(user.mpesa)) == 1
            await world.check_books()


async def test_fc_28_jwt_expires_during_the_connection(world: World) -> None:
    user = await world.user()
    async with world.cashier(user) as client:
        await world.advance(86_400)
        assert await client.closed() == 4401
    assert await _rejected(world, user.token) == 401
    fresh = await world.post("/sandbox/token", user=user.id)
    async with world.cashier(fresh["token"]) as client:
        assert client.greeting["data"]["user_id"] == user.id
