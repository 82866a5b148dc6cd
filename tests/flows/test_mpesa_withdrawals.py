"""Withdrawals over real sockets and HTTP (flow FM-06), and whose hash is whose (MPWS-C03)."""

import re

from tests.flows.client import Person, World
from tests.flows.mpesa import (
    API,
    B2C,
    OK_TEXT,
    STK,
    deposit,
    handshake,
    line,
    new_hash,
    new_phone,
    ordered,
)

CONVERSATION = re.compile(r"AG_\d{8}_[0-9a-f]{20}")


async def test_what_a_hash_was_paid_it_can_withdraw(world: World) -> None:
    """FM-06: queued, processing, completed; one account for both sockets of a hash."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 800)
        order = ordered(500)
        queued = await payouts.ask("withdraw", **order)
        conversation = queued["conversation"]
        assert CONVERSATION.fullmatch(conversation)
        assert queued.pop("message")
        assert queued == {
            "conversation": conversation,
            "phone": order["phone"],
            "amount": 500,
            "description": order["description"],
            "status": "queued",
            "code": 0,
            "receipt": None,
            "balance_after": 800,
            "sequence": 1,
        }
        processing = await payouts.frame("withdraw")
        assert (processing["status"], processing["code"]) == ("processing", 0)
        done = await payouts.frame("withdraw")
        operation = await world.operation(order["phone"])
        assert done == {
            "conversation": conversation,
            "phone": order["phone"],
            "amount": 500,
            "description": order["description"],
            "status": "completed",
            "code": 0,
            "message": OK_TEXT,
            "receipt": operation["receipt"],
        }
        assert operation["conversation"] == conversation
        refused = await payouts.refused("withdraw", **ordered(301))
        assert (refused["request"], refused["code"]) == ("withdraw", "INSUFFICIENT_FUNDS")
        assert (await payouts.ask("withdraw", **ordered(300)))["balance_after"] == 300
        await pushes.quiet(0.1)
    await world.check_books()


async def test_a_failed_withdrawal_gives_the_hold_back(world: World) -> None:
    """FM-06.5."""
    hash_ = new_hash()
    order = ordered(100)
    await world.rule("insufficient", phone=order["phone"], operation="b2c")
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        await payouts.ask("withdraw", **order)
        assert (await payouts.frame("withdraw"))["status"] == "processing"
        assert (await payouts.refused("withdraw", **ordered(1)))["code"] == "INSUFFICIENT_FUNDS"
        failed = await payouts.frame("withdraw")
        assert (failed["status"], failed["code"], failed["receipt"]) == ("failed", 1, None)
        assert failed["message"]
        assert (await payouts.ask("withdraw", **ordered(100)))["status"] == "queued"
    await world.check_books()


async def test_a_refused_call_fails_the_withdrawal_without_processing(world: World) -> None:
    """The API call is refused with an error envelope."""
    hash_, order = new_hash(), ordered(100)
    await world.rule("reject", phone=order["phone"], operation="b2c")
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        await payouts.ask("withdraw", **order)
        failed = await payouts.frame("withdraw")
        assert (failed["status"], failed["code"]) == ("failed", 400)


async def test_a_queue_timeout_keeps_the_hold_until_it_is_known(world: World) -> None:
    """FM-06.7, MPWS-C06: a notice of the provider's is told by its body."""
    hash_, order = new_hash(), ordered(100)
    await world.rule("no_callback", phone=order["phone"], operation="b2c")
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        conversation = (await payouts.ask("withdraw", **order))["conversation"]
        assert (await payouts.frame("withdraw"))["status"] == "processing"
        await world.callback(conversation, "timeout")
        await payouts.quiet()
        assert (await payouts.refused("withdraw", **ordered(1)))["code"] == "INSUFFICIENT_FUNDS"
        await world.callback(conversation, "success")
        done = await payouts.frame("withdraw")
        assert (done["status"], done["conversation"]) == ("completed", conversation)
    await world.check_books()


async def test_a_withdrawal_whose_callback_is_lost_is_found_by_asking(world: World) -> None:
    """B2C by its originator id, after 120 s."""
    hash_, order = new_hash(), ordered(100)
    await world.rule("lost_callback", phone=order["phone"], operation="b2c")
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        await payouts.ask("withdraw", **order)
        assert (await payouts.frame("withdraw"))["status"] == "processing"
        await payouts.quiet()
        await world.advance(121)
        done = await payouts.frame("withdraw")
        assert done["status"] == "completed"
        assert done["receipt"] == (await world.operation(order["phone"]))["receipt"]


async def test_a_withdrawal_is_queued_over_http_as_by_the_socket(world: World) -> None:
    """FM-06.8, MPWS-C06, X-C29."""
    hash_, order = new_hash(), ordered(60)
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        headers = {"Idempotency-Key": "w"}
        path = f"{API}/b2c/queue/{hash_}"
        answers = [await world.http.post(path, json=order, headers=headers) for _ in range(2)]
        assert [a.status_code for a in answers] == [200, 200]
        assert answers[1].headers["idempotent-replayed"] == "true"
        body = answers[0].json()
        assert body == answers[1].json()
        conversation = body["data"]["conversation"]
        assert body == {
            "success": True,
            "data": {"conversation": conversation, "status": "queued"},
        }
        assert CONVERSATION.fullmatch(conversation)
        assert (await payouts.frame("withdraw"))["status"] == "processing"
        done = await payouts.frame("withdraw")
        assert (done["conversation"], done["status"]) == (conversation, "completed")
        poor = await world.http.post(path, json=order)
        assert poor.status_code == 400
        assert poor.json()["error"]["code"] == "INSUFFICIENT_FUNDS"


async def test_a_hash_used_with_a_token_is_its_owners_for_ever(world: World) -> None:
    """MPWS-C03, contract.md: another user's handshake gets 403, an anonymous one 401."""
    ann, ben = await world.user(), await world.user()
    hash_ = new_hash()
    async with line(world, STK + hash_) as anonymous, line(world, STK + hash_, ann):
        assert await anonymous.closed() == 4401
    for path in (STK + hash_, B2C + hash_):
        for who, status in ((ben, 403), (None, 401)):
            answer = await handshake(world, path, who)
            assert (answer.status_code, answer.json()["error"]["code"]) == (status, "UNAUTHORIZED")
    order = ordered(hash=hash_)
    for who, status in ((ben, 403), (None, 401)):
        headers = {"Authorization": f"Bearer {who.token}"} if who is not None else {}
        answer = await world.http.post(f"{API}/stk/push", json=order, headers=headers)
        assert answer.status_code == status
        answer = await world.http.post(f"{API}/b2c/queue/{hash_}", json=order, headers=headers)
        assert answer.status_code == status
    async with line(world, f"{B2C}{hash_}?token={ann.token}") as mine:
        assert (await mine.refused("withdraw", **order))["code"] == "INSUFFICIENT_FUNDS"


async def test_pushes_credit_the_owner_of_the_hash_or_of_the_phone(world: World) -> None:
    """MPWS-C07: the bound user, else whoever has proved the phone, else the hash."""
    ann, ben = await world.user(), await world.user()
    hash_, other = new_hash(), new_hash()
    async with line(world, STK + hash_, ann) as socket:
        await deposit(world, socket, 300)
    async with line(world, STK + other) as socket:
        await socket.ask("push", phone=ben.mpesa, amount=70)
        assert (await socket.frame("status"))["status"] == "completed"
    async with line(world, B2C + hash_, ann) as socket:
        assert (await socket.ask("withdraw", **ordered(300)))["balance_after"] == 300
    async with line(world, B2C + other) as socket:
        assert (await socket.refused("withdraw", **ordered(1)))["code"] == "INSUFFICIENT_FUNDS"
    async with line(world, B2C + new_hash(), ben) as socket:
        assert (await socket.ask("withdraw", **ordered(70)))["balance_after"] == 70
    async with world.cashier(ann) as cashier:
        shown = await cashier.ask("get_accounts")
        assert {account["currency"] for account in shown["accounts"]} == {"USD"}
    await world.check_books()


async def test_a_user_withdraws_what_the_kes_account_holds(world: World) -> None:
    """MPWS-C03: the JWT's account is debited, whatever the hash."""
    ann = await world.user(balances={"KES": "1000"})
    headers = {"Authorization": f"Bearer {ann.token}"}
    path = f"{API}/b2c/queue/{new_hash()}"
    answer = await world.http.post(path, json=ordered(1000), headers=headers)
    assert answer.status_code == 200
    again = await world.http.post(path, json=ordered(1), headers=headers)
    assert again.json()["error"]["code"] == "INSUFFICIENT_FUNDS"


async def test_a_token_that_is_no_good_is_never_taken_for_nobody(world: World) -> None:
    """FM-09, X-C04."""
    bad = Person("1", "not.a.token", None, None, None, {})
    for path in (STK, B2C):
        assert (await handshake(world, path + new_hash(), bad)).status_code == 401
        assert (await handshake(world, f"{path}{new_hash()}?token=")).status_code == 401
    headers = {"Authorization": "Basic YTpi"}
    answer = await world.http.post(f"{API}/stk/push", json=ordered(), headers=headers)
    assert answer.status_code == 401


async def test_a_socket_ends_with_its_token(world: World) -> None:
    """X-C26: close code 4401."""
    ann = await world.user()
    async with line(world, B2C + new_hash(), ann) as socket:
        await world.post(f"/sandbox/users/{ann.id}", deleted=True)
        assert await socket.closed() == 4401


async def test_a_locked_account_pays_nothing_out(world: World) -> None:
    """An operator's lock stops withdrawals and takes deposits."""
    ann = await world.user(balances={"KES": "50"})
    await world.post(f"/sandbox/users/{ann.id}", account_locked=ann.numbers["KES"])
    hash_ = new_hash()
    async with line(world, B2C + hash_, ann) as payouts, line(world, STK + hash_, ann) as pushes:
        assert (await payouts.refused("withdraw", **ordered(1)))["code"] == "UNAUTHORIZED"
        await deposit(world, pushes, 10)


async def test_two_withdrawals_race_for_the_same_money(world: World) -> None:
    """Exactly one gets it, by socket and by HTTP."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as pushes:
        await deposit(world, pushes, 100)
    async with line(world, B2C + hash_) as one, line(world, B2C + hash_) as two:
        for socket in (one, two):
            await socket.send("withdraw", phone=new_phone(), amount=100)
        first = [(await socket.first())["kind"] for socket in (one, two)]
        assert sorted(first) == ["error", "withdraw"]
    await world.check_books()
