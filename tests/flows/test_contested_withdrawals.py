"""M-Pesa pays a withdrawal whose money was given back: what its owner sees of the decision."""

from typing import Any

from tests.flows.client import World
from tests.flows.mpesa import B2C, STK, deposit, line, new_hash, ordered
from tests.flows.test_withdrawals import withdraw


async def admin(world: World) -> dict[str, str]:
    token = (await world.post("/sandbox/token", user="admin@example.com"))["token"]
    return {"Authorization": f"Bearer {token}"}


async def contested(world: World, phone: str) -> Any:
    """The row in `GET /ops/reviews` of the withdrawal to that phone, once M-Pesa, which has
    refused it, has paid it all the same."""
    operation = await world.operation(phone)
    assert operation["state"] == "failed"
    await world.callback(operation["conversation"], "success")
    receipt = (await world.operation(phone))["receipt"]

    async def listed() -> Any:
        answer = await world.http.get("/ops/reviews", headers=await admin(world))
        rows = answer.json()["reviews"]
        return next((row for row in rows if receipt in row["reasons"][0]), None)

    return await world.until(listed, bool)


async def rule(world: World, ref: str, decision: str) -> tuple[int, Any]:
    body = {"decision": decision}
    answer = await world.http.post(f"/ops/reviews/{ref}", json=body, headers=await admin(world))
    said = answer.json()
    return answer.status_code, said.get("status") or said["error"]


async def test_a_cashiers_customer_is_told_and_sees_the_receipt_once_charged(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    number = user.numbers["USD"]
    await world.rule("insufficient", phone=user.mpesa)
    async with world.cashier(user) as client:
        made = await withdraw(world, client, user, user.mpesa)
        ref, receipt = made["request_ref"], made["receipt_code"]
        await client.event("withdraw_failed")
        row = await contested(world, user.mpesa)
        assert (row["reference"], row["amount"], row["currency"]) == (ref, 5, "USD")
        assert row["reasons"][0].startswith("paid out after its money was given back: 666.00 KES")
        await client.quiet("withdraw_completed", 0.2)
        assert await client.balance(number) == (100, 100, 0)
        assert await rule(world, ref, "approve") == (200, "completed")
        event = (await client.event("withdraw_completed"))["data"]
        assert (event["request_ref"], event["receipt_code"]) == (ref, receipt)
        assert await client.balance(number) == (94.5, 94.5, 0)
        assert (await client.ask("get_history"))["withdrawals"][0]["status"] == "completed"
        shown = await client.ask("get_transaction_by_receipt", receipt_code=receipt)
        assert [(leg["type"], leg["amount"]) for leg in shown["ledgers"]] == [
            ("DEBIT", 5),
            ("DEBIT", 0.5),
        ]
        assert shown["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]
        assert await rule(world, ref, "approve") == (409, "not under review")
    await world.check_books()


async def test_a_hash_is_charged_only_for_what_it_still_has(world: World) -> None:
    """It is told of the end it was given, and of the one an operator gave."""
    hash_, order = new_hash(), ordered(100)
    await world.rule("insufficient", phone=order["phone"], operation="b2c")
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        ref = (await payouts.ask("withdraw", **order))["conversation"]
        assert (await payouts.frame("withdraw"))["status"] == "processing"
        assert (await payouts.frame("withdraw"))["status"] == "failed"
        row = await contested(world, order["phone"])
        assert (row["reference"], row["amount"], row["currency"]) == (ref, 100, "KES")
        assert (await payouts.ask("withdraw", **ordered(1)))["status"] == "queued"
        assert (await payouts.frame("withdraw"))["status"] == "processing"
        assert (await payouts.frame("withdraw"))["status"] == "completed"
        refused = (409, "its owner's balance does not cover it")
        assert await rule(world, ref, "approve") == refused
        await payouts.quiet(0.1)
        await deposit(world, pushes, 1)
        assert await rule(world, ref, "approve") == (200, "completed")
        done = await payouts.frame("withdraw")
        assert (done["conversation"], done["status"], done["code"]) == (ref, "completed", 0)
        assert (await payouts.refused("withdraw", **ordered(1)))["code"] == "INSUFFICIENT_FUNDS"
    await world.check_books()


async def test_a_locked_account_is_not_charged_and_the_platform_may_still_bear_it(
    world: World,
) -> None:
    user = await world.user(balances={"USD": "100.00"})
    number = user.numbers["USD"]
    await world.rule("insufficient", phone=user.mpesa)
    async with world.cashier(user) as client:
        await withdraw(world, client, user, user.mpesa)
        await client.event("withdraw_failed")
        ref = (await contested(world, user.mpesa))["reference"]
        await world.post(f"/sandbox/users/{user.id}", account_locked=number)
        assert await rule(world, ref, "approve") == (409, "its owner's account is locked")
        assert await rule(world, ref, "reject") == (200, "failed")
        assert await client.balance(number) == (100, 100, 0)
        await client.quiet("withdraw_completed", 0.2)
    await world.check_books()
