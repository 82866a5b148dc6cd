"""The simulated Daraja itself: tokens, rules, faults, limits, retries of callbacks."""

from dataclasses import replace

import httpx
import pytest
import trio

from actors.clock import Clock
from actors.rails import (
    Cause,
    PushAccepted,
    Refused,
    Unknown,
)
from providers.mpesa.client import open_mpesa
from providers.sandbox.mpesa import book, desk, gateway
from providers.sandbox.mpesa.account import Account, Vault
from tests.providers.mpesa.support import PHONE, MemoryStore, Receiver, World, simulating


@pytest.mark.expects_error_log
async def test_a_wrong_passkey_is_refused_at_once(world: World) -> None:
    object.__setattr__(world.settings, "passkey", "wrong")
    refused = await world.push()
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.needs_operator) == (Cause.CREDENTIALS, True)


async def test_a_bad_member_is_named_in_the_error_envelope(world: World) -> None:
    refused = await world.push(phone="255712345678")
    assert isinstance(refused, Refused)
    assert (refused.code, refused.message) == ("400.002.02", "Bad Request - Invalid PartyA")


async def test_rules_narrow_down_to_a_phone_and_run_out(world: World) -> None:
    await world.rule("cancelled", times=1)
    await world.rule("success", who="0712000002", operation="stk")
    for phone, path in (("254712000002", "/a"), (PHONE, "/b"), (PHONE, "/c")):
        await world.push(path, phone=phone)
        await world.receiver.wait_for(path)
    outcomes = [shown["outcome"] for shown in world.simulator.operations()]
    assert outcomes == ["success", "cancelled", "success"]


async def test_callbacks_are_retried_until_somebody_answers_2xx(world: World) -> None:
    world.receiver.statuses = [503, 500]
    await world.push()
    bodies = await world.receiver.wait_for("/cb", 3)
    assert len(set(bodies)) == 1


async def test_faults_strike_the_next_calls_and_pass(world: World) -> None:
    world.fault.set("down", times=1)
    assert isinstance(await world.push(), Unknown)
    world.fault.set("error", times=1)
    assert isinstance(await world.push(), Unknown)
    assert world.simulator.operations() == []
    assert isinstance(await world.push(), PushAccepted)


async def test_many_pushes_in_flight_are_each_called_back_once(world: World) -> None:
    await world.rule("success", delay_seconds=1.0)
    limit = trio.CapacityLimiter(50)

    async def push(number: int) -> None:
        async with limit:
            answer = await world.push(f"/cb{number}", phone=f"254700{number:06d}")
            assert isinstance(answer, PushAccepted)

    async with trio.open_nursery() as nursery:
        for number in range(200):
            nursery.start_soon(push, number)
    with trio.fail_after(20):
        while len(world.receiver.came) < 200:
            await trio.sleep(0.05)
    assert len({path for path, _ in world.receiver.came}) == 200


async def test_an_unknown_path_and_a_wrong_method_get_daraja_errors(world: World) -> None:
    async with httpx.AsyncClient(base_url=world.settings.base_url) as http:
        unknown = await http.post("/mpesa/nothing")
        wrong = await http.get("/mpesa/stkpush/v1/processrequest")
        bare = await http.post("/mpesa/stkpush/v1/processrequest")
    codes = [answer.json()["errorCode"] for answer in (unknown, wrong, bare)]
    assert codes == ["404.001.01", "405.001", "404.001.03"]


async def test_two_clients_with_one_key_log_each_other_out_and_both_go_on(world: World) -> None:
    """A new token invalidates the one before it."""
    async with open_mpesa(world.settings, Clock()) as other:
        for number in range(3):
            assert isinstance(await world.push(), PushAccepted)
            asked = await other.query_push(f"ws_CO_{number}")
            assert "Invalid CheckoutRequestID" in asked.message


async def test_an_expired_token_is_replaced_on_the_way(vault: Vault) -> None:
    account = Account(token_seconds=1)
    async with simulating(vault, MemoryStore(), Receiver(), account=account) as world:
        assert isinstance(await world.push(), PushAccepted)
        await trio.sleep(1.05)
        assert isinstance(await world.push(), PushAccepted)


@pytest.mark.expects_error_log
async def test_a_wrong_consumer_secret_is_refused_and_moves_nothing(world: World) -> None:
    settings = replace(world.settings, consumer_secret="wrong")
    async with open_mpesa(settings, Clock()) as stranger:
        refused = await stranger.pay_out(
            payment_id="AG_1",
            phone=PHONE,
            amount_kes=5,
            remarks="x",
            **world.receiver.urls("/result"),
        )
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.code) == (Cause.CREDENTIALS, "400.008.01")
    assert world.simulator.operations() == []


async def test_a_slow_fault_delays_the_answer_and_nothing_else(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gateway, "FAULT_SLOW_SECONDS", 0.2)
    world.fault.set("slow", times=1)
    began = trio.current_time()
    assert isinstance(await world.push(), PushAccepted)
    assert trio.current_time() - began >= 0.2


async def test_more_in_flight_than_daraja_bears_is_spike_arrest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desk, "MAX_IN_FLIGHT", 0)
    refused = await world.push()
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.may_retry) == (Cause.BUSY, True)


async def test_old_payments_that_are_over_are_forgotten(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(book, "KEPT_PAYMENTS", 3)
    await world.rule("no_callback", times=1)
    silent = await world.push()
    for number in range(5):
        await world.push(f"/cb{number}")
        await world.receiver.wait_for(f"/cb{number}")
        await trio.sleep(0.02)
    shown = world.simulator.operations()
    assert len(shown) == 3
    assert isinstance(silent, PushAccepted)
    assert shown[-1]["checkout"] == silent.checkout, "what is undecided is not forgotten"
