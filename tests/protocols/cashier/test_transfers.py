"""Transfers from person to person as both sides see them."""

import json
from typing import Any

import pytest
import trio

from domain.ledger import wallet
from domain.money import units_of
from tests.protocols.cashier.books import START_US
from tests.protocols.cashier.house import PEER, USER, Client, House

NOW = START_US // 1_000_000
GOOD = {"to_user_id": "67890", "amount": 25.00, "currency": "USD"}


async def test_a_transfer_is_answered_and_announced_as_documented(house: House) -> None:
    """FC-22.1, FC-22.2, CASH-302..321, CASH-345..353; on every socket of the recipient."""
    await house.credit(USER, "100")
    user, *peers = [await house.connect(i) for i in (USER, PEER, PEER)]
    for peer in peers:
        peer.frames()
    reply = await user.ask("transfer", **GOOD, description="Payment for services")
    receipt = reply["receipt_code"]
    assert reply == {
        "receipt_code": receipt,
        "journal_id": 2,
        "amount": 25,
        "currency": "USD",
        "fee": 0,
        "to_user_id": "67890",
        "transfer_type": "p2p",
        "created_at": "2024-01-27T13:00:00Z",
        "balance_after": 75,
        "sequence": 2,
    }
    for peer in peers:
        assert peer.frames() == [
            {
                "type": "transfer_received",
                "data": {
                    "from_user_id": "12345",
                    "amount": 25,
                    "currency": "USD",
                    "description": "Payment for services",
                    "receipt_code": receipt,
                    "transfer_type": "p2p",
                },
                "timestamp": NOW,
            }
        ]
    assert [f["type"] for f in user.frames()] == ["connected"]
    assert house.balance(PEER) == units_of("25")
    house.assert_balanced()


async def test_the_credit_opens_the_recipient_s_account(house: House) -> None:
    """CASH-C16, CASH-C31."""
    await house.credit(USER, "0.05", "BTC")
    user = await house.connect()
    sent = await user.ask("transfer", to_user_id="67890", amount=0.00000001, currency="BTC")
    assert sent["balance_after"] == 0.04999999
    assert house.balance(PEER, "BTC") == 1


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"amount": 0}, "amount must be greater than zero"),
        ({"amount": -5}, "amount must be greater than zero"),
        ({"amount": "25"}, "invalid request data"),
        ({"amount": None}, "invalid request data"),
        ({"amount": 1e16}, "invalid request data"),
        ({"currency": "XXX"}, "currency not supported"),
        ({"currency": "KES"}, "currency not supported"),
        ({"currency": "usd"}, "currency not supported"),
        ({"amount": 25.001}, "amount has too many decimal places"),
        ({"to_user_id": "1"}, "recipient not found"),
        ({"to_user_id": ""}, "recipient not found"),
        ({"to_user_id": "067890"}, "recipient not found"),
        ({"to_user_id": "67890 "}, "recipient not found"),
        ({"to_user_id": "AGT-001"}, "recipient not found"),
        ({"to_user_id": "9" * 30}, "recipient not found"),
        ({"to_user_id": 67890}, "invalid request data"),
        ({"to_user_id": "12345"}, "cannot transfer to yourself"),
        ({"verification_token": "deadbeef"}, "invalid or expired verification token"),
        ({"currency": "TRX"}, "account not found"),
        ({"amount": 100.01}, "insufficient balance"),
        # Precedence (contract.md): each breaks its own and every later rule.
        ({"amount": 0, "currency": "XXX", "to_user_id": "1"}, "amount must be greater than zero"),
        ({"currency": "XXX", "to_user_id": "1"}, "currency not supported"),
        ({"to_user_id": "1", "verification_token": "x"}, "recipient not found"),
        ({"to_user_id": "12345", "amount": 1000}, "cannot transfer to yourself"),
        (
            {"verification_token": "x", "currency": "TRX"},
            "invalid or expired verification token",
        ),
        ({"currency": "TRX", "amount": 1000}, "account not found"),
    ],
)
async def test_a_refused_transfer_says_why_and_moves_nothing(
    house: House, request_: dict[str, Any], text: str
) -> None:
    """FC-22.4, CASH-303..306, CASH-C32."""
    await house.credit(USER, "100")
    user = await house.connect()
    journals = len(house.books.journals)
    assert await user.refused("transfer", **{**GOOD, **request_}) == text
    assert len(house.books.journals) == journals


async def test_a_deleted_recipient_is_not_found(house: House) -> None:
    await house.credit(USER, "100")
    user = await house.connect()
    await house.identity.people.set_deleted(PEER, True)
    assert await user.refused("transfer", **GOOD) == "recipient not found"


@pytest.mark.parametrize("locked", [USER, PEER])
async def test_a_locked_account_on_either_side_refuses(house: House, locked: int) -> None:
    """CASH-C31."""
    await house.credit(USER, "100")
    await house.credit(PEER, "1")
    house.books.accounts[wallet(locked, "USD")].is_locked = True
    user = await house.connect()
    assert await user.refused("transfer", **GOOD) == "account is locked"


async def test_a_hundred_at_once_take_what_is_there_and_no_more(house: House) -> None:
    """FC-22.5, CORE-009."""
    await house.credit(USER, "60")
    clients = [await house.connect() for _ in range(100)]
    frame = json.dumps({"type": "transfer", "data": {**GOOD, "amount": 1}})
    texts: list[str] = []

    async def send(client: Client) -> None:
        texts.append((await client.send(frame))["data"]["message"])

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(send, client)
    assert sorted(texts) == ["insufficient balance"] * 40 + ["transfer completed"] * 60
    assert (house.balance(USER), house.balance(PEER)) == (0, units_of("60"))
    house.assert_balanced()


async def test_opposite_transfers_do_not_wait_for_each_other(house: House) -> None:
    """FC-22.6."""
    for user_id in (USER, PEER):
        await house.credit(user_id, "1000")

    async def send(sender: int, recipient: int) -> None:
        client = await house.connect(sender)
        for _ in range(100):
            await client.session.text(
                json.dumps(
                    {"type": "transfer", "data": {**GOOD, "to_user_id": str(recipient)}}
                ).encode()
            )

    with trio.fail_after(20):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(send, USER, PEER)
            nursery.start_soon(send, PEER, USER)
    assert house.balance(USER) + house.balance(PEER) == units_of("2000")
    house.assert_balanced()


async def test_a_repeated_transfer_moves_money_once(house: House) -> None:
    """X-C29: same key, same answer, balance and sequence included."""
    await house.credit(USER, "100")
    user = await house.connect()
    first = await user.ask("transfer", **GOOD, idempotency_key="rent-1")
    assert await user.ask("transfer", **GOOD, idempotency_key="rent-1") == first
    assert house.balance(PEER) == units_of("25")


async def test_a_transfer_whose_asker_goes_away_is_found_by_its_key(house: House) -> None:
    """architecture.md, "Actors": what was accepted is committed, once, whoever repeats it."""
    await house.credit(USER, "100")
    user = await house.connect()
    house.books.gate = trio.Event()
    frame = json.dumps({"type": "transfer", "data": {**GOOD, "idempotency_key": "k"}}).encode()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(user.session.text, frame)
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert user.connection.sent == user.connection.sent[:1]  # connected, and no reply
    again = await house.connect()
    replies: list[Any] = []

    async def repeat() -> None:
        replies.append(await again.send(frame))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(repeat)
        await trio.testing.wait_all_tasks_blocked()
        house.books.gate.set()
    assert replies[0]["data"]["message"] == "request in progress"
    done = await again.ask("transfer", **GOOD, idempotency_key="k")
    assert (done["balance_after"], house.balance(PEER)) == (75, units_of("25"))
    house.assert_balanced()


async def test_a_transfer_may_carry_a_token_and_spends_it(house: House) -> None:
    """CASH-C30: not required, but if sent it must be good and is consumed."""
    await house.credit(USER, "100")
    token = await house.token(USER, "transfer")
    user = await house.connect()
    sent = {**GOOD, "verification_token": token}
    # Refused for its amount: the token stays good (CASH-C12).
    assert await user.refused("transfer", **{**sent, "amount": 1000}) == "insufficient balance"
    assert await user.ask("transfer", **sent)
    assert await user.refused("transfer", **sent) == "invalid or expired verification token"
    assert house.balance(PEER) == units_of("25")


@pytest.mark.parametrize(("owner", "purpose"), [(PEER, "transfer"), (USER, "withdrawal")])
async def test_a_token_of_another_person_or_purpose_is_none(
    house: House, owner: int, purpose: str
) -> None:
    """FC-10.5."""
    await house.credit(USER, "100")
    token = await house.token(owner, purpose)
    user = await house.connect()
    text = await user.refused("transfer", **GOOD, verification_token=token)
    assert text == "invalid or expired verification token"


async def test_two_sockets_with_one_token_send_once(house: House) -> None:
    """FC-10.6."""
    await house.credit(USER, "100")
    token = await house.token(USER, "transfer")
    clients = [await house.connect() for _ in range(2)]
    frame = json.dumps({"type": "transfer", "data": {**GOOD, "verification_token": token}})
    texts: list[str] = []

    async def send(client: Client) -> None:
        texts.append((await client.send(frame))["data"]["message"])

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(send, client)
    assert sorted(texts) == ["invalid or expired verification token", "transfer completed"]


async def test_a_token_can_be_made_mandatory(house: House) -> None:
    """CASH-C30, Alt."""
    await house.credit(USER, "100")
    house.with_settings(transfer_requires_verification=True)
    user = await house.connect()
    for empty in ({}, {"verification_token": ""}, {"verification_token": None}):
        text = await user.refused("transfer", **GOOD, **empty)
        assert text == "verification token is required"
    token = await house.token(USER, "transfer")
    assert await user.ask("transfer", **GOOD, verification_token=token)


async def test_a_refused_request_burns_its_token_only_where_configured(house: House) -> None:
    """CASH-C12, its other choice."""
    user = await house.connect()
    too_much = {"to_user_id": "67890", "amount": 5, "currency": "USD"}
    too_much["verification_token"] = await house.token(USER, "transfer")
    for _ in range(2):
        assert await user.refused("transfer", **too_much) == "insufficient balance"
    house.with_settings(burn_tokens=True)
    user = await house.connect()
    assert await user.refused("transfer", **too_much) == "insufficient balance"
    text = await user.refused("transfer", **too_much)
    assert text == "invalid or expired verification token"


async def test_a_missed_event_is_replayed_from_the_offset_seen(house: House) -> None:
    """X-C28 with its override: whole, in order, then live."""
    await house.credit(USER, "100")
    user = await house.connect()
    peer = await house.connect(PEER, resume_from=0)
    assert [(f["type"], f.get("offset")) for f in peer.frames()] == [("connected", 0)]
    await user.ask("transfer", **GOOD)
    (seen,) = peer.frames()
    peer.session.closed()
    for _ in range(3):
        await user.ask("transfer", **{**GOOD, "amount": 1})
    back = await house.connect(PEER, resume_from=seen["offset"])
    connected, *missed = back.frames()
    assert connected["offset"] == missed[-1]["offset"]
    assert [m["data"]["amount"] for m in missed] == [1, 1, 1]
    await user.ask("transfer", **{**GOOD, "amount": 2})
    (live,) = back.frames()
    assert live["data"]["amount"] == 2
    assert live["offset"] > missed[-1]["offset"]


async def test_an_event_that_comes_during_a_replay_is_told_once(house: House) -> None:
    await house.credit(USER, "100")
    user = await house.connect()
    for _ in range(5):
        await user.ask("transfer", **{**GOOD, "amount": 1})
    since = house.books.since

    async def slow(feed: str, offset: int, limit: int) -> Any:
        page = await since(feed, offset, limit)
        if offset == 0:
            await user.ask("transfer", **{**GOOD, "amount": 2})
        return page

    house.books.since = slow  # type: ignore[method-assign]
    peer = await house.connect(PEER, resume_from=0)
    assert [e["data"]["amount"] for e in peer.events()[1:]] == [1, 1, 1, 1, 1, 2]


@pytest.mark.parametrize("offset", [-1, 0, 999])
async def test_an_offset_that_is_not_kept_means_reload(house: House, offset: int) -> None:
    await house.credit(USER, "100")
    user = await house.connect()
    await user.ask("transfer", **GOOD)
    house.books.forgotten_offset = 1
    peer = await house.connect(PEER, resume_from=offset)
    frames = peer.frames()
    assert [f["type"] for f in frames] == ["connected", "reload_required"]
    assert frames[1]["offset"] == 1
    await user.ask("transfer", **GOOD)
    assert [f["type"] for f in peer.frames()] == ["transfer_received"]


async def test_a_client_that_does_not_resume_sees_no_offsets(house: House) -> None:
    await house.credit(USER, "100")
    user, peer = await house.connect(), await house.connect(PEER)
    await user.ask("transfer", **GOOD)
    assert all("offset" not in frame for frame in peer.frames())
