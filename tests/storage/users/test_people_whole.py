"""People on a real database: a withdrawal's proof from the code to the journal, and a restart."""

import random
import secrets
from contextlib import asynccontextmanager

import argon2
import pyotp
import pytest
import trio

from actors.clock import Clock
from actors.journal import RowConflict
from actors.messenger import Messenger, Sent
from actors.passwords import Passwords
from actors.people import Authenticated, NewPerson, People
from actors.reservations import TokenReservation
from domain.identity import (
    AccessTokens,
    Agent,
    FixedCodes,
    IssuedToken,
    Method,
    Profile,
    Purpose,
    Reason,
    Surface,
)
from storage.codes import Codes
from storage.crypto import SecretBox
from storage.users import Users
from storage.writes import write

CASHIER, WITHDRAWAL = Surface.CASHIER, Purpose.WITHDRAWAL
T0_US = 1_706_400_000_000_000
SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"


class Gateway:
    async def deliver(self, to, text, *, subject, code):
        await trio.lowlevel.checkpoint()
        return Sent("1")


@pytest.fixture
def start(pool):
    """Start a process on this test's database; a second one is a restart."""
    clock = Clock(wall_us=lambda: T0_US)

    @asynccontextmanager
    async def started():
        users = Users(pool, SecretBox(b"k" * 32, secrets.token_bytes))
        people = People(
            users,
            Codes(pool, users),
            clock=clock,
            messenger=Messenger({"sms": Gateway(), "email": Gateway()}),
            tokens=AccessTokens(b"j" * 32, secrets.token_bytes),
            codes=FixedCodes("123456"),
            code_key=b"c" * 32,
            random_bytes=secrets.token_bytes,
            jitter=random.random,
            passwords=Passwords(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)),
        )
        async with trio.open_nursery() as nursery:
            await nursery.start(people.run)
            yield people
            nursery.cancel_scope.cancel()

    started.clock = clock
    return started


async def add(people, **new):
    values = {"email": "abc@example.com", "email_verified": True} | new
    profile = await people.create(NewPerson(**values))
    assert isinstance(profile, Profile)
    return profile


async def test_a_proof_goes_from_the_code_to_the_journal_once_across_a_restart(start, pool):
    async with start() as people:
        user = (await add(people, phone="+254712345890", phone_verified=True)).user_id
        await people.verification.start(user, Method.SMS, WITHDRAWAL, CASHIER)
    async with start() as people:
        issued = await people.verification.verify_code(user, "123456", WITHDRAWAL, CASHIER)
        assert isinstance(issued, IssuedToken)
    async with start() as people:
        with await people.verification.reserve_token(user, issued.token, WITHDRAWAL) as held:
            async with pool.transaction() as connection:
                await write(connection, held.consumption())
            held.settle()
        again = await people.verification.reserve_token(user, issued.token, WITHDRAWAL)
        assert again.reason is Reason.INVALID_TOKEN
        with pytest.raises(RowConflict):
            async with pool.transaction() as connection:
                await write(connection, held.consumption())


async def test_two_requests_with_one_token_on_a_real_database_make_one_reservation(start):
    async with start() as people:
        user = (await add(people, totp_secret=SECRET)).user_id
        code = pyotp.TOTP(SECRET).at(T0_US // 1_000_000)
        issued = await people.verification.verify_totp(user, code, WITHDRAWAL)
        answers = []

        async def reserve():
            answers.append(await people.verification.reserve_token(user, issued.token, WITHDRAWAL))

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(reserve)
        assert sum(isinstance(answer, TokenReservation) for answer in answers) == 1


async def test_a_used_totp_step_is_used_after_a_restart(start):
    code = pyotp.TOTP(SECRET).at(T0_US // 1_000_000)
    async with start() as people:
        user = (await add(people, totp_secret=SECRET)).user_id
        assert isinstance(
            await people.verification.verify_totp(user, code, WITHDRAWAL), IssuedToken
        )
    async with start() as people:
        replay = await people.verification.check_totp(user, code)
        assert replay.reason is Reason.WRONG_CODE


async def test_people_and_their_logins_survive_a_restart(start):
    async with start() as people:
        hashed = await people.passwords.hash("TestPassword123")
        user = await add(people, user_id=12345, password_hash=hashed)
        await people.save_agent(Agent("AGT-001", 12345, "Agent John Doe", "+254712001234"))
        token = await people.log_in(user, ("pwd",))
        await people.promote(user.user_id)
    async with start() as people:
        who = await people.authenticate(token)
        assert isinstance(who, Authenticated)
        assert who.profile.is_admin
        assert who.profile.last_login_us == T0_US
        assert (await people.by_agent_id("AGT-001")).user_id == 12345
        assert (await people.check_password("abc@example.com", "TestPassword123")).user_id == 12345


async def test_an_id_that_is_in_use_is_refused(start):
    async with start() as people:
        await add(people, user_id=12345)
    async with start() as people:
        taken = await people.create(NewPerson(user_id=12345, email="b@example.com"))
        assert taken.reason is Reason.ID_TAKEN
