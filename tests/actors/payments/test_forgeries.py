"""Callbacks nobody should believe: they move nothing, and may make us ask."""

from actors.rails import Paid, PushResult
from domain.payments import State
from tests.actors.payments.house import House
from tests.actors.payments.provider import REFUSED
from tests.actors.payments.test_deposits import begun, dealt_with, paid, verdicts


async def test_a_forged_callback_moves_nothing_and_cannot_make_us_flood_the_provider(
    house: House,
) -> None:
    """contract.md, "Callbacks"."""
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    kind, hash_, _key = operation.url.split(":")
    for key in ("", "0" * 40, "x"):
        for outcome in (paid(operation), REFUSED):
            result = house.provider.result(operation, outcome)
            assert await house.provider.deliver(f"{kind}:{hash_}:{key}", result)
    await dealt_with(house)
    assert set(await verdicts(house)) == {"not trusted; asked the provider"}
    assert (await house.now(made)).state is State.PENDING
    assert await house.usd(user_id) == ("100.00", "0.00")
    assert len(house.provider.questions) == 1
    house.clock.advance(6)
    result = house.provider.result(operation, REFUSED)
    await house.provider.deliver(f"{kind}:{hash_}:", result)
    await dealt_with(house)
    assert len(house.provider.questions) == 2


async def test_a_forged_callback_about_a_paid_push_makes_us_find_that_out(house: House) -> None:
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    house.provider.end(operation, Paid(), calls_back=0)
    kind, hash_, _key = operation.url.split(":")
    await house.provider.deliver(f"{kind}:{hash_}:", house.provider.result(operation, REFUSED))
    await house.until(made, State.COMPLETED)
    await house.settled()
    assert await house.usd(user_id) == ("107.50", "0.00")


async def test_a_callback_about_another_push_at_this_payments_address_proves_nothing(
    house: House,
) -> None:
    made, user_id, operation = await begun(house)
    await house.until(made, State.PENDING)
    wrong = PushResult(checkout="ws_CO_OTHER", merchant="m", outcome=paid(operation))
    await house.provider.deliver(operation.url, wrong)
    await dealt_with(house)
    assert await verdicts(house) == ["another payment's"]
    assert (await house.now(made)).state is State.PENDING
    assert await house.usd(user_id) == ("100.00", "0.00")


async def test_a_body_nobody_can_read_is_kept_and_makes_us_ask(house: House) -> None:
    made, _, operation = await begun(house)
    await house.until(made, State.PENDING)
    kind, hash_, key = operation.url.split(":")
    assert house.provider.take is not None
    from actors.callbacks import Source

    await house.provider.take(Source(kind), hash_, key, "127.0.0.1", b"{garbage")
    await dealt_with(house)
    assert await verdicts(house) == ["malformed: not a body of ours"]
    assert house.provider.questions == [operation.checkout]
    rows = await house.pool.fetch("SELECT body FROM callbacks")
    assert bytes(rows[0][0]) == b"{garbage"
