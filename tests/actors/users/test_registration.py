"""Registrations: new people, and identities nobody had proved (FN-01, FN-02, XS-08, XS-08b)."""

import msgspec
import pytest
import trio
import trio.testing

from actors.messenger import Again
from actors.messenger import Refused as NotSent
from actors.people import Unauthorized
from actors.registration import Registrations
from domain.identity import Channel, Denied, Profile, RandomCodes, Reason, Refused
from domain.identity.registration import Registration, VerifyWith, may_register
from tests.actors.users.house import living

EMAIL, PHONE, PASSWORD = "user@example.com", "+254712345678", "SecurePassword123"


class MemoryRegistrations:
    def __init__(self):
        self.rows = {}

    async def save(self, registration):
        await trio.lowlevel.checkpoint()
        self.rows[registration.email] = registration

    async def by_email(self, email):
        await trio.lowlevel.checkpoint()
        return self.rows.get(email)

    async def by_phone(self, phone):
        await trio.lowlevel.checkpoint()
        return next((r for r in reversed(self.rows.values()) if r.phone == phone), None)

    async def prove(self, user_id, channel):
        await trio.lowlevel.checkpoint()
        for email, row in self.rows.items():
            if row.user_id == user_id:
                change = {"email_proved" if channel is Channel.EMAIL else "phone_proved": True}
                self.rows[email] = msgspec.structs.replace(row, **change)
                return self.rows[email]
        return None

    async def drop(self, user_id):
        await trio.lowlevel.checkpoint()
        self.rows = {e: r for e, r in self.rows.items() if r.user_id != user_id}


def desk(house):
    return Registrations(house.people, house.users, MemoryRegistrations(), house.clock)


def counting_codes():
    numbers = iter(range(1, 1_000_000))
    return RandomCodes(lambda size: next(numbers).to_bytes(size))


async def test_a_registration_becomes_a_user_when_its_code_is_shown():
    """FN-01."""
    async with living() as house:
        registrations = desk(house)
        begun = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.EMAIL)
        assert isinstance(begun, Registration)
        assert house.email.messages == [(EMAIL, "123456")]
        assert not house.sms.messages
        assert await house.people.by_email(EMAIL) is None
        pending = await registrations.pending(email=EMAIL)
        wrong = await registrations.verify(pending, Channel.EMAIL, "000000")
        assert wrong.reason is Reason.WRONG_CODE
        user = await registrations.verify(pending, Channel.EMAIL, "123456")
        assert isinstance(user, Profile)
        assert (user.email, user.email_verified) == (EMAIL, True)
        assert (user.phone, user.phone_verified) == (PHONE, False)
        logged_in = await house.people.check_password(EMAIL, PASSWORD)
        assert logged_in.user_id == user.user_id
        again = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.EMAIL)
        assert again == Refused(Reason.EMAIL_TAKEN)


async def test_with_both_the_last_code_makes_the_user_in_either_order():
    """FN-02, NXPY-C06."""
    for order in ((Channel.EMAIL, Channel.SMS), (Channel.SMS, Channel.EMAIL)):
        async with living() as house:
            registrations = desk(house)
            begun = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.BOTH)
            first = await registrations.verify(begun, order[0], "123456")
            assert isinstance(first, Registration)
            assert await house.people.by_email(EMAIL) is None
            user = await registrations.verify(begun, order[1], "123456")
            assert user.email_verified
            assert user.verified_phone == PHONE


async def test_an_unproved_identity_is_taken_over_by_whoever_has_the_mailbox():
    """XS-08b: same user id; old password, token and TOTP secret are dead, the phone is found."""
    async with living() as house:
        old = await house.people.passwords.hash("old password")
        owner = await house.add(
            email=EMAIL, email_verified=False, phone=None, password_hash=old, totp_secret="A" * 32
        )
        token = house.people.issue_token(owner, ("pwd",))
        registrations = desk(house)
        begun = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.BOTH)
        await registrations.verify(begun, Channel.EMAIL, "123456")
        assert (await house.people.authenticate(token)).user_id == owner.user_id
        user = await registrations.verify(begun, Channel.SMS, "123456")
        assert user.user_id == owner.user_id
        assert user.object_id == owner.object_id
        assert not user.totp_enabled
        assert await house.people.authenticate(token) == Unauthorized(Denied.REVOKED)
        check = house.people.check_password
        assert (await check(EMAIL, "old password")).reason is Reason.WRONG_PASSWORD
        assert (await check(EMAIL, PASSWORD)).user_id == owner.user_id
        assert (await house.people.by_phone(PHONE)).user_id == owner.user_id


async def test_a_phone_alone_takes_nobodys_account_over():
    async with living() as house:
        await house.add(email=EMAIL, email_verified=False, phone=None)
        refused = await desk(house).begin(EMAIL, PHONE, PASSWORD, VerifyWith.PHONE)
        assert refused == Refused(Reason.EMAIL_TAKEN)


@pytest.mark.parametrize(
    ("owner", "verify_with", "taken"),
    [
        (None, VerifyWith.PHONE, None),
        ({}, VerifyWith.EMAIL, None),
        ({}, VerifyWith.BOTH, None),
        ({}, VerifyWith.PHONE, Reason.EMAIL_TAKEN),
        ({"email_verified": True}, VerifyWith.EMAIL, Reason.EMAIL_TAKEN),
        ({"phone_verified": True}, VerifyWith.EMAIL, Reason.EMAIL_TAKEN),
        ({"deleted": True}, VerifyWith.EMAIL, Reason.EMAIL_TAKEN),
    ],
)
def test_who_may_register_an_email(owner, verify_with, taken):
    """X-C03."""
    profile = None if owner is None else Profile(user_id=1, object_id="0" * 24, **owner)
    assert may_register(profile, None, verify_with) is taken


async def test_somebody_elses_proved_phone_is_taken():
    async with living() as house:
        await house.add(phone=PHONE)
        refused = await desk(house).begin(EMAIL, PHONE, PASSWORD, VerifyWith.EMAIL)
        assert refused == Refused(Reason.PHONE_TAKEN)


async def test_what_was_free_at_the_beginning_may_be_taken_at_the_end():
    async with living() as house:
        registrations = desk(house)
        begun = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.EMAIL)
        await house.add(email=EMAIL, phone=None)
        refused = await registrations.verify(begun, Channel.EMAIL, "123456")
        assert refused == Refused(Reason.EMAIL_TAKEN)


async def test_a_code_proves_the_registration_it_was_sent_for_and_no_later_one():
    """NXPY-C13: a stranger who registers the same e-mail again gains nothing by the old code."""
    async with living(codes=counting_codes()) as house:
        registrations = desk(house)
        await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.EMAIL)
        await registrations.begin(EMAIL, "+254712000009", "strangers password", VerifyWith.EMAIL)
        (_, first), (_, second) = house.email.messages
        pending = await registrations.pending(email=EMAIL)
        assert pending.phone == "+254712000009"
        old = await registrations.verify(pending, Channel.EMAIL, first)
        assert old.reason is Reason.WRONG_CODE
        assert isinstance(await registrations.verify(pending, Channel.EMAIL, second), Profile)


async def test_a_registration_that_was_replaced_cannot_be_completed():
    async with living() as house:
        registrations = desk(house)
        first = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.EMAIL)
        await registrations.begin(EMAIL, PHONE, "another password", VerifyWith.EMAIL)
        late = await registrations.verify(first, Channel.EMAIL, "123456")
        assert late == Refused(Reason.NO_CODE)
        assert await house.people.by_email(EMAIL) is None


async def test_codes_die_after_300_seconds_and_can_be_sent_again():
    """NXPY-C08, NXPY-C09."""
    async with living() as house:
        registrations = desk(house)
        begun = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.BOTH)
        await registrations.verify(begun, Channel.SMS, "123456")
        house.clock.advance(301)
        late = await registrations.verify(begun, Channel.EMAIL, "123456")
        assert late.reason is Reason.CODE_EXPIRED
        pending = await registrations.pending(phone=PHONE)
        assert await registrations.send_codes(pending) is None
        assert len(house.sms.messages) == 1
        assert isinstance(await registrations.verify(pending, Channel.EMAIL, "123456"), Profile)


async def test_a_code_that_cannot_be_sent_is_said():
    async with living() as house:
        house.email.outcome = NotSent("no route", Again.NEVER)
        refused = await desk(house).begin(EMAIL, PHONE, PASSWORD, VerifyWith.EMAIL)
        assert refused == Refused(Reason.DELIVERY_FAILED)


async def test_two_last_codes_at_once_make_one_user():
    async with living() as house:
        registrations = desk(house)
        begun = await registrations.begin(EMAIL, PHONE, PASSWORD, VerifyWith.BOTH)
        results = []

        async def show(channel):
            results.append(await registrations.verify(begun, channel, "123456"))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(show, Channel.EMAIL)
            nursery.start_soon(show, Channel.SMS)
        users = {result.user_id for result in results if isinstance(result, Profile)}
        assert users == {begun.user_id}
        assert len(house.disk.people) == 1
