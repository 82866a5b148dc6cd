"""Payments made unasked: validation, confirmation, and the pull that finds lost ones."""

import time

import httpx
import pytest

from actors.rails import IncomingPayment, Registered
from providers.mpesa import callbacks, wire
from tests.providers.mpesa.support import PHONE, World

US = 1_000_000


async def pay(world: World, amount: int = 10) -> None:
    """A customer pays our paybill by himself."""
    auth = (world.simulator._account.consumer_key, world.simulator._account.consumer_secret)
    body = {
        "ShortCode": world.settings.collect_shortcode,
        "CommandID": "CustomerPayBillOnline",
        "Amount": amount,
        "Msisdn": PHONE,
        "BillRefNumber": "invoice008",
    }
    async with httpx.AsyncClient(base_url=world.settings.base_url, auth=auth) as http:
        query = {"grant_type": "client_credentials"}
        token = (await http.get(wire.OAUTH_PATH, params=query)).json()["access_token"]
        bearer = {"authorization": f"Bearer {token}"}
        answer = await http.post(wire.C2B_SIMULATE_PATH, json=body, headers=bearer, auth=None)
    assert answer.json()["ResponseCode"] == "0"


async def register(world: World, *, accept_when_silent: bool = True) -> None:
    registered = await world.mpesa.register_incoming(
        confirmation_url=world.receiver.base + "/confirm",
        validation_url=world.receiver.base + "/validate",
        accept_when_silent=accept_when_silent,
    )
    assert isinstance(registered, Registered)


async def test_an_unasked_payment_is_validated_and_confirmed(world: World) -> None:
    await register(world)
    await pay(world)
    (confirmation,) = await world.receiver.wait_for("/confirm")
    assert world.receiver.at("/validate") == [confirmation]
    payment = callbacks.read_incoming(confirmation)
    assert isinstance(payment, IncomingPayment)
    assert (payment.amount_units, payment.reference) == (10 * 10**8, "invoice008")
    assert payment.shortcode == world.settings.collect_shortcode
    assert payment.receipt == world.simulator.operations(phone=PHONE)[0]["receipt"]


@pytest.mark.parametrize(
    ("reply", "silent_is_yes", "state"),
    [
        (callbacks.answer_validation(None), False, "paid"),
        (callbacks.answer_validation("C2B00012"), True, "failed"),
        (b"what?", False, "failed"),
        (b"what?", True, "paid"),
    ],
)
async def test_a_validation_decides_or_the_registered_default_does(
    world: World, reply: bytes, silent_is_yes: bool, state: str
) -> None:
    await register(world, accept_when_silent=silent_is_yes)
    world.receiver.reply = reply
    await pay(world)
    await world.receiver.wait_for("/validate")
    if state == "paid":
        await world.receiver.wait_for("/confirm")
    (shown,) = await world.until_over()
    assert shown["state"] == state
    assert (shown["receipt"] is not None) is (state == "paid")


async def test_a_pull_lists_what_was_paid_oldest_first_and_by_offset(world: World) -> None:
    now_us = int(time.time()) * US
    window = {"from_us": now_us - 60 * US, "to_us": now_us + 60 * US}
    assert await world.mpesa.list_incoming(**window) == ()
    for amount in (100, 200):
        await world.push(amount=amount)
    await world.receiver.wait_for("/cb", 2)
    await world.pay_out("AG_1")
    await world.receiver.wait_for("/result")
    pulled = await world.mpesa.list_incoming(**window)
    assert isinstance(pulled, tuple)
    assert sorted(row.amount_units for row in pulled) == [100 * 10**8, 200 * 10**8]
    receipts = {shown["receipt"] for shown in world.simulator.operations() if shown["checkout"]}
    assert {row.receipt for row in pulled} == receipts
    assert await world.mpesa.list_incoming(**window, offset=1) == pulled[1:]
    past = {"from_us": now_us - 120 * US, "to_us": now_us - 60 * US}
    assert await world.mpesa.list_incoming(**past) == ()
