"""Deposits handed over by agents, as both sides see them."""

import json

import trio

from domain.identity import Agent
from domain.money import units_of
from tests.protocols.cashier.house import AGENT, JOHN, PEER, USER, Client, House
from tests.protocols.cashier.test_deposits import CASH, settled


async def test_an_agent_deposit_runs_as_documented(house: House) -> None:
    """FC-18, CASH-174..187, CASH-322..344, CASH-523..535, CASH-C35."""
    await house.credit(AGENT, "500")
    user, agent = await house.connect(), await house.connect(AGENT)
    made = await user.ask("deposit_request", **CASH)
    ref = made["request_ref"]
    assert made == {
        "request_ref": "DEP-USD-20240127-001",
        "amount": 100,
        "currency": "USD",
        "status": "sent_to_agent",
        "agent": {"id": "AGT-001", "name": "Agent John Doe", "phone": "***1234"},
        "instructions": "Visit the agent with this reference code to complete your deposit",
    }
    assert [f["type"] for f in agent.frames()] == ["connected"]  # CASH-C37
    user.frames()
    done = await agent.ask(
        "transfer",
        to_user_id="12345",
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
        "to_user_id": "12345",
        "transfer_type": "agent_deposit",
        "agent_id": "AGT-001",
        "agent_name": "Agent John Doe",
        "agent_commission": 2,
        "deposit_request_ref": ref,
        "deposit_completed": True,
        "created_at": "2024-01-27T13:00:00Z",
        "balance_after": 402,
        "sequence": 3,
    }
    assert [e["data"] for e in user.events()] == [
        {
            "from_user_id": "AGT-001",
            "amount": 100,
            "currency": "USD",
            "description": "Deposit fulfillment via agent AGT-001",
            "receipt_code": done["receipt_code"],
            "deposit_request_ref": ref,
            "is_deposit": True,
            "agent_id": "AGT-001",
            "agent_name": "Agent John Doe",
        }
    ]
    assert house.balance(USER) == units_of("100")
    assert (await user.ask("get_deposit_status", request_ref=ref))["status"] == "completed"
    receipt = await user.ask("get_transaction_by_receipt", receipt_code=done["receipt_code"])
    assert receipt["journal"]["transaction_type"] == "AGENT_DEPOSIT"
    house.assert_balanced()


async def second_agent(house: House) -> Client:
    await house.add(901, email="agent2@example.com", phone="+254700000002")
    await house.identity.people.save_agent(Agent("AGT-002", 901, "Agent Two", "+254700000002"))
    return await house.connect(901)


async def test_a_fulfilment_is_refused_in_the_documented_order(house: House) -> None:
    """FC-19, CASH-C34."""
    await house.credit(AGENT, "50")
    user, agent, peer = [await house.connect(i) for i in (USER, AGENT, PEER)]
    ref = (await user.ask("deposit_request", **CASH))["request_ref"]
    good = {"to_user_id": "12345", "amount": 100, "currency": "USD", "deposit_request_ref": ref}
    other = await second_agent(house)
    journals = len(house.books.journals)
    for client, change, text in (
        (peer, {}, "only agents can fulfill deposits"),
        (peer, {"deposit_request_ref": "DEP-X"}, "only agents can fulfill deposits"),
        (agent, {"deposit_request_ref": "DEP-USD-20000101-999"}, "deposit request not found"),
        (other, {}, "unauthorized"),
        (other, {"amount": 99}, "unauthorized"),
        (agent, {"amount": 99}, "amount does not match deposit request"),
        (agent, {"currency": "USDT"}, "amount does not match deposit request"),
        (agent, {"to_user_id": "67890"}, "amount does not match deposit request"),
        (agent, {}, "insufficient balance"),
        (agent, {"amount": 0}, "amount must be greater than zero"),
        (agent, {"to_user_id": "1"}, "recipient not found"),
    ):
        assert await client.refused("transfer", **{**good, **change}) == text
    assert len(house.books.journals) == journals
    await user.ask("cancel_deposit", request_ref=ref)
    text = await agent.refused("transfer", **{**good, "amount": 99})
    assert text == "deposit request is not pending"


async def test_two_racing_fulfilments_hand_over_once(house: House) -> None:
    """FC-19.7."""
    await house.credit(AGENT, "500")
    user = await house.connect()
    ref = (await user.ask("deposit_request", **CASH))["request_ref"]
    frame = json.dumps(
        {
            "type": "transfer",
            "data": {
                "to_user_id": "12345",
                "amount": 100,
                "currency": "USD",
                "deposit_request_ref": ref,
            },
        }
    )
    agents = [await house.connect(AGENT) for _ in range(2)]
    texts: list[str] = []

    async def send(client: Client) -> None:
        texts.append((await client.send(frame))["data"]["message"])

    async with trio.open_nursery() as nursery:
        for agent in agents:
            nursery.start_soon(send, agent)
    assert sorted(texts) == ["deposit fulfilled successfully", "deposit request is not pending"]
    assert house.balance(USER) == units_of("100")


async def test_a_token_sent_with_a_fulfilment_is_checked_and_spent(house: House) -> None:
    """CASH-C30, CASH-C34: after the deposit's own rules, before the agent's balance."""
    await house.credit(AGENT, "500")
    user, agent = await house.connect(), await house.connect(AGENT)
    ref = (await user.ask("deposit_request", **CASH))["request_ref"]
    request = {
        "to_user_id": "12345",
        "amount": 100,
        "currency": "USD",
        "deposit_request_ref": ref,
        "verification_token": await house.token(AGENT, "withdrawal"),
    }
    invalid = "invalid or expired verification token"
    assert await agent.refused("transfer", **request) == invalid
    text = await agent.refused("transfer", **{**request, "amount": 99})
    assert text == "amount does not match deposit request"
    request["verification_token"] = token = await house.token(AGENT, "transfer")
    await agent.ask("transfer", **request)
    sent = {"to_user_id": "12345", "amount": 1, "currency": "USD", "verification_token": token}
    assert await agent.refused("transfer", **sent) == invalid


async def test_where_transfers_need_a_token_fulfilments_do_too(house: House) -> None:
    house.with_settings(transfer_requires_verification=True)
    await house.credit(AGENT, "500")
    user, agent = await house.connect(), await house.connect(AGENT)
    ref = (await user.ask("deposit_request", **CASH))["request_ref"]
    request = {"to_user_id": "12345", "amount": 100, "currency": "USD", "deposit_request_ref": ref}
    assert await agent.refused("transfer", **request) == "verification token is required"


async def test_an_agent_is_told_of_a_deposit_only_where_configured(house: House) -> None:
    """CASH-C37."""
    user, agent = await house.connect(), await house.connect(AGENT)
    agent.frames()
    await user.ask("deposit_request", **CASH)
    assert not agent.events()
    house.with_settings(notify_agents=True)
    user = await house.connect()
    made = await user.ask("deposit_request", **CASH)
    (event,) = agent.events()
    assert event["type"] == "deposit_request_received"
    assert event["data"] == {
        "request_ref": made["request_ref"],
        "from_user_id": "12345",
        "amount": 100,
        "currency": "USD",
    }
    await house.credit(AGENT, "500")
    request = {"to_user_id": "12345", "amount": 100, "currency": "USD"}
    await agent.ask("transfer", **request, deposit_request_ref=made["request_ref"])
    house.assert_balanced()


async def test_a_repeated_fulfilment_answers_alike(house: House) -> None:
    await house.credit(AGENT, "500")
    user, agent = await house.connect(), await house.connect(AGENT)
    ref = (await user.ask("deposit_request", **CASH))["request_ref"]
    request = {
        "to_user_id": "12345",
        "amount": 100,
        "currency": "USD",
        "deposit_request_ref": ref,
        "idempotency_key": "f1",
    }
    first = await agent.ask("transfer", **request)
    assert await agent.ask("transfer", **request) == first


async def test_an_agent_that_is_none_is_not_found(house: House) -> None:
    """CASH-C33."""
    user = await house.connect()
    text = await user.refused("deposit_request", **{**CASH, "agent_id": "AGT-999"})
    assert text == "agent not found"
    await house.identity.people.save_agent(
        Agent("AGT-001", AGENT, JOHN.name, JOHN.phone, active=False)
    )
    assert await user.refused("deposit_request", **CASH) == "agent not found"
    agent = await house.connect(AGENT)
    text = await agent.refused(
        "transfer", to_user_id="12345", amount=1, currency="USD", deposit_request_ref="DEP-X"
    )
    assert text == "only agents can fulfill deposits"


async def test_an_agent_deposit_nobody_fulfils_expires(house: House) -> None:
    """CASH-C41."""
    user = await house.connect()
    ref = (await user.ask("deposit_request", **CASH))["request_ref"]
    await settled()
    house.clock.advance(86_400)
    await settled()
    user = await house.connect()
    assert (await user.ask("get_deposit_status", request_ref=ref))["status"] == "expired"
