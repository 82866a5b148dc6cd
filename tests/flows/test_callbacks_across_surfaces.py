"""Callbacks of three surfaces at once, and one receipt for all of them (XS-04, XS-05)."""

import json
from itertools import count
from typing import Any

import pytest
import trio

from tests.flows.client import Person, World
from tests.flows.mpesa import STK, line, new_hash, ordered, reconcile

NEXUS = "/nexuspay/api/mpesa"
_tills = count(810_100)


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


async def test_receipts_of_two_purchases_taken_for_each_other_are_booked_once(
    world: World,
) -> None:
    """X-C15, NXPY-C28: of two purchases that differ in nothing a customer may submit the wrong
    one's receipt. Whose it is, the provider's list says."""
    ann, ben = await world.user(), await world.user()
    await world.rule("lost_callback", phone=ann.mpesa)
    await world.rule("no_callback", phone=ben.mpesa)
    before, bought = await booked(world), []
    order = {"cryptoAmount": "0.5", "chain": "arbitrum", "tokenType": "USDC", "phone": ann.phone}
    for _ in range(2):
        status, made = await nexus(world, ann, "buy-crypto", **order)
        assert status == 200, made
        bought.append(made["data"]["transactionId"])
    second, first = await world.until(
        lambda: world.operations(ann.mpesa), lambda found: all(one["receipt"] for one in found)
    )
    submitted = {"mpesaReceiptNumber": second["receipt"], "amount": second["amount"]}
    answers = [
        await nexus(world, ann, "submit-receipt", transactionId=ref, **submitted) for ref in bought
    ]
    assert [status for status, _ in answers] == [200, 409]
    status, others = await nexus(world, ben, "buy-crypto", **{**order, "phone": ben.phone})
    assert status == 200, others
    submitted["transactionId"] = others["data"]["transactionId"]
    status, refused = await nexus(world, ben, "submit-receipt", **submitted)
    assert (status, refused["error"]["code"]) == (409, "RECEIPT_ALREADY_USED"), refused
    await world.advance(31)
    await reconcile(world)
    for ref in bought:
        await became(world, ann, ref, "completed")
    for paid in (first, second):
        await world.callback(paid["checkout"], "success")
    report = await reconcile(world)
    for paid in (first, second):
        assert paid["receipt"] not in report["note"], "in the books"
    assert await booked(world) == before + first["amount"] + second["amount"]
    await world.check_books()


async def retried(world: World, who: Person, path: str, outcome: str) -> tuple[str, dict[str, str]]:
    """A payout that M-Pesa has refused and that an administrator lets be tried again, which is
    asked for with that outcome: its reference, and whom it pays."""
    till = str(next(_tills))
    party = {"phone": who.mpesa} if path == "withdraw" else {"target": till}
    more = {"phone": who.phone} if path == "withdraw" else {"tillNumber": till}
    await world.rule("insufficient", **party)
    status, made = await nexus(world, who, path, amount="500", **more)
    assert status == 200, made
    ref = made["data"]["transactionId"]
    await became(world, who, ref, "failed")
    await world.rule(outcome, **party)
    admin = (await world.post("/sandbox/token", user="admin@example.com"))["token"]
    answer = await world.http.put(
        f"/nexuspay/api/admin/transactions/{ref}/status",
        json={"status": "pending", "notes": "again"},
        headers={"Authorization": f"Bearer {admin}"},
    )
    assert answer.status_code == 200, answer.text
    await world.until(lambda: orders(world, party), lambda found: len(found) == 2)
    return ref, party


async def orders(world: World, party: dict[str, str]) -> Any:
    """What reached M-Pesa, the newest first."""
    return (await world.get("/sandbox/mpesa/operations", **party))["operations"]


async def became(world: World, who: Person, ref: str, word: str) -> None:
    """Return once the transaction has that status."""
    await world.until(lambda: transaction(world, who, ref), lambda found: found["status"] == word)


async def booked(world: World) -> float:
    """What the books say of the cash at M-Pesa."""
    admin = (await world.post("/sandbox/token", user="admin@example.com"))["token"]
    headers = {"Authorization": f"Bearer {admin}"}
    found: float = (await world.http.post("/ops/float", headers=headers)).json()["booked"]
    return found


@pytest.mark.parametrize("path", ["withdraw", "till"])
async def test_what_the_first_order_of_a_retried_payout_paid_is_in_the_books(
    world: World, path: str
) -> None:
    """X-C15, NXPY-C57: M-Pesa pays the order it had refused; each shilling that went out is
    booked once, whichever order it was of."""
    ann = await world.user(balances={"arbitrum:USDC": "50"})
    before = await booked(world)
    ref, party = await retried(world, ann, path, "no_callback")
    second, first = [order["conversation"] for order in await orders(world, party)]
    for _ in range(2):
        await world.callback(first, "success")
    await became(world, ann, ref, "completed")
    assert await booked(world) == before - 500
    await world.callback(second, "success")
    await world.until(lambda: booked(world), lambda now: now == before - 1000)
    await world.check_books()


@pytest.mark.parametrize("path", ["withdraw", "till"])
async def test_the_first_orders_failure_told_again_does_not_end_the_next(
    world: World, path: str
) -> None:
    """X-C15, NXPY-C57: it comes in at the same address while the next one is being asked for."""
    ann = await world.user(balances={"arbitrum:USDC": "50"})
    ref, party = await retried(world, ann, path, "slow")
    second, first = [order["conversation"] for order in await orders(world, party)]
    await world.callback(first, "insufficient")
    await trio.sleep(0.5)
    assert (await transaction(world, ann, ref))["status"] == "pending"
    await world.callback(second, "success")
    await became(world, ann, ref, "completed")
    await world.check_books()
