"""STK pushes over real sockets and HTTP (flows FM-01 to FM-05, FM-08)."""

import httpx
import pytest
import trio

from tests.flows.client import World
from tests.flows.mpesa import API, OK_TEXT, STK, line, new_hash, new_phone, ordered


async def test_a_push_is_pending_then_completed(world: World) -> None:
    """FM-01; MPWS-059: no welcome frame, and the example as the document has it."""
    order = {"phone": "254712345678", "amount": 100, "description": "Payment description"}
    async with line(world, STK + new_hash()) as socket:
        pushed = await socket.ask("push", **order)
        assert pushed.pop("checkout").startswith("ws_CO_")
        assert pushed.pop("merchant")
        assert pushed == {**order, "status": "pending"}
        done = await socket.frame("status")
        operation = (await world.operations(order["phone"]))[0]
        expected = {
            "checkout": operation["checkout"],
            "status": "completed",
            "code": 0,
            "message": OK_TEXT,
            "phone": order["phone"],
            "amount": 100,
            "receipt": operation["receipt"],
        }
        assert done == expected
        assert await socket.ask("status", checkout=operation["checkout"]) == expected
    await world.check_books()


async def test_a_pending_push_says_so(world: World) -> None:
    """MPWS-C01: status before there is a result."""
    order = ordered()
    await world.rule("no_callback", phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        pushed = await socket.ask("push", **order)
        shown = await socket.ask("status", checkout=pushed["checkout"])
        assert (shown["status"], shown["code"], shown["receipt"]) == ("pending", 0, None)


async def test_the_documents_own_address_reaches_the_socket(world: World) -> None:
    """The usage examples connect to /mpesa/stk/user123 as written."""
    async with line(world, f"/mpesa/stk/{new_hash()}") as socket:
        assert (await socket.ask("push", **ordered()))["status"] == "pending"
    async with line(world, f"/mpesa/b2c/{new_hash()}") as socket:
        refused = await socket.refused("withdraw", **ordered())
        assert refused["code"] == "INSUFFICIENT_FUNDS"


@pytest.mark.parametrize("wrapped", [False, True])
async def test_a_push_over_http_is_told_to_its_hash_alone(world: World, wrapped: bool) -> None:
    """FM-02, MPWS-C05: the same under `payload`."""
    mine, other = new_hash(), new_hash()
    order = ordered(hash=mine)
    async with line(world, STK + mine) as socket, line(world, STK + other) as stranger:
        body = {"payload": order} if wrapped else order
        answer = await world.post(f"{API}/stk/push", **body)
        data = answer.pop("data")
        assert answer == {"success": True}
        assert set(data) == {"checkout", "merchant", "status"}
        assert data["status"] == "pending"
        done = await socket.frame("status")
        assert (done["checkout"], done["status"]) == (data["checkout"], "completed")
        await stranger.quiet()


async def test_a_push_over_http_without_a_hash_gets_one_to_listen_to(world: World) -> None:
    """MPWS-C05: `hash` is optional; an additive one is answered."""
    order = ordered()
    await world.rule("no_callback", phone=order["phone"])
    data = (await world.post(f"{API}/stk/push", **order))["data"]
    async with line(world, STK + data["hash"]) as socket:
        await world.callback(data["checkout"], "success")
        assert (await socket.frame("status"))["checkout"] == data["checkout"]


@pytest.mark.parametrize(
    ("outcome", "status", "code"),
    [
        ("cancelled", "cancelled", 1032),
        ("wrong_pin", "failed", 2001),
        ("insufficient", "failed", 1),
        ("unreachable", "failed", 1037),
    ],
)
async def test_a_payer_who_does_not_pay_is_told_with_code_and_message(
    world: World, outcome: str, status: str, code: int
) -> None:
    """FM-03."""
    order = ordered()
    await world.rule(outcome, phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        pushed = await socket.ask("push", **order)
        done = await socket.frame("status")
        assert (done["status"], done["code"]) == (status, code)
        assert done["message"]
        assert done["receipt"] is None
        assert done == await socket.ask("status", checkout=pushed["checkout"])


@pytest.mark.parametrize("outcome", ["no_callback", "timeout"])
async def test_silence_for_120_seconds_is_a_timeout_and_late_money_is_kept(
    world: World, outcome: str
) -> None:
    """FM-03, MPWS-C16, X-C15: into suspense, and the status stays."""
    order = ordered()
    await world.rule(outcome, phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        pushed = await socket.ask("push", **order)
        await world.advance(119)
        await socket.quiet(0.2)
        await world.advance(2)
        done = await socket.frame("status")
        assert (done["status"], done["code"], done["receipt"]) == ("timeout", 1037, None)
        assert done["message"]
        await world.callback(pushed["checkout"], "success")
        await world.until(
            lambda: socket.ask("status", checkout=pushed["checkout"]),
            lambda shown: shown["receipt"] is not None,
        )
        shown = await socket.ask("status", checkout=pushed["checkout"])
        assert shown["status"] == "timeout"
        await socket.quiet()
    await world.check_books()


async def test_a_lost_callback_is_found_by_asking(world: World) -> None:
    """MPWS-C16: after 120 s the provider is asked; it knows of the money."""
    order = ordered()
    await world.rule("lost_callback", phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        await socket.ask("push", **order)
        await world.advance(121)
        done = await socket.frame("status")
        assert (done["status"], done["code"]) == ("completed", 0)


@pytest.mark.parametrize("outcome", ["reject", "http_500"])
async def test_a_push_the_provider_does_not_take_is_an_error(world: World, outcome: str) -> None:
    """MPWS-C02, MPWS-C05: the provider said that it failed; TIMEOUT is for silence."""
    code = "PROVIDER_ERROR"
    order = ordered()
    await world.rule(outcome, phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        refused = await socket.refused("push", **order)
        assert (refused["request"], refused["code"]) == ("push", code)
        answer = await world.http.post(f"{API}/stk/push", json=order)
        assert answer.status_code == 502
        assert answer.json()["error"]["code"] == code
        assert answer.json()["success"] is False
        await world.advance(121)
        await socket.quiet()


async def test_a_slow_provider_delays_the_reply_and_nothing_else(world: World) -> None:
    """The other socket of the same hash is served meanwhile."""
    order, hash_ = ordered(), new_hash()
    await world.rule("slow", phone=order["phone"], delay_seconds=1.5)
    async with line(world, STK + hash_) as slow, line(world, STK + hash_) as quick:
        await slow.send("push", **order)
        assert (await quick.refused("status", checkout="ws_CO_1"))["code"] == "NOT_FOUND"
        pushed = await slow.frame("push")
        assert (await slow.frame("status"))["checkout"] == pushed["checkout"]
        assert (await quick.frame("status"))["checkout"] == pushed["checkout"]


async def test_wrong_messages_are_refused_and_the_socket_lives(world: World) -> None:
    """FM-04: each with its code and field."""
    good = {"phone": "254712345678", "amount": 100}
    async with line(world, STK + new_hash()) as socket:
        for message, code in (
            ("{", "INVALID_JSON"),
            ("[]", "VALIDATION_ERROR"),
            ('{"kind":5}', "INVALID_KIND"),
        ):
            await socket.tell(message)
            error = await socket.frame("error")
            assert (error["request"], error["code"]) == (None, code)
        refused = await socket.refused("withdraw", **good)
        assert (refused["request"], refused["code"]) == ("withdraw", "INVALID_KIND")
        assert "field" not in refused
        for wrong, field in (
            ({"phone": "123"}, "phone"),
            ({"phone": 254712345678}, "phone"),
            ({"phone": "254212345678"}, "phone"),
            ({"amount": 0}, "amount"),
            ({"amount": -1}, "amount"),
            ({"amount": 1.5}, "amount"),
            ({"amount": "100"}, "amount"),
            ({"amount": True}, "amount"),
            ({"amount": None}, "amount"),
            ({"amount": 250_001}, "amount"),
            ({"description": "x" * 101}, "description"),
            ({"description": 5}, "description"),
        ):
            refused = await socket.refused("push", **{**good, **wrong})
            assert (refused["code"], refused["field"]) == ("VALIDATION_ERROR", field), wrong
        await socket.tell('{"kind":"push","payload":{"phone":"254712345678"}}')
        assert (await socket.frame("error"))["field"] == "amount"
        await socket.tell('{"kind":"push"}')
        assert (await socket.frame("error"))["field"] == "payload"
        assert (await socket.ask("push", **good))["status"] == "pending"


@pytest.mark.parametrize("written", ["+254{}", "0{}", "254{}"])
async def test_phones_are_taken_as_kenyans_write_them(world: World, written: str) -> None:
    """MPWS-C08."""
    subscriber = new_phone()[3:]
    async with line(world, STK + new_hash()) as socket:
        pushed = await socket.ask("push", phone=written.format(subscriber), amount=1)
        assert pushed["phone"] == "254" + subscriber
        assert pushed["description"] == ""


async def test_a_checkout_is_known_to_its_own_hash_only(world: World) -> None:
    """MPWS-C10."""
    async with line(world, STK + new_hash()) as socket, line(world, STK + new_hash()) as stranger:
        pushed = await socket.ask("push", **ordered())
        for checkout in (pushed["checkout"], "ws_CO_unknown", "\0", "x" * 200, ""):
            refused = await stranger.refused("status", checkout=checkout)
            assert (refused["request"], refused["code"]) == ("status", "NOT_FOUND")


async def test_every_socket_of_a_hash_hears_and_a_late_one_can_ask(world: World) -> None:
    """FM-08, MPWS-C04."""
    order, hash_ = ordered(), new_hash()
    await world.rule("no_callback", phone=order["phone"])
    async with line(world, STK + hash_) as one, line(world, STK + hash_) as two:
        first = (await one.ask("push", **order))["checkout"]
        second = (await two.ask("push", **order))["checkout"]
        await world.callback(first, "success")
        assert (await one.frame("status"))["checkout"] == first
        assert (await two.frame("status"))["checkout"] == first
    await world.callback(second, "success")
    async with line(world, STK + hash_) as again:
        shown = await world.until(
            lambda: again.ask("status", checkout=second), lambda s: s["status"] != "pending"
        )
        assert shown["status"] == "completed"
    async with line(world, STK + hash_ + "?resume_from=0") as resumed:
        assert [(await resumed.frame("status"))["checkout"] for _ in range(2)] == [first, second]


async def test_a_client_resumes_where_it_stopped(world: World) -> None:
    """X-C28: offsets are additive, and only for those who ask."""
    order, hash_ = ordered(), new_hash()
    async with (
        line(world, STK + hash_) as plain,
        line(world, STK + hash_ + "?resume_from=0") as old,
    ):
        await plain.ask("push", **order)
        await plain.frame("status")
        await old.frame("status")
        await world.rule("success", phone=order["phone"])
        await plain.send("push", **order)
        await plain.frame("push")
        offset = (await old.first())["offset"]
        assert "offset" not in await plain.first()
    async with line(world, f"{STK}{hash_}?resume_from={offset - 1}") as resumed:
        assert (await resumed.first())["offset"] == offset
        await resumed.quiet(0.1)
    async with line(world, f"{STK}{hash_}?resume_from={offset + 10**9}") as lost:
        assert (await lost.first())["kind"] == "reload_required"


async def test_a_repeated_key_pushes_once(world: World) -> None:
    """X-C29: by socket and by HTTP, the same answer; another body is refused."""
    order = ordered(idempotency_key="k")
    async with line(world, STK + new_hash()) as socket:
        first = await socket.ask("push", **order)
        await socket.frame("status")
        assert await socket.ask("push", **order) == first
        other = await socket.refused("push", **{**order, "amount": 5})
        assert other["code"] == "DUPLICATE"
    assert len(await world.operations(order["phone"])) == 1
    body = ordered(hash=new_hash())
    headers = {"Idempotency-Key": "k2"}
    answers = [
        await world.http.post(f"{API}/stk/push", json=body, headers=headers) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert [a.headers.get("idempotent-replayed") for a in answers] == [None, "true"]
    changed = await world.http.post(f"{API}/stk/push", json={**body, "amount": 7}, headers=headers)
    assert changed.status_code == 422
    assert changed.json()["error"]["code"] == "IDEMPOTENCY_KEY_REUSED"


async def test_two_equal_requests_at_once_push_once(world: World) -> None:
    """X-C29: a key in flight is answered 409; once it is recorded, the repeat waits with it."""
    body = ordered(hash=new_hash())
    await world.rule("slow", phone=body["phone"], delay_seconds=0.5)
    answers: list[httpx.Response] = []

    async def push() -> None:
        headers = {"Idempotency-Key": "race"}
        answers.append(await world.http.post(f"{API}/stk/push", json=body, headers=headers))

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(push)
    assert {answer.status_code for answer in answers} <= {200, 409}
    taken = [answer.json() for answer in answers if answer.status_code == 200]
    assert taken
    assert all(answer == taken[0] for answer in taken)
    assert len(await world.operations(body["phone"])) == 1
