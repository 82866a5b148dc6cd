"""FC-07, FC-08, FC-11..FC-13: money that goes out, over the real port and the simulated M-Pesa."""

from typing import Any

import pytest
import trio

from tests.flows.client import Person, Socket, World

MPESA = {
    "amount": 5.00,
    "local_currency": "KES",
    "service": "mpesa",
    "destination": "254712345678",
    "consent": True,
}


async def withdraw(
    world: World, client: Socket, user: Person, phone: str, **change: Any
) -> dict[str, Any]:
    """A withdrawal to that phone, with a token got just before."""
    token = await client.token(world, user)
    request = {**MPESA, "destination": phone, **change, "verification_token": token}
    made: dict[str, Any] = await client.ask("withdraw_request", **request)
    return made


async def test_fc_07_withdrawal_to_mpesa_with_totp(world: World) -> None:
    user = await world.user(totp=True, balances={"USD": "100.00"})
    number, phone = user.numbers["USD"], "254712340007"
    await world.rule("no_callback", phone=phone)
    async with world.cashier(user) as client:
        asked = await client.ask("verification_request", method="totp", purpose="withdrawal")
        assert asked["next_step"] == "verify_totp"
        code = user.totp(await world.now())
        verified = await client.ask("verify_totp", code=code, purpose="withdrawal")
        token = verified.pop("verification_token")
        assert verified == {
            "purpose": "withdrawal",
            "method": "totp",
            "expires_in": 300,
            "message": "Use this token for your next withdrawal request",
        }
        made = await client.ask(
            "withdraw_request", **{**MPESA, "destination": phone}, verification_token=token
        )
        ref, receipt = made["request_ref"], made["receipt_code"]
        assert ref.startswith("WTH-KES-")
        assert receipt.startswith("RCP-")
        assert made == {
            "request_ref": ref,
            "receipt_code": receipt,
            "amount_usd": 5,
            "amount_local": 666.65,
            "local_currency": "KES",
            "exchange_rate": 133.33,
            "fee": 0.5,
            "destination": "254712***007",
            "partner": {"id": "safaricom_mpesa", "name": "Safaricom M-Pesa"},
            "status": "processing",
            "estimated_completion": made["estimated_completion"],
            "balance_after": 100,
            "sequence": 1,
        }
        assert await client.balance(number) == (100, 94.5, 5.5)
        shown = await client.ask("get_transaction_by_receipt", receipt_code=receipt)
        assert (shown["ledgers"], shown["fees"]) == ([], [])  # CASH-C46
        payout = await world.operation(phone)
        assert (payout["operation"], payout["amount"]) == ("b2c", 666)
        await world.callback(payout["conversation"], "success")
        event = await client.event("withdraw_completed")
        assert event["data"] == {
            "request_ref": ref,
            "amount": 5,
            "currency": "USD",
            "receipt_code": receipt,
            "status": "completed",
            "completed_at": event["data"]["completed_at"],
        }
        assert await client.balance(number) == (94.5, 94.5, 0)
        history = await client.ask("get_history", type="withdrawals", limit=20, offset=0)
        assert history["deposits"] == []
        assert history["withdrawals"][0]["status"] == "completed"
        shown = await client.ask("get_transaction_by_receipt", receipt_code=receipt)
        assert shown["journal"]["transaction_type"] == "WITHDRAWAL"
        assert [(e["type"], e["amount"]) for e in shown["ledgers"]] == [
            ("DEBIT", 5),
            ("DEBIT", 0.5),
        ]
        assert shown["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]
    await world.check_books()


async def test_fc_08_withdrawal_with_otp(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    async with world.cashier(user) as client:
        asked = await client.ask("verification_request", method="otp_sms", purpose="withdrawal")
        assert asked["expires_in"] == 180
        code = await world.code(user.phone)
        verified = await client.ask("verify_otp", code=code, purpose="withdrawal")
        assert verified["method"] == "otp_sms"
        token = verified["verification_token"]
        made = await client.ask("withdraw_request", **MPESA, verification_token=token)
        done = await client.event("withdraw_completed")
        assert done["data"]["request_ref"] == made["request_ref"]
        assert await client.refused("verify_otp", code=code, purpose="withdrawal") == (
            "invalid OTP code"
        )
        assert await client.balance(user.numbers["USD"]) == (94.5, 94.5, 0)
    await world.check_books()


async def test_fc_11_withdrawal_refusals_nothing_moves(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    async with world.cashier(user) as client:
        token = await client.token(world, user)
        for change, text in (
            ({"amount": 0}, "amount must be greater than zero"),
            ({"amount": -1}, "amount must be greater than zero"),
            ({"amount": 5.001}, "amount has too many decimal places"),
            ({"consent": False}, "consent is required"),
            ({"consent": None}, "consent is required"),
            ({"local_currency": "XXX"}, "currency not supported"),
            ({"local_currency": "usd"}, "currency not supported"),
            ({"amount": 99.60}, "insufficient balance"),
            ({"destination": "12"}, "invalid destination"),
            ({"partner_id": "nope"}, "partner not found"),
            ({"agent_id": "AGT-999", "service": "agent"}, "currency not supported"),
            (
                {"agent_id": "AGT-999", "service": "agent", "local_currency": "USD"},
                "agent not found",
            ),
        ):
            request = {**MPESA, **change, "verification_token": token}
            assert await client.refused("withdraw_request", **request) == text, change
            assert await client.balance(user.numbers["USD"]) == (100, 100, 0)
        assert (await client.ask("get_history"))["withdrawals"] == []
        # None of these has used the token up (CASH-C12).
        assert await client.ask("withdraw_request", **MPESA, verification_token=token)
        await client.event("withdraw_completed")
    await world.check_books()


async def test_fc_12_withdrawal_fails_at_the_provider(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    number, phone = user.numbers["USD"], "254712340012"
    await world.rule("no_callback", phone=phone)
    async with world.cashier(user) as client:
        made = await withdraw(world, client, user, phone)
        payout = await world.operation(phone)
        assert await client.balance(number) == (100, 94.5, 5.5)
        await world.callback(payout["conversation"], "wrong_pin")
        event = await client.event("withdraw_failed")
        assert event["data"] == {
            "request_ref": made["request_ref"],
            "amount": 5,
            "currency": "USD",
            "receipt_code": made["receipt_code"],
            "status": "failed",
            "completed_at": None,
        }
        assert await client.balance(number) == (100, 100, 0)
        (item,) = (await client.ask("get_history"))["withdrawals"]
        assert item["status"] == "failed"
        await world.callback(payout["conversation"], "wrong_pin")
        await world.check_books()
        # FC-12.7: a success after the failure goes to suspense (X-C15).
        await world.callback(payout["conversation"], "success")
        await client.quiet("withdraw_completed")
        assert await client.balance(number) == (100, 100, 0)
        assert (await client.ask("get_history"))["withdrawals"][0]["status"] == "failed"
    await world.check_books()


@pytest.mark.parametrize(
    ("outcome", "status"),
    [("reject", "failed"), ("insufficient", "failed"), ("duplicate_callback", "completed")],
)
async def test_fc_12_other_answers_of_the_provider(world: World, outcome: str, status: str) -> None:
    user = await world.user(balances={"USD": "100.00"})
    phone = user.mpesa
    await world.rule(outcome, phone=phone)
    async with world.cashier(user) as client:
        await withdraw(world, client, user, phone)
        event = await client.event(
            "withdraw_completed" if status == "completed" else "withdraw_failed"
        )
        assert event["data"]["status"] == status
        left = 94.5 if status == "completed" else 100
        assert await client.balance(user.numbers["USD"]) == (left, left, 0)
        await trio.sleep(0.4)
        assert [e for e in client.events if e["type"].startswith("withdraw_")] == []
    await world.check_books()


async def test_fc_12_a_silent_provider_is_asked_and_never_taken_for_a_failure(
    world: World,
) -> None:
    """`timeout` and `lost_callback`: the hold stays until a status request finds out."""
    for outcome, kind, left in (
        ("timeout", "withdraw_failed", 100),
        ("lost_callback", "withdraw_completed", 94.5),
    ):
        user = await world.user(balances={"USD": "100.00"})
        await world.rule(outcome, phone=user.mpesa)
        async with world.cashier(user) as client:
            await withdraw(world, client, user, user.mpesa)
            await world.operation(user.mpesa)
            await client.quiet(kind)
            assert await client.balance(user.numbers["USD"]) == (100, 94.5, 5.5)
            await world.advance(121)
            await client.event(kind)
            assert await client.balance(user.numbers["USD"]) == (left, left, 0)
    await world.check_books()


async def test_fc_12_a_payout_whose_call_failed_is_sent_again_and_paid_once(world: World) -> None:
    """`http_500` says nothing; the same originator id goes out again (architecture.md)."""
    user = await world.user(balances={"USD": "100.00"})
    await world.rule("http_500", phone=user.mpesa, times=3)
    async with world.cashier(user) as client:
        await withdraw(world, client, user, user.mpesa)
        await world.operation(user.mpesa, 3)

        async def moved() -> list[Any]:
            await world.advance(5)
            return await world.operations(user.mpesa)

        await world.until(moved, lambda o: any(one["receipt"] for one in o))
        await client.event("withdraw_completed")
        assert await client.balance(user.numbers["USD"]) == (94.5, 94.5, 0)
        paid = [one for one in await world.operations(user.mpesa) if one["state"] == "paid"]
        assert len(paid) == 1
    await world.check_books()


async def test_fc_13_agent_withdrawal(world: World) -> None:
    user = await world.user(balances={"USD": "200.00"})
    agent, agent_id = await world.agent("500.00")
    other, _ = await world.agent()
    number = user.numbers["USD"]
    request = {
        "amount": 50.00,
        "local_currency": "USD",
        "agent_id": agent_id,
        "destination": "agent_cash",
        "consent": True,
    }
    async with (
        world.cashier(user) as client,
        world.cashier(agent) as desk,
        world.cashier(other) as stranger,
    ):
        token = await client.token(world, user)
        made = await client.ask("withdraw_request", **request, verification_token=token)
        ref = made["request_ref"]
        name = made["agent"]["name"]
        assert made == {
            "request_ref": ref,
            "receipt_code": made["receipt_code"],
            "amount": 50,
            "currency": "USD",
            "fee": 1,
            "agent": {"id": agent_id, "name": name, "phone": "***1234"},
            "status": "pending_agent",
            "instructions": f"Visit {name} with reference {ref} to collect your cash",
            "balance_after": 200,
            "sequence": 1,
        }
        assert await client.balance(number) == (200, 149, 51)
        fulfil = {"request_ref": ref}
        assert await stranger.refused("fulfill_withdrawal", **fulfil) == "unauthorized"
        assert await client.refused("fulfill_withdrawal", **fulfil) == (
            "only agents can fulfill withdrawals"
        )
        done = await desk.ask("fulfill_withdrawal", **fulfil)
        assert (done["status"], done["amount"], done["agent_commission"]) == ("completed", 50, 1)
        event = await client.event("withdraw_completed")
        assert event["data"]["amount"] == 50
        assert await client.balance(number) == (149, 149, 0)
        assert await desk.balance(agent.numbers["USD"]) == (551, 551, 0)
        assert await desk.refused("fulfill_withdrawal", **fulfil) == (
            "withdrawal request is not pending"
        )
        token = await client.token(world, user)
        text = await client.refused(
            "withdraw_request", **{**request, "agent_id": "AGT-999"}, verification_token=token
        )
        assert text == "agent not found"
        await client.ask("withdraw_request", **request, verification_token=token)
    await world.advance(86_401)
    fresh = (await world.post("/sandbox/token", user=user.id))["token"]
    async with world.cashier(fresh) as client:

        async def statuses() -> list[str]:
            found = (await client.ask("get_history", type="withdrawals"))["withdrawals"]
            return [item["status"] for item in found]

        await world.until(statuses, lambda s: s == ["expired", "completed"])
        assert await client.balance(number) == (149, 149, 0)
    await world.check_books()
