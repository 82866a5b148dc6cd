"""Callbacks of three surfaces at once, and one receipt for all of them (XS-04, XS-05)."""

import json
from typing import Any

import pytest
import trio

from tests.flows.client import Person, World
from tests.flows.mpesa import STK, line, new_hash, ordered, reconcile

NEXUS = "/nexuspay/api/mpesa"


async def nexus(world: World, who: Person, path: str, **body: Any) -> tuple[int, Any]:
    """A NexusPay request of somebody."""
    headers = {"Authorization": f"Bearer {who.token}"}
    answer = await world.http.post(f"{NEXUS}/{path}", json=body, headers=headers)
    return answer.status_code, answer.json()


async def transaction(world: World, who: Person, ref: str) -> Any:
    headers = {"Authorization": f"Bearer {who.token}"}
    answer = await world.http.get(f"{NEXUS}/transaction/{ref}", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


async def test_each_of_three_surfaces_sees_its_own_completion_once(world: World) -> None:
    """XS-04: cashier, NexusPay and a plain push at once; callbacks in any order, each twice."""
    ann, ben = await world.user(), await world.user()
    order = ordered(100)
    for phone in (ann.mpesa, ben.mpesa, order["phone"]):
        await world.rule("no_callback", phone=phone, operation="stk")
    async with (
        world.cashier(ann) as cashier,
        world.socket("/nexuspay/ws") as updates,
        line(world, STK + new_hash()) as pushes,
    ):
        await updates.connection.send_message(json.dumps({"type": "auth", "token": ben.token}))
        deposit = await cashier.ask(
            "deposit_request", amount=1000, local_currency="KES", service="mpesa"
        )
        status, bought = await nexus(world, ben, "deposit", amount="1000", phone=f"+{ben.mpesa}")
        assert status == 200, bought
        checkout = (await pushes.ask("push", **order))["checkout"]
        phones = (ann.mpesa, ben.mpesa, order["phone"])
        checkouts = [(await world.operation(phone))["checkout"] for phone in phones]
        assert checkouts[1:] == [bought["data"]["checkoutRequestId"], checkout]
        assert len(set(checkouts)) == 3
        async with trio.open_nursery() as nursery:
            for one in checkouts[::-1] * 2:
                nursery.start_soon(world.callback, one, "success")
        completed = await cashier.event("deposit_completed")
        assert completed["data"]["request_ref"] == deposit["request_ref"]
        shown = await pushes.frame("status")
        assert (shown["checkout"], shown["status"]) == (checkout, "completed")
        update = await updates.event("mpesa_update")
        assert update["data"]["transactionId"] == bought["data"]["transactionId"]
        assert update["data"]["status"] == "completed"
        await pushes.quiet()
        await cashier.quiet("deposit_completed", 0.1)
        await updates.quiet("mpesa_update", 0.1)
    assert (await transaction(world, ben, bought["data"]["transactionId"]))["status"] == "completed"
    await world.check_books()


async def test_a_receipt_that_settled_a_cashier_deposit_buys_nothing_at_nexuspay(
    world: World,
) -> None:
    """XS-05: 409, and no credit; nor does it settle a plain push."""
    ann = await world.user()
    async with world.cashier(ann) as cashier:
        await cashier.ask("deposit_request", amount=100, local_currency="KES", service="mpesa")
        await cashier.event("deposit_completed")
    used = (await world.operation(ann.mpesa))["receipt"]
    await world.rule("no_callback", phone=ann.mpesa, operation="stk")
    status, made = await nexus(
        world,
        ann,
        "buy-crypto",
        cryptoAmount="0.5",
        phone=f"+{ann.mpesa}",
        chain="arbitrum",
        tokenType="USDC",
    )
    assert status == 200, made
    bought, amount = made["data"]["transactionId"], made["data"]["mpesaAmount"]
    for _ in range(2):
        status, refused = await nexus(
            world,
            ann,
            "submit-receipt",
            transactionId=bought,
            mpesaReceiptNumber=used,
            amount=amount,
        )
        assert (status, refused["success"]) == (409, False), refused
    assert (await transaction(world, ann, bought))["status"] != "completed"
    await world.check_books()


@pytest.mark.parametrize("late_s", [0, 31])
async def test_the_providers_list_settles_what_was_bought_before_its_callback_comes(
    world: World, late_s: int
) -> None:
    """X-C15: the list names a payment by what the prompt has shown, whichever surface asked;
    one that is late is asked about before it is found there. Either way it is credited once."""
    ben = await world.user()
    await world.rule("lost_callback", phone=ben.mpesa)
    _, bought = await nexus(world, ben, "deposit", amount="1000", phone=f"+{ben.mpesa}")
    paid = await world.until(lambda: world.operation(ben.mpesa), lambda one: bool(one["receipt"]))
    await world.advance(late_s)
    report = await reconcile(world)
    found = [row["after"] for row in report["lines"] if row["reference"] == paid["receipt"]]
    assert found == ["completed" if not late_s else "receipt noted"], report
    await world.callback(paid["checkout"], "success")
    done = await transaction(world, ben, bought["data"]["transactionId"])
    assert done["status"] == "completed"
    await world.check_books()
