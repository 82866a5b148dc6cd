"""Verification tokens: who may spend one, when, and only once (FC-10, CASH-C12)."""

import pytest
import trio
import trio.testing

from actors.identity_store import StoreUnavailable
from actors.reservations import TokenReservation
from domain.identity import IssuedToken, Method, Purpose, Reason, Refused, Surface
from tests.actors.users.house import Disk, House, living

CASHIER, WITHDRAWAL = Surface.CASHIER, Purpose.WITHDRAWAL


async def token_for(house: House, user: int, purpose=WITHDRAWAL) -> str:
    await house.verification.start(user, Method.SMS, purpose, CASHIER)
    issued = await house.verification.verify_code(user, "123456", purpose, CASHIER)
    assert isinstance(issued, IssuedToken)
    return issued.token


async def reserve(house: House, user: int, token: str) -> TokenReservation:
    reservation = await house.verification.reserve_token(user, token, WITHDRAWAL)
    assert isinstance(reservation, TokenReservation), reservation
    return reservation


async def is_invalid(house: House, user: int, token: str, purpose=WITHDRAWAL) -> bool:
    answer = await house.verification.reserve_token(user, token, purpose)
    if isinstance(answer, TokenReservation):
        answer.release()
    return answer == Refused(Reason.INVALID_TOKEN)


async def test_a_token_is_good_for_300_seconds():
    """FC-10.3."""
    for wait, invalid in ((299, False), (301, True)):
        async with living() as house:
            user = (await house.add()).user_id
            token = await token_for(house, user)
            house.clock.advance(wait)
            assert await is_invalid(house, user, token) is invalid


async def test_a_token_is_its_owners_and_its_purposes_only():
    """FC-10.2 and 5."""
    async with living() as house:
        user = (await house.add()).user_id
        other = (await house.add(email="v@example.com", phone=None)).user_id
        token = await token_for(house, user)
        assert await is_invalid(house, other, token)
        assert await is_invalid(house, user, token, Purpose.TRANSFER)
        assert await is_invalid(house, user, "deadbeef")
        assert await is_invalid(house, user, "ab" * 32)
        assert await is_invalid(house, user, "")
        assert not await is_invalid(house, user, token)


async def test_a_refused_request_leaves_the_token_good():
    """FC-10.8."""
    async with living() as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        with await reserve(house, user, token) as reservation:
            reservation.consumption()
            reservation.release()
        assert not await is_invalid(house, user, token)


async def test_a_request_that_ends_before_it_hands_the_token_over_leaves_it_good():
    async with living() as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        with await reserve(house, user, token):
            pass
        assert not await is_invalid(house, user, token)


async def test_a_spent_token_is_spent_for_ever():
    """FC-10.4; after a restart too."""
    disk = Disk()
    async with living(disk) as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        with await reserve(house, user, token) as reservation:
            assert house.proofs.spend(reservation.consumption())
            reservation.settle()
        assert await is_invalid(house, user, token)
        clock = house.clock
    async with living(disk, clock) as house:
        assert await is_invalid(house, user, token)


async def test_two_sockets_with_one_token_at_the_same_time_make_one_reservation():
    """FC-10.6."""
    async with living() as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        house.disk.gate = trio.Event()
        answers = []

        async def use():
            answers.append(await house.verification.reserve_token(user, token, WITHDRAWAL))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(use)
            await trio.testing.wait_all_tasks_blocked()
            house.disk.gate.set()
        won = [answer for answer in answers if isinstance(answer, TokenReservation)]
        assert len(won) == 1
        assert answers.count(Refused(Reason.INVALID_TOKEN)) == 19


async def test_a_token_survives_the_socket_and_a_restart():
    """FC-10.7."""
    disk = Disk()
    async with living(disk) as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        clock = house.clock
    async with living(disk, clock) as house:
        assert not await is_invalid(house, user, token)


async def test_a_request_cancelled_after_handing_over_holds_the_token_until_it_is_known():
    """The journal may still commit it: nobody else gets it meanwhile, then storage decides."""
    for committed in (True, False):
        async with living() as house:
            user = (await house.add()).user_id
            token = await token_for(house, user)
            with trio.CancelScope() as scope, await reserve(house, user, token) as reservation:
                consumed = reservation.consumption()
                scope.cancel()
                await trio.sleep(1)
            house.clock.advance(29)
            assert await is_invalid(house, user, token)
            if committed:
                assert house.proofs.spend(consumed)
            house.clock.advance(1)
            assert await is_invalid(house, user, token) is committed


async def test_a_request_cancelled_while_storage_is_asked_leaves_the_token_good():
    async with living() as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        house.disk.gate = trio.Event()
        with trio.move_on_after(0.01):
            await house.verification.reserve_token(user, token, WITHDRAWAL)
        house.disk.gate.set()
        assert not await is_invalid(house, user, token)


async def test_storage_away_refuses_and_leaves_the_token_good():
    async with living() as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        house.disk.down = True
        refused = await house.verification.reserve_token(user, token, WITHDRAWAL)
        assert refused == Refused(Reason.UNAVAILABLE)
        house.disk.down = False
        assert not await is_invalid(house, user, token)


async def test_the_journals_check_decides_even_if_two_requests_got_that_far():
    async with living() as house:
        user = (await house.add()).user_id
        token = await token_for(house, user)
        first = await reserve(house, user, token)
        consumed = first.consumption()
        first.__exit__(None, None, None)
        house.clock.advance(30)
        second = await reserve(house, user, token)
        assert [house.proofs.spend(consumed), house.proofs.spend(second.consumption())] == [
            True,
            False,
        ]


async def test_a_code_whose_token_could_not_be_written_gives_no_token():
    async with living() as house:
        user = (await house.add()).user_id
        await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        house.disk.down = True
        refused = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert refused == Refused(Reason.UNAVAILABLE)
        house.disk.down = False
        issued = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert isinstance(issued, IssuedToken)


async def test_a_code_whose_use_was_written_without_an_answer_is_used():
    """Connection lost during COMMIT: what is remembered is what storage says."""
    async with living() as house:
        user = (await house.add()).user_id
        await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        house.disk.unsure = True
        refused = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert refused == Refused(Reason.UNAVAILABLE)
        house.disk.unsure = False
        again = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert again.reason is Reason.NO_CODE


async def test_a_wrong_code_counts_when_its_asker_has_gone():
    async with living() as house:
        user = (await house.add()).user_id
        await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        house.disk.gate = trio.Event()
        with trio.move_on_after(0.01):
            await house.verification.verify_code(user, "0", WITHDRAWAL, CASHIER)
        house.disk.gate.set()
        next_ = await house.verification.verify_code(user, "0", WITHDRAWAL, CASHIER)
        assert next_.attempts_left == 1


async def test_reads_say_when_storage_is_away():
    async with living() as house:
        house.disk.down = True
        with pytest.raises(StoreUnavailable):
            await house.people.profile(12345)
