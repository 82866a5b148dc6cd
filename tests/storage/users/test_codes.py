"""Codes, attempts and tokens in PostgreSQL; tokens spent in the journal's transaction."""

import secrets

import msgspec
import psycopg
import pytest
import trio

from actors.identity_store import StaleWrite, StoreUnavailable
from actors.journal import RowConflict
from domain.identity import (
    Channel,
    CodeSession,
    Method,
    Person,
    Profile,
    Purpose,
    Surface,
    TokenConsumed,
    VerificationToken,
)
from domain.identity.proofs import ProofChange, Proofs
from domain.identity.windows import DAY, Lockout, Window
from storage.codes import Codes
from storage.crypto import SecretBox
from storage.pool import Pool
from storage.users import Users
from storage.writes import write

NOW = 1_706_400_000_000_000
KEY = (Surface.WALLET, Purpose.WALLET_FUNDING)


@pytest.fixture
def users(pool):
    return Users(pool, SecretBox(b"k" * 32, secrets.token_bytes))


@pytest.fixture
def codes(pool, users):
    return Codes(pool, users)


def session(**changes):
    sent = CodeSession(*KEY, Channel.EMAIL, b"s" * 16, b"h" * 32, NOW + 300_000_000, 1)
    return msgspec.structs.replace(sent, **changes)


def token(name=b"t", purpose=Purpose.WITHDRAWAL):
    return VerificationToken(name * 32, purpose, Method.TOTP, NOW + 300_000_000)


async def test_a_step_is_read_back_as_written(codes):
    lockout = Lockout(Window((NOW - 5, NOW)), NOW + 7)
    change = ProofChange(sessions={KEY: session()}, attempts={"failures": lockout})
    await codes.save(7, change)
    assert await codes.load(7, NOW) == Proofs({KEY: session()}, {"failures": lockout})
    assert await codes.load(8, NOW) == Proofs({}, {})


async def test_a_later_step_replaces_what_it_names_and_nothing_else(codes):
    other = (Surface.CASHIER, Purpose.TRANSFER)
    kept = session(surface=other[0], purpose=other[1])
    await codes.save(7, ProofChange(sessions={KEY: session(), other: kept}))
    await codes.save(7, ProofChange(attempts={"a": Lockout(Window((1,)))}))
    newer = session(salt=b"n" * 16, wrong=0, channel=Channel.SMS)
    change = ProofChange(sessions={KEY: newer}, attempts={"a": Lockout(Window(()), 3)})
    await codes.save(7, change)
    assert await codes.load(7, NOW) == Proofs(
        {KEY: newer, other: kept}, {"a": Lockout(Window(()), 3)}
    )
    await codes.save(7, ProofChange(sessions={KEY: None}))
    assert (await codes.load(7, NOW)).sessions == {other: kept}


async def test_an_expired_code_is_remembered_for_a_day(codes):
    await codes.save(7, ProofChange(sessions={KEY: session()}))
    expired = session().expires_at_us
    assert KEY in (await codes.load(7, expired + DAY - 1)).sessions
    assert KEY not in (await codes.load(7, expired + DAY)).sessions


async def test_a_token_is_its_owners_until_it_is_spent(codes, pool):
    await codes.save(7, ProofChange(token=token()))
    assert await codes.unspent(7, b"t" * 32) == token()
    assert await codes.unspent(8, b"t" * 32) is None
    assert await codes.unspent(7, b"x" * 32) is None
    async with pool.transaction() as connection:
        await write(connection, TokenConsumed(b"t" * 32, NOW))
    assert await codes.unspent(7, b"t" * 32) is None


async def test_a_token_is_spent_by_exactly_one_transaction(codes, pool):
    """CASH-C12: the journal that finds it spent, or not there, is refused."""
    await codes.save(7, ProofChange(token=token()))
    results = []

    async def spend():
        try:
            async with pool.transaction() as connection:
                await write(connection, TokenConsumed(b"t" * 32, NOW))
                await trio.sleep(0.01)
            results.append("spent")
        except RowConflict as conflict:
            results.append(conflict.constraint)

    async with trio.open_nursery() as nursery:
        for _ in range(4):
            nursery.start_soon(spend)
    assert sorted(results) == ["TokenConsumed"] * 3 + ["spent"]
    async with pool.transaction() as connection:
        with pytest.raises(RowConflict):
            await write(connection, TokenConsumed(b"x" * 32, NOW))


async def test_a_journal_that_fails_leaves_the_token_good(codes, pool):
    await codes.save(7, ProofChange(token=token()))

    async def fail():
        async with pool.transaction() as connection:
            await write(connection, TokenConsumed(b"t" * 32, NOW))
            raise RuntimeError("the rest of the journal was refused")

    with pytest.raises(RuntimeError):
        await fail()
    assert await codes.unspent(7, b"t" * 32) == token()


async def test_what_expired_a_day_ago_is_purged(codes, pool):
    fresh = session(surface=Surface.CASHIER, expires_at_us=session().expires_at_us + 1)
    sessions = {KEY: session(), (Surface.CASHIER, KEY[1]): fresh}
    await codes.save(7, ProofChange(token=token(), sessions=sessions))
    await codes.purge(session().expires_at_us + DAY)
    assert await codes.unspent(7, b"t" * 32) == token()
    await codes.purge(session().expires_at_us + DAY + 1)
    assert await codes.unspent(7, b"t" * 32) is None
    assert await pool.fetch("SELECT surface FROM codes") == [("cashier",)]


async def test_the_used_totp_step_and_its_token_are_one_write(codes, users):
    person = Person(profile=Profile(user_id=7, object_id="a" * 24))
    await users.insert(person)
    used = msgspec.structs.replace(person, totp_last_step=9, revision=1)
    await codes.save(7, ProofChange(token=token(), person=used))
    assert (await users.person(7)).totp_last_step == 9
    assert await codes.unspent(7, b"t" * 32) == token()
    with pytest.raises(StaleWrite):
        await codes.save(7, ProofChange(token=token(b"u"), person=used))
    assert await codes.unspent(7, b"u" * 32) is None


async def test_a_database_that_is_away_is_said_to_be_away(dsn, postgres_dsn):
    async with Pool.opened(dsn, acquire_within_s=0.5) as pool:
        users = Users(pool, SecretBox(b"k" * 32, secrets.token_bytes))
        codes = Codes(pool, users)
        name = psycopg.conninfo.conninfo_to_dict(dsn)["dbname"]
        with psycopg.connect(postgres_dsn, autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
            admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
            )
            with pytest.raises(StoreUnavailable):
                await users.person(1)
            with pytest.raises(StoreUnavailable):
                await codes.save(7, ProofChange(token=token()))
            with pytest.raises(StoreUnavailable):
                await codes.load(7, NOW)
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        assert await codes.unspent(7, b"t" * 32) is None
