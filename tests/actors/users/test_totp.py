"""Authenticator codes of one identity, on whichever surface (XS-02, FC-09.1, FA-01)."""

import pyotp
import trio
import trio.testing

from domain.identity import IssuedToken, Profile, Purpose, Reason, Refused
from domain.identity.proofs import Accepted
from tests.actors.users.house import Disk, living

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
WITHDRAWAL = Purpose.WITHDRAWAL


def code(house, secret=SECRET):
    return pyotp.TOTP(secret).at(house.clock.now_us() // 1_000_000)


async def test_a_code_works_once_across_surfaces():
    """XS-02.4: used at the cashier, refused at a login; and the other way round."""
    async with living() as house:
        user = (await house.add(totp_secret=SECRET)).user_id
        issued = await house.verification.verify_totp(user, code(house), WITHDRAWAL)
        assert isinstance(issued, IssuedToken)
        login = await house.verification.check_totp(user, code(house))
        assert login.reason is Reason.WRONG_CODE
        house.clock.advance(30)
        assert await house.verification.check_totp(user, code(house)) == Accepted()
        cashier = await house.verification.verify_totp(user, code(house), WITHDRAWAL)
        assert cashier.reason is Reason.WRONG_CODE


async def test_a_used_code_is_used_after_a_restart():
    disk = Disk()
    async with living(disk) as house:
        user = (await house.add(totp_secret=SECRET)).user_id
        assert isinstance(
            await house.verification.verify_totp(user, code(house), WITHDRAWAL), IssuedToken
        )
        clock = house.clock
    async with living(disk, clock) as house:
        again = await house.verification.verify_totp(user, code(house), WITHDRAWAL)
        assert again.reason is Reason.WRONG_CODE


async def test_one_code_from_many_sockets_at_once_earns_one_token():
    async with living() as house:
        user = (await house.add(totp_secret=SECRET)).user_id
        answers = []

        async def use():
            answers.append(await house.verification.verify_totp(user, code(house), WITHDRAWAL))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(use)
        assert sum(isinstance(answer, IssuedToken) for answer in answers) == 1


async def test_after_ten_wrong_codes_in_fifteen_minutes_none_is_looked_at():
    """CASH-C09."""
    async with living() as house:
        user = (await house.add(totp_secret=SECRET)).user_id
        for _ in range(10):
            wrong = await house.verification.verify_totp(user, "000000", WITHDRAWAL)
            assert wrong.reason is Reason.WRONG_CODE
        right = await house.verification.verify_totp(user, code(house), WITHDRAWAL)
        assert right.reason is Reason.TOO_MANY_REQUESTS
        assert right.retry_at_us == house.clock.now_us() + 900_000_000
        house.clock.advance(900)
        right = await house.verification.verify_totp(user, code(house), WITHDRAWAL)
        assert isinstance(right, IssuedToken)


async def test_who_has_no_totp_is_told_so():
    """CASH-546."""
    async with living() as house:
        user = (await house.add()).user_id
        for answer in (
            await house.verification.verify_totp(user, "123456", WITHDRAWAL),
            await house.verification.check_totp(user, "123456"),
        ):
            assert answer == Refused(Reason.TOTP_NOT_ENABLED)
        nobody = await house.verification.verify_totp(999, "123456", WITHDRAWAL)
        assert nobody == Refused(Reason.UNKNOWN_USER)


async def test_enrolment_counts_from_the_first_right_code():
    """FA-01 3 to 6."""
    async with living() as house:
        user = (await house.add()).user_id
        secret = await house.people.enrol_totp(user)
        assert not (await house.people.profile(user)).totp_enabled
        wrong = await house.people.confirm_totp(user, "000000")
        assert wrong.reason is Reason.WRONG_CODE
        enabled = await house.people.confirm_totp(user, code(house, secret))
        assert isinstance(enabled, Profile)
        assert enabled.totp_enabled
        replay = await house.verification.check_totp(user, code(house, secret))
        assert replay.reason is Reason.WRONG_CODE
        again = await house.people.enrol_totp(user)
        assert again.reason is Reason.TOTP_ALREADY_ENABLED


async def test_enrolling_again_replaces_a_pending_secret():
    """AMKT-C07."""
    async with living() as house:
        user = (await house.add()).user_id
        first = await house.people.enrol_totp(user)
        second = await house.people.enrol_totp(user)
        assert first != second
        assert (
            await house.people.confirm_totp(user, code(house, first))
        ).reason is Reason.WRONG_CODE
        assert isinstance(await house.people.confirm_totp(user, code(house, second)), Profile)


async def test_five_wrong_codes_drop_a_pending_secret():
    """AMKT-C44."""
    async with living() as house:
        user = (await house.add()).user_id
        assert (await house.people.confirm_totp(user, "1")).reason is Reason.TOTP_NOT_STARTED
        secret = await house.people.enrol_totp(user)
        for _ in range(5):
            assert (await house.people.confirm_totp(user, "1")).reason is Reason.WRONG_CODE
        late = await house.people.confirm_totp(user, code(house, secret))
        assert late.reason is Reason.TOTP_NOT_STARTED
