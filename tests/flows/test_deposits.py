"""FC-15..FC-19, FC-21: money that comes in, over the real port and the simulated M-Pesa."""

from typing import Any

import trio

from tests.flows.client import World, status, until_status
from tests.flows.test_crypto import announce, mined, pay

MPESA = {
    "amount": 1000,
    "local_currency": "KES",
    "target_currency": "USD",
    "service": "mpesa",
    "partner_id": "safaricom_mpesa",
}

AGENT = {"service": "agent", "partner_id": None, "local_currency": "USD"}


def receipt_of(reply: dict[str, Any]) -> str:
    code: str = reply["data"]["receipt_code"]
    return code


def stk_callback(checkout: str, **members: Any) -> dict[str, Any]:
    """A callback body as the provider writes it; without members it says "cancelled"."""
    callback: dict[str, Any] = {
        "MerchantRequestID": "29115-1",
        "CheckoutRequestID": checkout,
        "ResultCode": 0 if members else 1032,
        "ResultDesc": "The service request is processed successfully.",
    }
    if members:
        items = [{"Name": name, "Value": value} for name, value in members.items()]
        callback["CallbackMetadata"] = {"Item": items}
    return {"Body": {"stkCallback": callback}}


async def deliver(world: World, url: str, body: dict[str, Any]) -> None:
    """Post a callback as the provider would."""
    answer = await world.http.post(url, json=body)
    assert (answer.status_code, answer.json()) == (200, {"ResultCode": 0, "ResultDesc": "Accepted"})


async def test_fc_15_partner_deposit_happy(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    number = user.numbers["USD"]
    await world.rule("no_callback", phone=user.mpesa)
    async with world.cashier(user) as client:
        made = await client.ask("deposit_request", **MPESA)
        ref = made["request_ref"]
        assert ref.startswith("DEP-KES-")
        assert made == {
            "request_ref": ref,
            "amount_local": 1000,
            "local_currency": "KES",
            "amount_usd": 7.5,
            "exchange_rate": 133.33,
            "status": "pending_stk_push",
            "partner": {"id": "safaricom_mpesa", "name": "Safaricom M-Pesa"},
            "phone_number": user.masked,
            "instructions": "Please enter your M-Pesa PIN to complete the deposit",
        }
        assert await client.balance(number) == (100, 100, 0)
        shown = await client.ask("get_deposit_status", request_ref=ref)
        assert shown == {
            "request_ref": ref,
            "status": "pending_stk_push",
            "amount_local": 1000,
            "local_currency": "KES",
            "amount_usd": 7.5,
            "receipt_code": None,
            "completed_at": None,
        }
        push = await world.operation(user.mpesa)
        assert (push["operation"], push["amount"]) == ("stk", 1000)
        await world.callback(push["checkout"], "success")
        event = await client.event("deposit_completed")
        receipt = receipt_of(event)
        assert event["data"] == {
            "request_ref": ref,
            "amount": 7.5,
            "currency": "USD",
            "receipt_code": receipt,
            "status": "completed",
            "completed_at": event["data"]["completed_at"],
        }
        assert await client.balance(number) == (107.5, 107.5, 0)
        shown = await client.ask("get_deposit_status", request_ref=ref)
        assert (shown["status"], shown["receipt_code"]) == ("completed", receipt)
        assert shown["completed_at"] == event["data"]["completed_at"]
        details = await client.ask("get_transaction_by_receipt", receipt_code=receipt)
        assert details["journal"]["transaction_type"] == "DEPOSIT"
        assert details["journal"]["description"] == f"M-Pesa deposit from {user.masked}"
        (line,) = details["ledgers"]
        assert (line["type"], line["amount"], line["balance_after"]) == ("CREDIT", 7.5, 107.5)
        assert details["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]
        (item,) = (await client.ask("get_history", type="deposits"))["deposits"]
        assert (item["amount"], item["currency"], item["status"]) == (7.5, "USD", "completed")
    await world.check_books()


async def test_fc_16_duplicate_wrong_and_cancelled_callbacks(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    number = user.numbers["USD"]
    await world.rule("no_callback", phone=user.mpesa)
    async with world.cashier(user) as client:
        # 1. Duplicates, also at the same time.
        await client.ask("deposit_request", **MPESA)
        push = await world.operation(user.mpesa)
        paid = {
            "Amount": 1000,
            "MpesaReceiptNumber": f"T1{user.id}",
            "PhoneNumber": int(user.mpesa),
        }
        body = stk_callback(push["checkout"], **paid)
        async with trio.open_nursery() as nursery:
            for _ in range(4):
                nursery.start_soon(deliver, world, push["callback_url"], body)
        await client.event("deposit_completed")
        await deliver(world, push["callback_url"], body)
        await client.quiet("deposit_completed")
        assert await client.balance(number) == (107.5, 107.5, 0)
        # 2. Another amount: not credited, under review.
        made = await client.ask("deposit_request", **MPESA)
        push = await world.operation(user.mpesa, 2)
        wrong = {**paid, "Amount": 900, "MpesaReceiptNumber": f"T2{user.id}"}
        await deliver(world, push["callback_url"], stk_callback(push["checkout"], **wrong))
        await until_status(world, client, made["request_ref"], "under_review")
        # A receipt that was used before.
        made = await client.ask("deposit_request", **MPESA)
        push = await world.operation(user.mpesa, 3)
        await deliver(world, push["callback_url"], stk_callback(push["checkout"], **paid))
        await until_status(world, client, made["request_ref"], "under_review")
        # Another payer.
        made = await client.ask("deposit_request", **MPESA)
        push = await world.operation(user.mpesa, 4)
        other = {**paid, "PhoneNumber": 254799999999, "MpesaReceiptNumber": f"T4{user.id}"}
        await deliver(world, push["callback_url"], stk_callback(push["checkout"], **other))
        await until_status(world, client, made["request_ref"], "under_review")
        # 3. Cancelled on the handset.
        made = await client.ask("deposit_request", **MPESA)
        push = await world.operation(user.mpesa, 5)
        await world.callback(push["checkout"], "cancelled")
        event = await client.event("deposit_failed")
        assert event["data"] == {
            "request_ref": made["request_ref"],
            "amount": 7.5,
            "currency": "USD",
            "receipt_code": None,
            "status": "failed",
            "completed_at": None,
        }
        assert await client.balance(number) == (107.5, 107.5, 0)
        # 4. Unknown hash, unknown checkout.
        body = stk_callback("ws_CO_UNKNOWN", **{**paid, "MpesaReceiptNumber": f"T5{user.id}"})
        await deliver(world, "/mpesa/api/v1/mpesa/stk/callback/nobody?key=00", body)
        await client.quiet("deposit_completed", 0.2)
        assert await client.balance(number) == (107.5, 107.5, 0)
    await world.check_books()


async def test_fc_16_a_forged_callback_only_makes_us_ask(world: World) -> None:
    """contract.md, "Callbacks": hash and checkout are known, the key is not."""
    user = await world.user(balances={"USD": "100.00"})
    await world.rule("no_callback", phone=user.mpesa)
    async with world.cashier(user) as client:
        made = await client.ask("deposit_request", **MPESA)
        push = await world.operation(user.mpesa)
        address = push["callback_url"].partition("?")[0]
        members = {"Amount": 1000, "MpesaReceiptNumber": f"F{user.id}"}
        body = stk_callback(push["checkout"], **members)
        for url in (address, address + "?key=" + "0" * 40):
            await deliver(world, url, body)
        await deliver(world, address + "?key=1", stk_callback(push["checkout"]))
        await client.quiet("deposit_completed")
        assert await status(client, made["request_ref"]) == "pending_stk_push"
        await world.callback(push["checkout"], "success")
        await client.event("deposit_completed")
        assert await client.balance(user.numbers["USD"]) == (107.5, 107.5, 0)
    await world.check_books()


async def test_fc_16_what_the_provider_may_do_with_a_push(world: World) -> None:
    """CASH-C41: refused, silent, lost, failed and late."""
    for outcome, wait_s, kind, shown in (
        ("reject", 0, "deposit_failed", "failed"),
        ("wrong_pin", 0, "deposit_failed", "failed"),
        ("timeout", 121, "deposit_failed", "failed"),
        ("lost_callback", 121, "deposit_completed", "completed"),
        ("http_500", 121, "deposit_failed", "failed"),
        ("duplicate_callback", 0, "deposit_completed", "completed"),
    ):
        user = await world.user()
        await world.rule(outcome, phone=user.mpesa)
        async with world.cashier(user) as client:
            made = await client.ask("deposit_request", **MPESA)
            await world.operation(user.mpesa)
            if wait_s:
                await client.quiet(kind, 0.4)
                await world.advance(wait_s)
            event = await client.event(kind)
            assert event["data"]["status"] == shown, outcome
            assert await status(client, made["request_ref"]) == shown
            await client.quiet(kind, 0.3)
            assert len(await world.operations(user.mpesa)) == 1
    await world.check_books()


async def test_fc_16_a_slow_provider_delays_only_itself(world: World) -> None:
    """CASH-C03: the reply is there before the provider has answered."""
    user = await world.user()
    await world.rule("slow", phone=user.mpesa, delay_seconds=2)
    async with world.cashier(user) as client:
        with trio.fail_after(1):
            made = await client.ask("deposit_request", **MPESA)
            assert await status(client, made["request_ref"]) == "pending_stk_push"
        await client.event("deposit_completed")
        assert len(await world.operations(user.mpesa)) == 1
    await world.check_books()


async def test_fc_17_cancel_then_late_callback(world: World) -> None:
    user, other = await world.user(balances={"USD": "100.00"}), await world.user()
    number = user.numbers["USD"]
    await world.rule("no_callback", phone=user.mpesa)
    async with world.cashier(user) as client, world.cashier(other) as stranger:
        made = await client.ask("deposit_request", **MPESA)
        ref = {"request_ref": made["request_ref"]}
        assert await stranger.refused("cancel_deposit", **ref) == "unauthorized"
        assert await stranger.refused("get_deposit_status", **ref) == "unauthorized"
        push = await world.operation(user.mpesa)
        reply = await client.call("cancel_deposit", **ref)
        assert reply["data"] == {
            "message": "deposit cancelled",
            "data": {**ref, "status": "cancelled"},
        }
        text = await client.refused("cancel_deposit", **ref)
        assert text == "cannot cancel deposit with status: cancelled"
        await world.callback(push["checkout"], "success")
        await client.quiet("deposit_completed")
        assert await client.balance(number) == (100, 100, 0)
        assert await status(client, made["request_ref"]) == "cancelled"
        assert await client.refused("cancel_deposit", request_ref="DEP-USD-20000101-999") == (
            "deposit request not found"
        )
    await world.check_books()


async def test_fc_17_cancel_races_with_the_callback(world: World) -> None:
    """FC-17.5: exactly one of them wins, whichever."""
    user = await world.user()
    await world.rule("no_callback", phone=user.mpesa)
    async with world.cashier(user) as client:
        completed = 0
        for number in range(1, 7):
            made = await client.ask("deposit_request", **MPESA)
            push = await world.operation(user.mpesa, number)
            texts: list[str] = []

            async def cancel(ref: str, texts: list[str] = texts) -> None:
                reply = await client.call("cancel_deposit", request_ref=ref)
                texts.append(reply["data"]["message"])

            async with trio.open_nursery() as nursery:
                nursery.start_soon(world.callback, push["checkout"], "success")
                await trio.sleep(0.004 * number)
                nursery.start_soon(cancel, made["request_ref"])
            ended = await status(client, made["request_ref"])
            if ended == "completed":
                assert texts == ["cannot cancel deposit with status: completed"]
                await client.event("deposit_completed")
                completed += 1
            else:
                assert (ended, texts) == ("cancelled", ["deposit cancelled"])
        await client.quiet("deposit_completed", 0.3)
        (account,) = (await client.ask("get_accounts"))["accounts"]
        assert (await client.balance(account["account_number"]))[0] == 7.5 * completed
    await world.check_books()


async def test_fc_21_deposit_refusals(world: World) -> None:
    user, phoneless = await world.user(), await world.user(phone=None)
    async with world.cashier(user) as client, world.cashier(phoneless) as mute:
        for socket, change, text in (
            (client, {"amount": 0}, "amount must be greater than zero"),
            (client, {"amount": -5}, "amount must be greater than zero"),
            (client, {"amount": 10.005}, "amount has too many decimal places"),
            (client, {"amount": "10"}, "invalid request data"),
            (client, {"local_currency": "XXX"}, "currency not supported"),
            (client, {"local_currency": "USD"}, "currency not supported"),
            (
                client,
                {
                    "service": "agent",
                    "agent_id": "AGT-999",
                    "partner_id": None,
                    "local_currency": "USD",
                },
                "agent not found",
            ),
            (client, {"partner_id": "nope"}, "partner not found"),
            (mute, {}, "phone number not available"),
            (client, {"service": None, "partner_id": None}, "invalid request data"),
            (client, {"service": "pigeon"}, "invalid request data"),
        ):
            assert await socket.refused("deposit_request", **{**MPESA, **change}) == text
        assert (await client.ask("get_history"))["deposits"] == []
        assert await world.operations(user.mpesa) == []


async def test_cash_c58_the_value_is_of_what_came_however_little_was_announced(
    world: World,
) -> None:
    """A satoshi is worth no cent, and what comes in its place is worth what it is."""
    user = await world.user()
    async with world.cashier(user) as client:
        usual = (await announce(client, "BTC", 1))["request_ref"]
        worth = (await client.ask("get_deposit_status", request_ref=usual))["amount_usd"]
        await client.ask("cancel_deposit", request_ref=usual)
        made = await announce(client, "BTC", 0.00000001)
        await pay(world, "BTC", made["wallet_address"], "1")
        event = (await mined(world, client, "deposit_completed", "bitcoin"))["data"]
        assert (event["request_ref"], event["amount"]) == (made["request_ref"], 1)
        shown = await client.ask("get_deposit_status", request_ref=made["request_ref"])
        assert shown["amount_usd"] == worth > 0
