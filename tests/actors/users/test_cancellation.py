"""An asker that goes away at any moment leaves nothing half done."""

import pytest
import trio
import trio.lowlevel

from actors.reservations import TokenReservation
from domain.identity import IssuedToken, Method, Purpose, Reason, Refused, Surface
from tests.actors.users.house import living

CASHIER, WITHDRAWAL = Surface.CASHIER, Purpose.WITHDRAWAL
MOST_CHECKPOINTS = 60


class CancelAt(trio.abc.Instrument):
    """Cancels `scope` just before the `step`-th turn of the task it watches."""

    def __init__(self, step):
        self.left = step
        self.task = None
        self.scope = None

    def before_task_step(self, task):
        if task is self.task:
            self.left -= 1
            if self.left == 0:
                self.scope.cancel()


async def cancelled_at(step, work):
    """Run `work()`, cancelled at its step; whether it was."""
    instrument = CancelAt(step)
    trio.lowlevel.add_instrument(instrument)
    try:
        with trio.CancelScope() as scope:
            instrument.task, instrument.scope = trio.lowlevel.current_task(), scope
            await trio.lowlevel.cancel_shielded_checkpoint()  # the first turn it can be left at
            await work()
    finally:
        trio.lowlevel.remove_instrument(instrument)
    return scope.cancelled_caught


async def test_starting_a_verification_can_be_left_at_any_moment():
    for step in range(1, MOST_CHECKPOINTS):
        async with living() as house:
            user = (await house.add()).user_id
            left = await cancelled_at(
                step,
                lambda h=house, u=user: h.verification.start(u, Method.SMS, WITHDRAWAL, CASHIER),
            )
            sent = await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
            assert not isinstance(sent, Refused)
            issued = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
            assert isinstance(issued, IssuedToken)
            if not left:
                return
    pytest.fail("the operation has more turns than the test takes")


async def test_verifying_a_code_can_be_left_at_any_moment_and_is_done_or_not():
    outcomes = set()
    for step in range(1, MOST_CHECKPOINTS):
        async with living() as house:
            user = (await house.add()).user_id
            await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
            left = await cancelled_at(
                step,
                lambda h=house, u=user: h.verification.verify_code(
                    u, "123456", WITHDRAWAL, CASHIER
                ),
            )
            again = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
            tokens = len(house.disk.tokens)
            if isinstance(again, Refused):
                assert again.reason is Reason.NO_CODE
            assert tokens == 1
            outcomes.add(isinstance(again, Refused))
            if not left:
                assert outcomes == {True, False}
                return
    pytest.fail("the operation has more turns than the test takes")


async def test_reserving_a_token_can_be_left_at_any_moment_and_the_token_stays_good():
    for step in range(1, MOST_CHECKPOINTS):
        async with living() as house:
            user = (await house.add()).user_id
            await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
            issued = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)

            async def reserve_and_end(house=house, user=user, issued=issued):
                held = await house.verification.reserve_token(user, issued.token, WITHDRAWAL)
                with held:
                    await trio.lowlevel.checkpoint()

            left = await cancelled_at(step, reserve_and_end)
            held = await house.verification.reserve_token(user, issued.token, WITHDRAWAL)
            assert isinstance(held, TokenReservation)
            if not left:
                return
    pytest.fail("the operation has more turns than the test takes")


async def test_checking_a_password_can_be_left_at_any_moment_and_counts_at_most_once():
    for step in range(1, MOST_CHECKPOINTS):
        async with living() as house:
            hashed = await house.people.passwords.hash("TestPassword123")
            await house.add(password_hash=hashed)
            check = house.people.check_password
            left = await cancelled_at(step, lambda c=check: c("abc@example.com", "TestPassword123"))
            wrong = 0
            while (await check("abc@example.com", "wrong")).reason is Reason.WRONG_PASSWORD:
                wrong += 1
            assert wrong in ((9, 10) if left else (10,))
            if not left:
                return
    pytest.fail("the operation has more turns than the test takes")


async def test_a_reset_can_be_left_at_any_moment_and_is_whole_or_not_there():
    seen = set()
    for step in range(1, MOST_CHECKPOINTS):
        async with living() as house:
            hashed = await house.people.passwords.hash("old password")
            user = await house.add(password_hash=hashed)
            token = house.people.issue_token(user, ())
            left = await cancelled_at(
                step, lambda h=house, u=user: h.people.reset_password(u.user_id, "new password")
            )
            await house.people.verification.check_totp(user.user_id, "0")  # behind it in the queue
            works = not isinstance(
                await house.people.check_password("abc@example.com", "new password"), Refused
            )
            revoked = type(await house.people.authenticate(token)).__name__ == "Unauthorized"
            assert works is revoked
            seen.add(works)
            if not left:
                assert seen == {True, False}
                return
    pytest.fail("the operation has more turns than the test takes")
