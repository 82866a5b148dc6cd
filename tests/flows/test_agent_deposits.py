"""FC-18, FC-19: cash handed to an agent, over the real port."""

import trio

from tests.flows.client import World, status

AGENT = {"service": "agent", "partner_id": None, "local_currency": "USD"}


async def test_fc_18_agent_deposit(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    agent, agent_id = await world.agent("500.00")
    async with world.cashier(user) as client, world.cashier(agent) as desk:
        made = await client.ask(
            "deposit_request", amount=100, local_currency="USD", service="agent", agent_id=agent_id
        )
        ref, name = made["request_ref"], made["agent"]["name"]
        assert made == {
            "request_ref": ref,
            "amount": 100,
            "currency": "USD",
            "status": "sent_to_agent",
            "agent": {"id": agent_id, "name": name, "phone": "***1234"},
            "instructions": "Visit the agent with this reference code to complete your deposit",
        }
        done = await desk.ask(
            "transfer",
            to_user_id=user.id,
            amount=100.00,
            currency="USD",
            deposit_request_ref=ref,
            description="Deposit fulfillment",
        )
        assert done == {
            "receipt_code": done["receipt_code"],
            "journal_id": done["journal_id"],
            "amount": 100,
            "currency": "USD",
            "fee": 0,
            "to_user_id": user.id,
            "transfer_type": "agent_deposit",
            "agent_id": agent_id,
            "agent_name": name,
            "agent_commission": 2,
            "deposit_request_ref": ref,
            "deposit_completed": True,
            "created_at": done["created_at"],
            "balance_after": 402,
            "sequence": 3,
        }
        event = await client.event("deposit_completed")
        assert event["data"] == {
            "from_user_id": agent_id,
            "amount": 100,
            "currency": "USD",
            "description": f"Deposit fulfillment via agent {agent_id}",
            "receipt_code": done["receipt_code"],
            "deposit_request_ref": ref,
            "is_deposit": True,
            "agent_id": agent_id,
            "agent_name": name,
        }
        await client.quiet("transfer_received", 0.2)
        assert await client.balance(user.numbers["USD"]) == (200, 200, 0)
        assert await desk.balance(agent.numbers["USD"]) == (402, 402, 0)
        assert await status(client, ref) == "completed"
    await world.check_books()


async def test_fc_19_agent_fulfilment_refused(world: World) -> None:
    user, other = await world.user(), await world.user(balances={"USD": "500"})
    agent, agent_id = await world.agent("500.00")
    second, _ = await world.agent()
    poor, poor_id = await world.agent("50.00")
    deposit = {"amount": 100, "local_currency": "USD", "service": "agent"}
    async with (
        world.cashier(user) as client,
        world.cashier(other) as nobody,
        world.cashier(agent) as desk,
        world.cashier(second) as wrong_desk,
        world.cashier(poor) as poor_desk,
    ):
        made = await client.ask("deposit_request", **deposit, agent_id=agent_id)
        handover = {
            "to_user_id": user.id,
            "amount": 100.00,
            "currency": "USD",
            "deposit_request_ref": made["request_ref"],
        }
        mismatch = "amount does not match deposit request"
        for socket, change, text in (
            (nobody, {}, "only agents can fulfill deposits"),
            (desk, {"deposit_request_ref": "DEP-USD-20000101-999"}, "deposit request not found"),
            (wrong_desk, {}, "unauthorized"),
            (desk, {"amount": 99}, mismatch),
            (desk, {"currency": "USDT"}, mismatch),
            (desk, {"to_user_id": other.id}, mismatch),
        ):
            assert await socket.refused("transfer", **{**handover, **change}) == text
        await client.ask("cancel_deposit", request_ref=made["request_ref"])
        assert await desk.refused("transfer", **handover) == "deposit request is not pending"
        made = await client.ask("deposit_request", **deposit, agent_id=poor_id)
        handover["deposit_request_ref"] = made["request_ref"]
        assert await poor_desk.refused("transfer", **handover) == "insufficient balance"
        assert await poor_desk.balance(poor.numbers["USD"]) == (50, 50, 0)
        assert await desk.balance(agent.numbers["USD"]) == (500, 500, 0)
        # 7. Two at once: one hands over.
        made = await client.ask("deposit_request", **deposit, agent_id=agent_id)
        handover["deposit_request_ref"] = made["request_ref"]
        texts: list[str] = []

        async def hand_over() -> None:
            async with world.cashier(agent) as socket:
                texts.append((await socket.call("transfer", **handover))["data"]["message"])

        async with trio.open_nursery() as nursery:
            for _ in range(2):
                nursery.start_soon(hand_over)
        assert sorted(texts) == ["deposit fulfilled successfully", "deposit request is not pending"]
        await client.event("deposit_completed")
        assert await desk.balance(agent.numbers["USD"]) == (402, 402, 0)
    await world.check_books()


async def test_nothing_is_handed_over_into_a_locked_account(world: World) -> None:
    """CASH-C31: a deposit is handed over by a transfer, which a locked account refuses."""
    user = await world.user(balances={"USD": "100.00"})
    agent, agent_id = await world.agent("500.00")
    async with world.cashier(user) as client, world.cashier(agent) as desk:
        made = await client.ask("deposit_request", **AGENT, amount=100, agent_id=agent_id)
        handover = {
            "to_user_id": user.id,
            "amount": 100.00,
            "currency": "USD",
            "deposit_request_ref": made["request_ref"],
        }
        await world.post(f"/sandbox/users/{user.id}", account_locked=user.numbers["USD"])
        assert await desk.refused("transfer", **handover) == "account is locked"
        assert await client.balance(user.numbers["USD"]) == (100, 100, 0)
        assert await desk.balance(agent.numbers["USD"]) == (500, 500, 0)
        await client.ask("cancel_deposit", request_ref=made["request_ref"])
    await world.check_books()
