"""Operators give cash in suspense back, and ask for the float, on a running server."""

from pathlib import Path
from typing import Any

import httpx
import trio

from tests.flows.client import World
from tests.flows.commands import command
from tests.flows.conftest import serving
from tests.flows.mpesa import STK, line, new_hash, ordered


async def admin(world: World) -> dict[str, str]:
    token = (await world.post("/sandbox/token", user="admin@example.com"))["token"]
    return {"Authorization": f"Bearer {token}"}


async def asked(world: World, path: str, **body: Any) -> tuple[int, Any]:
    """An administrator's request."""
    answer = await world.http.post(f"/ops/{path}", json=body, headers=await admin(world))
    return answer.status_code, answer.json()


async def late_cash(world: World) -> tuple[str, dict[str, Any]]:
    """The receipt of a push that was paid after it was cancelled (X-C15), and its order."""
    order = ordered(70)
    await world.rule("cancelled", phone=order["phone"], operation="stk")
    async with line(world, STK + new_hash()) as socket:
        checkout = (await socket.ask("push", **order))["checkout"]
        assert (await socket.frame("status"))["status"] == "cancelled"
        await world.callback(checkout, "success")
    receipt = (await world.operation(order["phone"]))["receipt"]
    return receipt, order


async def reversed_at_last(world: World, receipt: str, **more: Any) -> Any:
    """The reversal, once the cash it gives back is in the books: its callback is worked off
    beside the one who sent it."""
    said: tuple[int, Any] = await world.until(
        lambda: asked(world, "reversals", receipt=receipt, **more), lambda told: told[0] != 404
    )
    assert said[0] == 200, said
    return said[1]


async def test_late_cash_goes_back_to_its_payer_once(world: World) -> None:
    """X-C15: in suspense for refund; the order is audited, and never sent twice."""
    receipt, order = await late_cash(world)
    made = await reversed_at_last(world, receipt, note="paid too late")
    assert made == {
        "reference": f"REV-{receipt}",
        "receipt": receipt,
        "amount": 70.00,
        "currency": "KES",
        "status": "completed",
        "message": made["message"],
        "note": "paid too late",
        "decided_by": made["decided_by"],
    }
    assert (await world.operation(order["phone"]))["state"] == "reversed"
    assert await asked(world, "reversals", receipt=receipt) == (
        409,
        {"error": "it was given back already"},
    )
    await world.check_books()


async def test_of_many_orders_at_once_one_is_sent(world: World) -> None:
    """A second order of the same cash would be a second refund."""
    receipt, _ = await late_cash(world)
    answers: list[int] = []

    async def order() -> None:
        answers.append((await asked(world, "reversals", receipt=receipt))[0])

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(order)
    assert answers.count(200) <= 1
    if 200 not in answers:  # the callback was not worked off yet
        await reversed_at_last(world, receipt)
    assert set(answers) <= {200, 404, 409}
    await world.check_books()


async def test_what_was_credited_or_is_unknown_is_not_given_back(world: World) -> None:
    """The credited cash is its owner's."""
    order = ordered(30)
    async with line(world, STK + new_hash()) as socket:
        await socket.ask("push", **order)
        receipt = (await socket.frame("status"))["receipt"]
    refused = {"error": "the cash was credited to its owner"}
    assert await asked(world, "reversals", receipt=receipt) == (409, refused)
    assert await asked(world, "reversals", receipt="NOSUCH1234") == (
        404,
        {"error": "no such receipt"},
    )
    for wrong in ("", "a b", "ab\0", "x" * 65, "é"):
        assert (await asked(world, "reversals", receipt=wrong))[0] == 400
    for body in ({}, {"receipt": 1}, {"receipt": receipt, "note": "n" * 2001}):
        assert (await asked(world, "reversals", **body))[0] == 400


async def test_only_administrators_may_order_or_ask(world: World) -> None:
    """401 without a token, 403 for anybody else."""
    ann = await world.user()
    for path in ("/ops/reversals", "/ops/float"):
        assert (await world.http.post(path, json={"receipt": "A"})).status_code == 401
        headers = {"Authorization": f"Bearer {ann.token}"}
        answer = await world.http.post(path, json={"receipt": "A"}, headers=headers)
        assert answer.status_code == 403


async def test_the_float_is_what_the_provider_says(world: World) -> None:
    """Asked by an account-balance query, answered by its callback; it moves nothing."""
    status, before = await asked(world, "float")
    assert status == 200
    assert [row["account"] for row in before["accounts"]] == ["Working Account", "Utility Account"]
    async with line(world, STK + new_hash()) as socket:
        await socket.ask("push", **ordered(90))
        assert (await socket.frame("status"))["status"] == "completed"
    _, after = await asked(world, "float")
    assert after["accounts"][0]["available"] >= before["accounts"][0]["available"] + 90
    assert after["booked"] >= before["booked"] + 90


async def test_the_commands_do_the_same(tmp_path: Path) -> None:
    """`app.py reverse` and `app.py float` ask the running server of their DATA_DIR."""
    with serving(tmp_path) as (base, _):
        async with httpx.AsyncClient(base_url=base, timeout=30) as http:
            world = World(http)
            receipt, _ = await late_cash(world)
            with trio.fail_after(30):
                while (done := await command(tmp_path, "reverse", receipt)).returncode:
                    assert done.stderr == "daftari: no such receipt\n"
            assert done.stdout.startswith(f"REV-{receipt}: completed")
            again = await command(tmp_path, "reverse", receipt)
            assert again.returncode == 1
            assert again.stderr == "daftari: it was given back already\n"
            shown = await command(tmp_path, "float")
            assert shown.returncode == 0
            assert "Working Account: " in shown.stdout
            assert (
                shown.stdout.splitlines()[-1] == "collected less paid out, by the books: 0.00 KES"
            )
