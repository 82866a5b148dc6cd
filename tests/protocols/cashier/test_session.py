"""The socket itself: greeting, order, malformed traffic, limits, keys, resuming."""

import json

import pytest
import trio

from actors.journal import Unwritable
from domain.ledger import wallet
from tests.protocols.cashier.books import START_US
from tests.protocols.cashier.house import PEER, USER, House

NOW = START_US // 1_000_000


async def test_the_first_frame_is_connected_and_nothing_else(house: House) -> None:
    """FC-01, CASH-005..010."""
    user = await house.connect()
    assert user.frames() == [
        {"type": "connected", "data": {"user_id": "12345", "timestamp": NOW}, "timestamp": NOW}
    ]


async def test_the_first_connection_opens_a_usd_account(house: House) -> None:
    """CASH-C16."""
    user = await house.connect()
    await house.connect()
    accounts = await user.ask("get_accounts")
    assert [(a["currency"], a["account_type"]) for a in accounts["accounts"]] == [("USD", "REAL")]


async def test_malformed_traffic_gets_an_error_and_leaves_the_socket_alive(house: House) -> None:
    """FC-03, CASH-012, CASH-013, CASH-018."""
    user = await house.connect()
    for frame in ("{", '{"data":{}}', "[]", "", '"x"'):
        assert (await user.send(frame)) == {
            "type": "error",
            "data": {"message": "invalid message format"},
            "timestamp": NOW,
        }
    nope = await user.send('{"type":"nope","data":{}}')
    assert nope["data"] == {"message": "unknown message type: nope"}
    assert (await user.send('{"type":"get_accounts"}'))["type"] == "success"
    assert await user.refused("get_account_balance", account_number=5) == "invalid request data"
    assert (await user.ask("get_accounts"))["count"] == 1


async def test_a_binary_frame_is_refused_and_leaves_the_socket_alive(house: House) -> None:
    """CASH-C64."""
    user = await house.connect()
    user.frames()
    await user.session.binary(b'{"type":"get_accounts"}')
    assert [f["data"]["message"] for f in user.frames()] == ["invalid message format"]
    assert (await user.ask("get_accounts"))["count"] == 1


async def test_a_request_id_comes_back_on_replies_and_refusals(house: House) -> None:
    """CASH-C03."""
    user = await house.connect()
    reply = await user.send('{"type":"get_accounts","request_id":"a-1"}')
    assert reply["request_id"] == "a-1"
    reply = await user.send('{"type":"nope","request_id":7}')
    assert reply["request_id"] == 7
    assert "request_id" not in await user.send('{"type":"get_accounts"}')


async def test_more_than_a_bucketful_of_messages_is_refused(house: House) -> None:
    """X-C20: 60 at once; the 61st is refused, the socket lives."""
    house.with_settings(messages_per_second=60)
    user = await house.connect()
    replies = [await user.send('{"type":"nope"}') for _ in range(70)]
    texts = [r["data"]["message"] for r in replies]
    assert texts[:60] == ["unknown message type: nope"] * 60
    assert texts[-1] == "too many requests"


@pytest.mark.expects_error_log
async def test_an_internal_error_is_one_reply_and_the_socket_lives(house: House) -> None:
    user = await house.connect()

    async def broken(owner_id: int) -> list[object]:
        raise ZeroDivisionError

    house.books.owned_by = broken  # type: ignore[method-assign,assignment]
    assert await user.refused("get_accounts") == "internal server error"
    del house.books.owned_by  # type: ignore[method-assign]
    assert (await user.ask("get_accounts"))["count"] == 1


async def test_storage_away_is_said_clearly_and_no_money_moves(house: House) -> None:
    await house.credit(USER, "100")
    user = await house.connect()
    house.books.away = True
    text = await user.refused(
        "convert_and_transfer",
        from_currency="USD",
        to_currency="BTC",
        amount=50,
        idempotency_key="k",
    )
    assert text == "service temporarily unavailable"
    assert await user.refused("get_accounts") == "service temporarily unavailable"
    house.books.away = False
    # The refusal was not remembered: the same key works now.
    done = await user.ask(
        "convert_and_transfer",
        from_currency="USD",
        to_currency="BTC",
        amount=50,
        idempotency_key="k",
    )
    assert done["balance_after"] == 50.0


async def test_a_key_is_carried_out_once_and_answered_alike(house: House) -> None:
    """X-C29."""
    await house.credit(USER, "100")
    user = await house.connect()
    request = {"from_currency": "USD", "to_currency": "BTC", "amount": 50, "idempotency_key": "k1"}
    first = await user.ask("convert_and_transfer", **request)
    again = await (await house.connect()).ask("convert_and_transfer", **request)
    assert again == first
    assert house.balance(USER) == 50_00000000
    other = await user.refused("convert_and_transfer", **{**request, "amount": 49})
    assert other == "idempotency key already used for a different request"
    house.assert_balanced()


async def test_a_refusal_is_remembered_under_its_key(house: House) -> None:
    """contract.md, "Cashier"."""
    user = await house.connect()
    request = {"from_currency": "USD", "to_currency": "BTC", "amount": 50, "idempotency_key": "k1"}
    assert await user.refused("convert_and_transfer", **request) == "insufficient balance"
    await house.credit(USER, "100")
    assert await user.refused("convert_and_transfer", **request) == "insufficient balance"
    assert await user.ask("convert_and_transfer", **{**request, "idempotency_key": "k2"})


async def test_a_key_in_flight_is_not_carried_out_twice(house: House) -> None:
    """X-C29: two sockets, one key, at once."""
    await house.credit(USER, "100")
    one, two = await house.connect(), await house.connect()
    frame = json.dumps(
        {
            "type": "convert_and_transfer",
            "data": {
                "from_currency": "USD",
                "to_currency": "BTC",
                "amount": 50,
                "idempotency_key": "k",
            },
        }
    )
    replies = []

    async def send(client: object) -> None:
        replies.append(await client.send(frame))  # type: ignore[attr-defined]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, one)
        nursery.start_soon(send, two)
    assert sorted(r["type"] for r in replies) == ["error", "success"]
    assert [r["data"]["message"] for r in replies if r["type"] == "error"] == [
        "request in progress"
    ]
    assert house.balance(USER) == 50_00000000


async def test_the_same_key_of_another_person_is_another_key(house: House) -> None:
    for user_id in (USER, PEER):
        await house.credit(user_id, "100")
        client = await house.connect(user_id)
        done = await client.ask(
            "convert_and_transfer",
            from_currency="USD",
            to_currency="BTC",
            amount=50,
            idempotency_key="k",
        )
        assert done["balance_after"] == 50.0


async def test_a_token_that_expires_closes_its_sockets_with_4401(house: House) -> None:
    """FC-28, X-C26."""
    user = await house.connect()
    async with trio.open_nursery() as nursery:
        await nursery.start(house.cashier.sessions.run)
        house.clock.advance(86_399)
        await trio.testing.wait_all_tasks_blocked()
        assert user.connection.close_code is None
        house.clock.advance(1)
        await trio.testing.wait_all_tasks_blocked()
        assert user.connection.close_code == 4401
        nursery.cancel_scope.cancel()


async def test_no_request_is_carried_out_after_the_token_has_expired(house: House) -> None:
    user = await house.connect()
    user.frames()
    house.clock.advance(86_400)
    await user.session.text(b'{"type":"get_accounts"}')
    assert user.connection.close_code == 4401
    assert user.frames() == []


async def test_a_raised_token_version_closes_older_sockets_only(house: House) -> None:
    """X-C26: revoked."""
    user, peer = await house.connect(), await house.connect(PEER)
    await house.identity.people.revoke_tokens(USER)
    assert user.connection.close_code == 4401
    assert peer.connection.close_code is None


async def test_a_closed_socket_is_forgotten(house: House) -> None:
    clients = [await house.connect() for _ in range(3)]
    for client in clients:
        client.session.closed()
    assert len(house.cashier.sessions) == 0
    await house.credit(USER, "1")
    assert not house.cashier.feeds._listeners


async def test_the_wallet_of_a_person_is_opened_only_once(house: House) -> None:
    for _ in range(3):
        await house.connect()
    assert list(house.books.accounts) == [wallet(USER, "USD")]


async def test_a_transfer_between_people_in_memory_needs_no_task_of_its_own(house: House) -> None:
    """It is answered like any other: CASH-C03, X-C20."""
    house.with_settings(messages_per_second=3)
    await house.credit(USER, "100")
    peer, user = await house.connect(PEER), await house.connect()
    frame = '{"type":"transfer","data":{"to_user_id":"67890","amount":1,"currency":"USD"}%s}'
    began = user.connection.began
    prompt = await user.send(frame % ',"request_id":7')
    assert user.connection.began == began + 1
    await user.session.text((frame % "").encode())
    other = json.loads(user.connection.sent.pop())
    assert prompt.pop("request_id") == 7
    for reply in (prompt, other):
        for numbered in ("receipt_code", "journal_id", "balance_after", "sequence"):
            del reply["data"]["data"][numbered]
    assert prompt == other
    assert [f["type"] for f in peer.events()] == ["connected", *["transfer_received"] * 2]
    assert (await user.send(frame % ""))["type"] == "success"
    assert (await user.send(frame % ""))["data"]["message"] == "too many requests"
    assert user.connection.began == began + 2


async def test_what_a_prompt_transfer_must_wait_for_is_left_to_the_task(house: House) -> None:
    await house.credit(USER, "100")
    user = await house.connect()
    began = user.connection.began
    order = {"to_user_id": "67890", "amount": 1, "currency": "USD"}
    for more in ({"idempotency_key": "k"}, {"to_user_id": "1"}, {"amount": 1000}, {"amount": "1"}):
        await user.send(json.dumps({"type": "transfer", "data": order | more}))
    house.with_settings(transfer_requires_verification=True)
    strict = await house.connect()
    assert await strict.refused("transfer", **order) == "verification token is required"
    assert user.connection.began == began
    assert strict.connection.began == 0


async def test_a_transfer_to_somebody_not_in_memory_waits_for_them_without_a_task(
    house: House,
) -> None:
    await house.credit(USER, "100")
    await house.connect(PEER)
    user = await house.connect()
    order = {"to_user_id": str(PEER), "amount": 1, "currency": "USD"}
    await user.ask("transfer", **order)
    assert user.connection.parked == 0
    began = user.connection.began
    resident = house.cashier.ledger.accounts.resident
    del resident[wallet(PEER, "USD")]
    done = await user.ask("transfer", **order)
    assert done["to_user_id"] == str(PEER)
    assert user.connection.parked == 1
    assert user.connection.began == began + 1
    resident.clear()
    await user.ask("transfer", **order)  # the payer's account is gone too
    assert user.connection.parked == 2
    assert user.connection.began == began + 2


async def test_what_cannot_be_found_is_asked_for_once_more_and_then_refused(house: House) -> None:
    await house.credit(USER, "100")
    user = await house.connect()
    began = user.connection.began
    order = {"to_user_id": "77777", "amount": 1, "currency": "USD"}
    assert await user.refused("transfer", **order) == "recipient not found"
    assert user.connection.parked == 1
    assert user.connection.began == began


@pytest.mark.expects_error_log
async def test_a_prompt_transfer_whose_journal_fails_is_one_reply(house: House) -> None:
    await house.credit(USER, "100")
    await house.connect(PEER)
    user = await house.connect()
    order = {"to_user_id": "67890", "amount": 1, "currency": "USD"}

    await user.ask("transfer", **order)
    began = user.connection.began
    house.books.fault = Unwritable("no")
    assert await user.refused("transfer", **order) == "internal server error"
    house.books.fault = None
    assert (await user.ask("transfer", **order))["balance_after"] == 98
    assert user.connection.began == began + 2
