"""Callbacks that come twice, late, forged or mixed up (FM-05, XS-04, XS-05; X-C14, X-C15).

A callback's address carries its payment's secret, which only the provider is told. Here the
simulated provider tells it, so that the test can play a provider gone wrong.
"""

import itertools
from typing import Any
from urllib.parse import urlsplit

import pytest
import trio

from tests.flows.client import Person, World
from tests.flows.mpesa import API, B2C, STK, Line, deposit, line, new_hash, ordered

ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}
_receipts = itertools.count()


def receipt() -> str:
    """A receipt nobody has used."""
    return f"TFX{next(_receipts):07d}"


def paid(checkout: str, amount: Any, mpesa_receipt: str, phone: str) -> dict[str, Any]:
    """A callback of success."""
    items = [
        {"Name": "Amount", "Value": amount},
        {"Name": "MpesaReceiptNumber", "Value": mpesa_receipt},
        {"Name": "PhoneNumber", "Value": int(phone)},
    ]
    return {
        "Body": {
            "stkCallback": {
                "MerchantRequestID": "29115-1",
                "CheckoutRequestID": checkout,
                "ResultCode": 0,
                "ResultDesc": "The service request is processed successfully.",
                "CallbackMetadata": {"Item": items},
            }
        }
    }


def result(operation: Any, code: Any, mpesa_receipt: str, amount: Any) -> dict[str, Any]:
    """The result of a payout."""
    parameters = [
        {"Key": "TransactionAmount", "Value": amount},
        {"Key": "TransactionReceipt", "Value": mpesa_receipt},
    ]
    return {
        "Result": {
            "ResultType": 0,
            "ResultCode": code,
            "ResultDesc": "said",
            "OriginatorConversationID": operation["conversation"],
            "ConversationID": "AG_of_the_provider",
            "TransactionID": mpesa_receipt,
            "ResultParameters": {"ResultParameter": parameters},
        }
    }


async def call(world: World, url: str, body: dict[str, Any]) -> None:
    """Play the provider; whatever it says is acknowledged."""
    answer = await world.http.post(url, json=body)
    assert (answer.status_code, answer.json()) == (200, ACCEPTED)


async def open_push(
    world: World, socket: Line, amount: int = 100, phone: str = ""
) -> tuple[str, str, str]:
    """A push nobody decides: its checkout, its callback address with the key, its phone."""
    order = ordered(amount)
    if phone:
        order["phone"] = phone
    await world.rule("no_callback", phone=order["phone"])
    checkout = (await socket.ask("push", **order))["checkout"]
    return checkout, (await world.operation(order["phone"]))["callback_url"], order["phone"]


async def status(socket: Line, checkout: str) -> Any:
    return await socket.ask("status", checkout=checkout)


async def withdrawable(world: World, hash_: str) -> int:
    """Shillings an anonymous hash has, by what it can and cannot take."""
    low, high = 0, 5_000
    async with line(world, B2C + hash_) as payouts:
        while low < high:
            middle = (low + high + 1) // 2
            order = ordered(middle)
            await world.rule("reject", phone=order["phone"], operation="b2c")
            await payouts.send("withdraw", **order)
            reply = await payouts.first()
            if reply["kind"] == "error":
                high = middle - 1
                continue
            low = middle
            assert (await payouts.frame("withdraw"))["status"] == "failed"
    return low


async def test_the_same_callback_over_and_over_credits_once(world: World) -> None:
    """FM-05: also at once; every one is acknowledged."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as socket:
        checkout, url, phone = await open_push(world, socket)
        body = paid(checkout, 100.00, receipt(), phone)
        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(call, world, url, body)
        assert (await socket.frame("status"))["status"] == "completed"
        await call(world, url, body)
        await socket.quiet()
    assert await withdrawable(world, hash_) == 100
    await world.check_books()


async def test_a_receipt_pays_for_one_push_only(world: World) -> None:
    """FM-05, contract.md "Money": the other one is under review and not credited."""
    hash_ = new_hash()
    used = receipt()
    async with line(world, STK + hash_) as socket:
        for expected in ("completed", "under_review"):
            checkout, url, phone = await open_push(world, socket)
            await call(world, url, paid(checkout, 100, used, phone))
            assert (await socket.frame("status"))["status"] == expected
    assert await withdrawable(world, hash_) == 100
    await world.check_books()


@pytest.mark.parametrize("amount", [99, 101, "100.50", 1_000_000])
async def test_another_amount_than_ordered_is_never_credited(world: World, amount: Any) -> None:
    """X-C14: matched to the record; the cash waits in suspense."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as socket:
        checkout, url, phone = await open_push(world, socket)
        await call(world, url, paid(checkout, amount, receipt(), phone))
        assert (await socket.frame("status"))["status"] == "under_review"
    assert await withdrawable(world, hash_) == 0
    await world.check_books()


async def test_another_payer_than_ordered_is_never_credited(world: World) -> None:
    """X-C14: the other party."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as socket:
        checkout, url, _ = await open_push(world, socket)
        await call(world, url, paid(checkout, 100, receipt(), "254700999888"))
        assert (await socket.frame("status"))["status"] == "under_review"
    assert await withdrawable(world, hash_) == 0


async def test_a_forged_callback_moves_no_money(world: World) -> None:
    """contract.md "Callbacks": whoever knows hash and checkout, without the key it only makes
    the provider be asked."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as socket:
        checkout, url, phone = await open_push(world, socket)
        body = paid(checkout, 100, receipt(), phone)
        path = urlsplit(url).path
        for forged in (path, f"{path}?key=", f"{path}?key={'0' * 40}", f"{API}/stk/callback/x"):
            await call(world, forged, body)
        await socket.quiet()
        assert (await status(socket, checkout))["status"] == "pending"
        # The provider knows better than the forger: it is asked, and says cancelled.
        await world.callback(checkout, "cancelled")
        assert (await socket.frame("status"))["status"] == "cancelled"
        await call(world, path, body)
        await socket.quiet()
    assert await withdrawable(world, hash_) == 0


async def test_the_key_of_one_payment_opens_no_other(world: World) -> None:
    """A replay at another payment's address, or of another payment's body."""
    mine, other = new_hash(), new_hash()
    async with line(world, STK + mine) as socket, line(world, STK + other) as victim:
        checkout, url, phone = await open_push(world, socket)
        victim_checkout, victim_url, victim_phone = await open_push(world, victim)
        await call(world, url, paid(victim_checkout, 100, receipt(), victim_phone))
        await call(world, victim_url, paid(checkout, 100, receipt(), phone))
        key = urlsplit(url).query
        stolen = f"{urlsplit(victim_url).path}?{key}"
        await call(world, stolen, paid(victim_checkout, 100, receipt(), victim_phone))
        await socket.quiet()
        await victim.quiet(0)
    assert await withdrawable(world, mine) == await withdrawable(world, other) == 0


async def test_a_callback_that_overtakes_the_push_is_told_after_it(world: World) -> None:
    """MPWS-C11: waits up to 5 s; the reply still names the merchant's request."""
    order = ordered(100)
    await world.rule("slow", phone=order["phone"], delay_seconds=1)
    async with line(world, STK + new_hash()) as socket:
        await socket.send("push", **order)
        operation = await world.operation(order["phone"])
        body = paid(operation["checkout"], 100, receipt(), order["phone"])
        await call(world, operation["callback_url"], body)
        pushed, done = await socket.frame("push"), await socket.frame("status")
        assert (pushed["checkout"], pushed["status"]) == (operation["checkout"], "pending")
        assert pushed["merchant"]
        assert done["status"] == "completed"


async def test_an_unknown_hash_with_the_right_key_is_no_obstacle(world: World) -> None:
    """MPWS-C11."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as socket:
        checkout, url, phone = await open_push(world, socket)
        where = urlsplit(url)
        path = where.path.replace(hash_, "somebody-else") + "?" + where.query
        await call(world, path, paid(checkout, 100, receipt(), phone))
        assert (await socket.frame("status"))["status"] == "completed"


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"{}", b"\xff", b'{"Body":{"stkCallback":{}}}', b"[" * 30_000]
)
async def test_callbacks_that_make_no_sense_are_acknowledged_and_change_nothing(
    world: World, content: bytes
) -> None:
    """X-C14: so that the provider stops; the payment asks instead."""
    async with line(world, STK + new_hash()) as socket:
        checkout, url, _ = await open_push(world, socket)
        for address in (url, urlsplit(url).path, f"{API}/b2c/withdraw/x", f"{API}/stk/callback/x"):
            answer = await world.http.post(address, content=content)
            assert (answer.status_code, answer.json()) == (200, ACCEPTED)
        large = await world.http.post(url, content=b"x" * 65_537)
        assert large.status_code == 413
        assert (await status(socket, checkout))["status"] == "pending"
        await world.callback(checkout, "success")
        assert (await socket.frame("status"))["status"] == "completed"


async def test_of_contradicting_results_the_first_one_wins(world: World) -> None:
    """X-C15: a failure after success changes nothing; a success after failure is suspense."""
    hash_ = new_hash()
    async with line(world, STK + hash_) as socket:
        checkout, _, _ = await open_push(world, socket)
        await world.callback(checkout, "success")
        assert (await socket.frame("status"))["status"] == "completed"
        await world.callback(checkout, "cancelled")
        second, _, _ = await open_push(world, socket)
        await world.callback(second, "cancelled")
        assert (await socket.frame("status"))["status"] == "cancelled"
        await world.callback(second, "success")
        await socket.quiet()
        assert (await status(socket, checkout))["status"] == "completed"
        assert (await status(socket, second))["status"] == "cancelled"
    assert await withdrawable(world, hash_) == 100
    await world.check_books()


async def test_a_payout_result_that_does_not_fit_leaves_the_hold(world: World) -> None:
    """Wrong amount, wrong ids, another operation's result: the money stays where it is until
    there is evidence."""
    hash_ = new_hash()
    order = ordered(100)
    await world.rule("no_callback", phone=order["phone"], operation="b2c")
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        await payouts.ask("withdraw", **order)
        await payouts.frame("withdraw")
        operation = await world.operation(order["phone"])
        url = operation["callback_url"]
        bare = urlsplit(url).path
        await call(world, bare, result(operation, 1, "", 100))
        await call(world, bare, result(operation, 0, receipt(), 100))
        await call(world, url, result(operation, 0, receipt(), 5))
        stranger = {**operation, "conversation": "AG_20200101_0"}
        await call(world, url, result(stranger, 1, "", 100))
        await payouts.quiet()
        assert (await payouts.refused("withdraw", **ordered(1)))["code"] == "INSUFFICIENT_FUNDS"
        await call(world, url, result(operation, "1", "", 100))
        assert (await payouts.frame("withdraw"))["status"] == "failed"
        await call(world, url, result(operation, 0, receipt(), 100))
        await payouts.quiet()
    assert await withdrawable(world, hash_) == 100
    await world.check_books()


async def test_each_surface_sees_its_own_completion_once(world: World) -> None:
    """XS-04: a cashier deposit and two plain pushes at once, every callback twice, in any order."""
    ann = await world.user()
    mine, other = new_hash(), new_hash()
    await world.rule("no_callback", phone=ann.mpesa)
    async with (
        world.cashier(ann) as cashier,
        line(world, STK + mine) as one,
        line(world, STK + other) as two,
    ):
        made = await cashier.ask(
            "deposit_request", amount=1000, local_currency="KES", service="mpesa"
        )
        urls = [(await world.operation(ann.mpesa))["callback_url"]]
        bodies = [await _deposit_body(world, ann)]
        for socket in (one, two):
            checkout, url, phone = await open_push(world, socket)
            urls.append(url)
            bodies.append(paid(checkout, 100, receipt(), phone))
        assert len({urlsplit(url).path for url in urls}) == 3
        async with trio.open_nursery() as nursery:
            for url, body in [*zip(urls, bodies, strict=True)][::-1] * 2:
                nursery.start_soon(call, world, url, body)
        completed = await cashier.event("deposit_completed")
        assert completed["data"]["request_ref"] == made["request_ref"]
        for socket in (one, two):
            assert (await socket.frame("status"))["status"] == "completed"
            await socket.quiet(0.1)
        await cashier.quiet("deposit_completed", 0.1)
    await world.check_books()


async def _deposit_body(world: World, ann: Person) -> dict[str, Any]:
    operation = await world.operation(ann.mpesa)
    return paid(operation["checkout"], operation["amount"], receipt(), ann.mpesa)


async def test_a_receipt_of_another_surface_pays_for_nothing_here(world: World) -> None:
    """XS-05, for the surfaces that take callbacks."""
    ann = await world.user()
    await world.rule("no_callback", phone=ann.mpesa)
    async with world.cashier(ann) as cashier, line(world, STK + new_hash()) as socket:
        await cashier.ask("deposit_request", amount=100, local_currency="KES", service="mpesa")
        operation = await world.operation(ann.mpesa)
        used = receipt()
        await call(
            world, operation["callback_url"], paid(operation["checkout"], 100, used, ann.mpesa)
        )
        await cashier.event("deposit_completed")
        checkout, url, phone = await open_push(world, socket)
        await call(world, url, paid(checkout, 100, used, phone))
        assert (await socket.frame("status"))["status"] == "under_review"
