"""Many people register at the same moment, over every surface, for the same few addresses."""

import random
import secrets
from contextlib import asynccontextmanager

import argon2
import trio

from actors.clock import Clock
from actors.identity_store import StoreUnavailable
from actors.messenger import Messenger, Sent
from actors.passwords import Passwords
from actors.people import NewPerson, People
from actors.registration import Registrations
from domain.identity import AccessTokens, Agent, Channel, FixedCodes, Profile, Reason, Refused
from domain.identity.registration import Registration, VerifyWith
from storage.codes import Codes
from storage.crypto import SecretBox
from storage.driver import TrioConnection
from storage.pool import Pool
from storage.registrations import StoredRegistrations
from storage.users import Users

CODE = "123456"
PASSWORD = "TestPassword123"  # of nobody
# What somebody who came second may be told; everything else would be a fault of ours.
SECOND_BEST = {
    Reason.EMAIL_TAKEN,
    Reason.PHONE_TAKEN,
    Reason.AGENT_TAKEN,
    Reason.NO_CODE,
    Reason.WRONG_CODE,
    Reason.TOO_MANY_REQUESTS,
}


class Gateway:
    async def deliver(self, to, text, *, subject, code):
        await trio.lowlevel.checkpoint()
        return Sent("1")


@asynccontextmanager
async def served(pool):
    """People and registrations on a database."""
    clock = Clock()
    users = Users(pool, SecretBox(b"k" * 32, secrets.token_bytes))
    people = People(
        users,
        Codes(pool, users),
        clock=clock,
        messenger=Messenger({"sms": Gateway(), "email": Gateway()}),
        tokens=AccessTokens(b"j" * 32, secrets.token_bytes),
        codes=FixedCodes(CODE),
        code_key=b"c" * 32,
        random_bytes=secrets.token_bytes,
        jitter=random.random,
        wallet_address=lambda user_id: f"0x{user_id:040x}",
        passwords=Passwords(
            argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1), waiting=10_000
        ),
    )
    async with trio.open_nursery() as nursery:
        await nursery.start(people.run)
        yield people, Registrations(people, users, StoredRegistrations(pool), clock)
        nursery.cancel_scope.cancel()


async def by_amarktai(people, _registrations, email, _phone):
    return await people.create(NewPerson(email=email, first_name="A", password_hash="h"))


async def by_sandbox(people, _registrations, email, phone):
    made = await people.create(
        NewPerson(email=email, email_verified=True, phone=phone, phone_verified=True)
    )
    if isinstance(made, Profile):
        agent = Agent(f"AGT-{phone[-1]}", made.user_id, "Agent", phone, 200, active=True)
        return await people.save_agent(agent)
    return made


async def by_nexuspay(people, registrations, email, phone):
    """Both codes at once, each shown twice."""
    begun = await registrations.begin(email, phone, PASSWORD, VerifyWith.BOTH)
    if isinstance(begun, Refused):
        return begun
    outcomes = []

    async def show(channel):
        outcomes.append(await registrations.verify(begun, channel, CODE))

    async with trio.open_nursery() as nursery:
        for channel in (Channel.EMAIL, Channel.SMS) * 2:
            nursery.start_soon(show, channel)
    became = [outcome for outcome in outcomes if isinstance(outcome, Profile)]
    assert len({profile.user_id for profile in became}) <= 1
    return became[0] if became else outcomes[0]


async def storm(pool, rng, rounds=150, addresses=12):
    """Everybody at once; the outcomes."""
    outcomes = []
    async with served(pool) as (people, registrations), trio.open_nursery() as nursery:

        async def register(way, email, phone):
            try:
                outcomes.append(await way(people, registrations, email, phone))
            except StoreUnavailable:
                outcomes.append(Refused(Reason.UNAVAILABLE))

        for _ in range(rounds):
            way = rng.choice([by_amarktai, by_sandbox, by_nexuspay])
            number = rng.randrange(addresses)
            other = rng.choice([number, rng.randrange(addresses)])
            nursery.start_soon(register, way, f"p{number}@example.com", f"+2547{other:08}")
    return outcomes


def refusals(outcomes):
    return {outcome.reason for outcome in outcomes if isinstance(outcome, Refused)}


async def end_sessions(dsn, every_s):
    """End everybody's session with the database, again and again."""
    connection = await TrioConnection.connect(dsn)
    try:
        while True:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
            await trio.sleep(every_s)
    finally:
        connection.discard()


async def addresses_are_unique(pool):
    rows = await pool.fetch(
        "SELECT (SELECT count(*) - count(DISTINCT email) FROM users),"
        " (SELECT count(*) - count(DISTINCT phone) FROM users WHERE phone_verified)"
    )
    return rows == [(0, 0)]


async def test_whoever_registers_becomes_somebody_or_is_told_who_was_first(dsn, rng):
    """X-C03, over a pool that most have to wait for."""
    async with Pool.opened(dsn, size=3, acquire_within_s=60) as pool:
        outcomes = await storm(pool, rng)
        assert await addresses_are_unique(pool)
        count = await pool.fetch_one("SELECT count(DISTINCT email) FROM users")
    assert refusals(outcomes) <= SECOND_BEST
    assert {type(outcome) for outcome in outcomes} <= {Profile, Refused, Registration}
    assert count == (12,)


async def test_registrations_while_sessions_end_are_refused_at_most_and_no_actor_crashes(dsn, rng):
    """An actor that crashes logs at ERROR, which fails the test."""
    async with Pool.opened(dsn, size=3, acquire_within_s=0.2) as pool:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(end_sessions, dsn, 0.02)
            outcomes = [outcome for _ in range(3) for outcome in await storm(pool, rng, rounds=60)]
            nursery.cancel_scope.cancel()
        assert await addresses_are_unique(pool)
        afterwards = await storm(pool, rng, rounds=10, addresses=3)
    assert refusals(outcomes) <= SECOND_BEST | {
        Reason.UNAVAILABLE,
        Reason.OVERLOADED,
        Reason.DELIVERY_FAILED,
        Reason.ID_TAKEN,
    }
    assert refusals(afterwards) <= SECOND_BEST
