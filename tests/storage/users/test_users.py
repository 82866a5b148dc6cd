"""People and agents in PostgreSQL."""

import secrets

import msgspec
import pytest
from psycopg.rows import dict_row

from actors.identity_store import Lookup, StaleWrite, UserOrder
from domain.identity import Agent, Person, Profile, Reason, Role
from domain.identity.person import with_profile
from storage.crypto import SecretBox, SecretUnreadable
from storage.errors import ConstraintViolation, UniqueViolation
from storage.users import Users

ADDRESS = "0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7"


@pytest.fixture
def users(pool):
    return Users(pool, SecretBox(b"k" * 32, secrets.token_bytes))


def somebody(user_id=12345, **changes):
    values = {
        "object_id": f"{user_id:024x}",
        "email": f"u{user_id}@example.com",
        "email_verified": True,
        "email_proved_at_us": 5,
        "phone": f"+2547{user_id:08d}",
        "phone_verified": True,
        "first_name": "Zoë",
        "role": Role.ADMIN,
        "token_version": 3,
        "totp_enabled": True,
        "wallet_active": False,
        "wallet_address": f"0x{user_id:040x}",
        "deleted": False,
        "created_at_us": 1_706_400_000_000_001,
        "last_login_us": 7,
    }
    return Person(
        profile=Profile(user_id=user_id, **(values | changes)),
        password_hash="$argon2id$…",
        totp_secret="JBSWY3DPEHPK3PXP",
        totp_pending="KRSXG5CTMVRXEZLU",
        totp_pending_wrong=2,
        totp_last_step=56_880_000,
    )


async def test_a_person_is_read_back_as_written(users):
    person = somebody()
    assert await users.insert(person) is None
    assert await users.person(12345) == person
    assert await users.profiles([12345, 999]) == [person.profile]
    assert await users.profiles([]) == []
    assert await users.person(999) is None


async def test_a_person_with_nothing_is_read_back_as_written(users):
    person = Person(profile=Profile(user_id=1, object_id="a" * 24))
    assert await users.insert(person) is None
    assert await users.person(1) == person


async def test_secrets_are_sealed_and_bound_to_their_row(users, pool):
    await users.insert(somebody(1))
    await users.insert(somebody(2))
    (row,) = await pool.fetch("SELECT totp_secret, totp_pending FROM users WHERE id = 1")
    assert all(b"PXP" not in sealed and b"KRSX" not in sealed for sealed in row)
    await pool.execute(
        "UPDATE users SET totp_secret = (SELECT totp_secret FROM users WHERE id = 1) WHERE id = 2"
    )
    with pytest.raises(SecretUnreadable):
        await users.person(2)


async def test_new_ids_begin_after_the_seeded_ones_and_are_never_given_twice(users):
    assert [await users.new_id() for _ in range(3)] == [100_000, 100_001, 100_002]


async def test_an_email_and_a_proved_phone_are_one_persons(users):
    """X-C03; a claim alone keeps nobody away."""
    await users.insert(somebody(1, email="a@b.io", phone="+254712000001"))
    same_email = await users.insert(somebody(2, email="a@b.io"))
    same_phone = await users.insert(somebody(2, phone="+254712000001"))
    claimed = await users.insert(somebody(2, phone="+254712000001", phone_verified=False))
    proved = await users.save(
        msgspec.structs.replace(somebody(2, phone="+254712000001"), revision=1)
    )
    assert (same_email, same_phone) == (Reason.EMAIL_TAKEN, Reason.PHONE_TAKEN)
    assert (claimed, proved) == (None, Reason.PHONE_TAKEN)


async def test_ids_that_nobody_chooses_are_faults_when_taken(users):
    await users.insert(somebody(1))
    with pytest.raises(UniqueViolation):
        await users.insert(somebody(1))
    with pytest.raises(UniqueViolation):
        await users.insert(somebody(2, wallet_address=f"0x{1:040X}"))


async def test_the_database_refuses_rows_that_make_no_sense(users):
    for changes in (
        {"user_id": 0},
        {"object_id": "ABC"},
        {"email": "Upper@example.com"},
        {"email": None},
        {"phone": "0712"},
        {"wallet_address": "0x1"},
    ):
        with pytest.raises(ConstraintViolation):
            await users.insert(somebody(**{"user_id": 3} | changes))


async def test_people_are_found_by_every_address(users):
    await users.insert(somebody(1, wallet_address=ADDRESS))
    await users.insert(somebody(2, phone="+254712000009", phone_verified=False))
    await users.save_agent(Agent("AGT-001", 1, "Agent John Doe", "+254712001234"))
    find = users.find
    assert await find(Lookup.EMAIL, "u1@example.com") == 1
    assert await find(Lookup.PHONE, "+254700000001") == 1
    assert await find(Lookup.PHONE, "+254712000009") is None
    assert await find(Lookup.AGENT_ID, "AGT-001") == 1
    assert await find(Lookup.OBJECT_ID, f"{1:024x}") == 1
    assert await find(Lookup.WALLET_ADDRESS, ADDRESS.lower()) == 1
    assert await find(Lookup.WALLET_ADDRESS, "0x") is None


async def test_lookups_use_an_index(users, pool):
    """No address is looked for by reading every row."""
    await pool.execute("SET enable_seqscan = off")
    for column, value in (("email", "x"), ("object_id", "x")):
        plan = await pool.fetch(f"EXPLAIN SELECT id FROM users WHERE {column} = '{value}'")
        assert "Index" in plan[0][0]
    for condition in ("phone = 'x' AND phone_verified", "lower(wallet_address) = lower('x')"):
        plan = await pool.fetch(f"EXPLAIN SELECT id FROM users WHERE {condition}")
        assert any("Index" in line for (line,) in plan)


async def test_an_agent_is_part_of_the_profile_and_can_be_replaced(users):
    """CASH-C33."""
    await users.insert(somebody(1))
    await users.insert(somebody(2))
    agent = Agent("AGT-001", 1, "Agent John Doe", "+254712001234")
    assert await users.save_agent(agent) is None
    assert (await users.person(1)).profile.agent == agent
    closed = Agent("AGT-001", 1, "John", "+254712001234", commission_bp=150, active=False)
    assert await users.save_agent(closed) is None
    assert (await users.profiles([1]))[0].agent == closed
    assert await users.save_agent(Agent("AGT-001", 2, "Jane", "+1")) is Reason.AGENT_TAKEN


async def test_a_write_based_on_an_older_row_touches_nothing(users):
    first = somebody(1)
    await users.insert(first)
    second = msgspec.structs.replace(with_profile(first, first_name="Ann"), revision=1)
    assert await users.save(second) is None
    assert await users.person(1) == second
    with pytest.raises(StaleWrite):
        await users.save(msgspec.structs.replace(first, revision=1))
    assert await users.person(1) == second


async def test_every_column_of_the_table_is_written(users, pool):
    """A column added to the table and forgotten here would keep its old value."""
    await users.insert(somebody(1, wallet_active=True, role=Role.USER, deleted=True))
    everything_else = Person(
        profile=Profile(
            user_id=1,
            object_id="f" * 24,
            email="else@example.com",
            phone="+254712999999",
            first_name="Else",
            role=Role.ADMIN,
            token_version=9,
            wallet_active=False,
            wallet_address=ADDRESS,
            created_at_us=2,
        ),
        revision=1,
    )
    async with pool.connection() as connection:
        cursor = connection.cursor(row_factory=dict_row)
        before = await (await cursor.execute("SELECT * FROM users")).fetchone()
        assert await users.save(everything_else) is None
        after = await (await cursor.execute("SELECT * FROM users")).fetchone()
    assert {name for name in before if before[name] == after[name]} == {"id"}


async def test_people_are_listed_a_page_at_a_time_without_the_deleted(users):
    for user_id, name in ((1, "b"), (2, "a"), (3, "c"), (4, "d")):
        await users.insert(somebody(user_id, first_name=name, created_at_us=user_id))
    await users.insert(somebody(5, deleted=True))
    page, total = await users.page(UserOrder.CREATED, True, 2, 1)
    assert ([profile.user_id for profile in page], total) == ([3, 2], 4)
    page, _ = await users.page(UserOrder.FIRST_NAME, False, 10, 0)
    assert [profile.first_name for profile in page] == ["a", "b", "c", "d"]
    for order in UserOrder:
        assert len((await users.page(order, False, 10, 0))[0]) == 4
    assert (await users.page(UserOrder.CREATED, False, 10, 10)) == ([], 4)
