"""Codes from request to token (FC-06, FC-08, FC-09, FW-03, FW-04)."""

import trio
import trio.testing

from actors.messenger import Again, Unknown
from actors.messenger import Refused as NotSent
from actors.user_messages import TotpStep
from actors.verification import TOLD_WITHIN_S, CodeSent
from domain.identity import Channel, IssuedToken, Method, Purpose, RandomCodes, Reason, Surface
from domain.identity.proofs import Accepted
from tests.actors.users.house import Disk, living

CASHIER, WALLET, NEXUSPAY = Surface.CASHIER, Surface.WALLET, Surface.NEXUSPAY
WITHDRAWAL, FUNDING = Purpose.WITHDRAWAL, Purpose.WALLET_FUNDING


def counting_codes():
    numbers = iter(range(1, 1_000_000))
    return RandomCodes(lambda size: next(numbers).to_bytes(size))


async def test_automatic_verification_prefers_totp_then_sms_then_email():
    """FC-06, CASH-051..054."""
    async with living() as house:
        start = house.verification.start
        totp = await house.add(totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP")
        both = await house.add(email="b@example.com", phone="+254712345891")
        mail = await house.add(email="abcd@example.com", phone=None)
        nobody = await house.add(email=None, phone=None)
        assert await start(totp.user_id, Method.AUTO, WITHDRAWAL, CASHIER) == TotpStep(WITHDRAWAL)
        assert not house.sms.messages
        assert await start(both.user_id, Method.AUTO, WITHDRAWAL, CASHIER) == CodeSent(
            Method.SMS, Channel.SMS, WITHDRAWAL, "***5891", 180
        )
        assert house.sms.messages == [("+254712345891", "123456")]
        sent = await start(mail.user_id, Method.AUTO, WITHDRAWAL, CASHIER)
        assert sent == CodeSent(Method.EMAIL, Channel.EMAIL, WITHDRAWAL, "ab***@example.com", 180)
        refused = await start(nobody.user_id, Method.AUTO, WITHDRAWAL, CASHIER)
        assert refused.reason is Reason.NO_METHOD


async def test_a_method_asked_for_by_name_never_falls_back():
    """FC-06 5 and 6."""
    async with living() as house:
        start = house.verification.start
        mail = await house.add(phone=None)
        phone = await house.add(email=None, phone="+254712345891")
        for user, method, reason in (
            (mail, Method.TOTP, Reason.TOTP_NOT_ENABLED),
            (mail, Method.SMS, Reason.NO_PHONE),
            (mail, Method.WHATSAPP, Reason.NO_PHONE),
            (phone, Method.EMAIL, Reason.NO_EMAIL),
        ):
            refused = await start(user.user_id, method, WITHDRAWAL, CASHIER)
            assert refused.reason is reason
        assert not house.sms.messages
        assert not house.email.messages
        sent = await start(phone.user_id, Method.WHATSAPP, WITHDRAWAL, CASHIER)
        assert (sent.method, sent.channel) == (Method.WHATSAPP, Channel.WHATSAPP)


async def test_a_right_code_earns_a_token_once():
    """FC-08."""
    async with living() as house:
        user = await house.add()
        await house.verification.start(user.user_id, Method.SMS, WITHDRAWAL, CASHIER)
        issued = await house.verification.verify_code(user.user_id, "123456", WITHDRAWAL, CASHIER)
        assert isinstance(issued, IssuedToken)
        assert (issued.method, issued.purpose) == (Method.SMS, WITHDRAWAL)
        assert issued.expires_in_s == 300
        assert len(issued.token) == 64
        again = await house.verification.verify_code(user.user_id, "123456", WITHDRAWAL, CASHIER)
        assert again.reason is Reason.NO_CODE


async def test_three_wrong_codes_end_the_session():
    """FC-09.2."""
    async with living() as house:
        user = (await house.add()).user_id
        verify = house.verification.verify_code
        await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        lefts = [(await verify(user, "000000", WITHDRAWAL, CASHIER)).attempts_left for _ in "abc"]
        assert lefts == [2, 1, 0]
        assert (await verify(user, "123456", WITHDRAWAL, CASHIER)).reason is Reason.NO_CODE
        await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        assert isinstance(await verify(user, "123456", WITHDRAWAL, CASHIER), IssuedToken)


async def test_a_code_lives_180_seconds_at_the_cashier_and_300_at_the_wallet():
    """FC-09.3, FW-04."""
    for surface, purpose, ttl in ((CASHIER, WITHDRAWAL, 180), (WALLET, FUNDING, 300)):
        for wait, good in ((ttl - 1, True), (ttl + 1, False)):
            async with living() as house:
                user = (await house.add()).user_id
                await house.verification.start(user, Method.SMS, purpose, surface)
                house.clock.advance(wait)
                answer = await house.verification.check_code(user, "123456", purpose, surface)
                assert answer == Accepted() if good else answer.reason is Reason.CODE_EXPIRED


async def test_a_code_is_good_for_its_own_purpose_only():
    """FC-09.4."""
    async with living() as house:
        user = (await house.add()).user_id
        await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        other = await house.verification.verify_code(user, "123456", Purpose.TRANSFER, CASHIER)
        assert other.reason is Reason.NO_CODE


async def test_a_second_code_replaces_the_first():
    """FC-09.5."""
    async with living(codes=counting_codes()) as house:
        user = (await house.add()).user_id
        for _ in range(2):
            await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        (_, first), (_, second) = house.sms.messages
        verify = house.verification.verify_code
        assert (await verify(user, first, WITHDRAWAL, CASHIER)).reason is Reason.WRONG_CODE
        assert isinstance(await verify(user, second, WITHDRAWAL, CASHIER), IssuedToken)


async def test_the_sixth_request_in_fifteen_minutes_is_too_many():
    """FC-09.6, CASH-C09."""
    async with living() as house:
        user = (await house.add()).user_id
        for _ in range(5):
            sent = await house.verification.start(user, Method.AUTO, WITHDRAWAL, CASHIER)
            assert isinstance(sent, CodeSent)
            house.clock.advance(10)
        refused = await house.verification.start(user, Method.AUTO, WITHDRAWAL, CASHIER)
        assert refused.reason is Reason.TOO_MANY_REQUESTS
        assert refused.retry_at_us == house.clock.now_us() + (900 - 50) * 1_000_000
        assert len(house.sms.messages) == 5
        house.clock.advance(849)
        assert (
            await house.verification.start(user, Method.AUTO, WITHDRAWAL, CASHIER)
        ).reason is Reason.TOO_MANY_REQUESTS
        house.clock.advance(1)
        sent = await house.verification.start(user, Method.AUTO, WITHDRAWAL, CASHIER)
        assert isinstance(sent, CodeSent)


async def test_wallet_failures_lock_across_resends_and_the_lock_ends():
    """FW-03: two wrong, resend, wrong: locked; right code refused; T+15 min works."""
    async with living() as house:
        user = (await house.add()).user_id
        send, check = house.verification.send_code, house.verification.check_code
        args = (user, WALLET, FUNDING, Channel.EMAIL, "other@example.com")
        await send(*args)
        assert house.email.messages == [("other@example.com", "123456")]
        assert (await check(user, "1", FUNDING, WALLET)).attempts_left == 2
        assert (await check(user, "2", FUNDING, WALLET)).attempts_left == 1
        await send(*args)
        assert (await check(user, "3", FUNDING, WALLET)).reason is Reason.LOCKED
        assert (await check(user, "123456", FUNDING, WALLET)).reason is Reason.LOCKED
        assert (await send(*args)).reason is Reason.LOCKED
        status = await house.verification.status(user, FUNDING, WALLET)
        assert (status.attempts_left, status.locked) == (0, True)
        assert await house.verification.risk(user, WALLET) == await risk_of(house, user, 3, 1)
        house.clock.advance(899)
        assert (await send(*args)).reason is Reason.LOCKED
        house.clock.advance(1)
        await send(*args)
        status = await house.verification.status(user, FUNDING, WALLET)
        assert (status.pending, status.expires_in_s) == (True, 300)
        assert (status.attempts_left, status.locked) == (3, False)
        assert await check(user, "123456", FUNDING, WALLET) == Accepted()
        status = await house.verification.status(user, FUNDING, WALLET)
        assert not status.pending
        house.clock.advance(86_400)
        assert await house.verification.risk(user, WALLET) == await risk_of(house, user, 0, 0)


async def risk_of(house, user, failed, lockouts):
    """The same value type, so that a mismatch shows both."""
    seen = await house.verification.risk(user, WALLET)
    return type(seen)(failed, lockouts)


async def test_locks_and_failures_of_one_purpose_are_not_those_of_another():
    async with living() as house:
        user = (await house.add()).user_id
        for purpose in (FUNDING, Purpose.WALLET_DEDUCTION):
            await house.verification.send_code(
                user, WALLET, purpose, Channel.EMAIL, "a@example.com"
            )
        for _ in range(3):
            await house.verification.check_code(user, "0", FUNDING, WALLET)
        other = await house.verification.check_code(
            user, "123456", Purpose.WALLET_DEDUCTION, WALLET
        )
        assert other == Accepted()


async def test_codes_failures_and_limits_survive_a_restart():
    disk = Disk()
    async with living(disk) as house:
        user = (await house.add()).user_id
        for _ in range(5):
            await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        await house.verification.verify_code(user, "0", WITHDRAWAL, CASHIER)
        await house.verification.verify_code(user, "0", WITHDRAWAL, CASHIER)
        clock = house.clock
    async with living(disk, clock) as house:
        limit = await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        assert limit.reason is Reason.TOO_MANY_REQUESTS
        third = await house.verification.verify_code(user, "0", WITHDRAWAL, CASHIER)
        assert third.attempts_left == 0
        right = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert right.reason is Reason.NO_CODE


async def test_a_lock_survives_a_restart():
    disk = Disk()
    async with living(disk) as house:
        user = (await house.add()).user_id
        await house.verification.send_code(user, WALLET, FUNDING, Channel.EMAIL, "a@b.io")
        for _ in range(3):
            await house.verification.check_code(user, "0", FUNDING, WALLET)
        clock = house.clock
    async with living(disk, clock) as house:
        right = await house.verification.check_code(user, "123456", FUNDING, WALLET)
        assert right.reason is Reason.LOCKED


async def test_a_message_that_did_not_leave_voids_its_code():
    async with living() as house:
        user = (await house.add()).user_id
        house.sms.outcome = NotSent("no route", Again.NEVER)
        refused = await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        assert refused.reason is Reason.DELIVERY_FAILED
        right = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert right.reason is Reason.NO_CODE


async def test_a_message_whose_fate_is_unknown_keeps_its_code():
    async with living() as house:
        user = (await house.add()).user_id
        house.sms.outcome = Unknown()
        sent = await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        assert not sent.confirmed
        issued = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert isinstance(issued, IssuedToken)


async def test_a_late_failure_does_not_void_the_code_that_replaced_it():
    async with living(codes=counting_codes()) as house:
        user = (await house.add()).user_id
        house.sms.gate = trio.Event()
        house.sms.outcome = NotSent("no route", Again.NEVER)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.verification.start, user, Method.SMS, WITHDRAWAL, CASHIER)
            await trio.testing.wait_all_tasks_blocked()
            await house.verification.start(user, Method.EMAIL, WITHDRAWAL, CASHIER)
            house.sms.gate.set()
        ((_, code),) = house.email.messages
        issued = await house.verification.verify_code(user, code, WITHDRAWAL, CASHIER)
        assert isinstance(issued, IssuedToken)


async def test_a_slow_gateway_blocks_nothing_else_of_the_person():
    async with living() as house:
        user = (await house.add()).user_id
        house.sms.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.verification.start, user, Method.SMS, WITHDRAWAL, CASHIER)
            await trio.testing.wait_all_tasks_blocked()
            with trio.fail_after(1):
                issued = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
            assert isinstance(issued, IssuedToken)
            house.sms.gate.set()


async def test_a_slow_gateway_does_not_keep_the_asker_and_a_code_that_fails_late_is_void():
    """CASH-C03: the reply of a verification request waits for no gateway."""
    async with living() as house:
        user = (await house.add()).user_id
        house.sms.gate = trio.Event()
        with trio.fail_after(TOLD_WITHIN_S + 2):
            sent = await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        assert isinstance(sent, CodeSent)
        assert not sent.confirmed
        house.sms.outcome = NotSent("no route", Again.NEVER)
        house.sms.gate.set()
        await trio.testing.wait_all_tasks_blocked()
        right = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert right.reason is Reason.NO_CODE


async def test_an_asker_that_leaves_while_the_message_is_under_way_leaves_a_good_code():
    async with living() as house:
        user = (await house.add()).user_id
        house.sms.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.verification.start, user, Method.SMS, WITHDRAWAL, CASHIER)
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        issued = await house.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert isinstance(issued, IssuedToken)


async def test_codes_belong_to_ids_without_a_row_too():
    """A registration in progress has an id and codes, and no person (NXPY-C05)."""
    async with living() as house:
        key = (100_500, NEXUSPAY, Purpose.REGISTRATION_EMAIL, Channel.EMAIL, "new@example.com")
        assert isinstance(await house.verification.send_code(*key), CodeSent)
        answer = await house.verification.check_code(
            100_500, "123456", Purpose.REGISTRATION_EMAIL, NEXUSPAY
        )
        assert answer == Accepted()
        nobody = await house.verification.start(100_500, Method.AUTO, WITHDRAWAL, CASHIER)
        assert nobody.reason is Reason.UNKNOWN_USER


async def test_guessing_from_many_sockets_at_once_gets_no_extra_tries():
    async with living(codes=counting_codes()) as house:
        user = (await house.add()).user_id
        await house.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
        answers = []

        async def guess(number):
            answers.append(
                await house.verification.verify_code(user, f"9{number:05d}", WITHDRAWAL, CASHIER)
            )

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(guess, number)
        assert sum(answer.reason is Reason.WRONG_CODE for answer in answers) == 3
