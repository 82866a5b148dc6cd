"""People and agents: the users and agents tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from psycopg.types.numeric import Int8

from actors.identity_store import Lookup, StaleWrite, StoreUnavailable, UserOrder
from domain.identity import Agent, Person, Profile, Reason, Role
from storage.arrays import int8s, texts
from storage.crypto import SecretBox
from storage.driver import Row, TrioConnection
from storage.errors import Unavailable, UniqueViolation
from storage.gathered import Gathered
from storage.pool import Pool
from storage.prepared import Prepared

_PROFILE_COLUMNS: Final = """
    u.id, u.object_id, u.email, u.email_verified, u.email_proved_us, u.phone, u.phone_verified,
    u.first_name, u.role, u.token_version, u.totp_enabled, u.wallet_active, u.wallet_address,
    u.deleted, u.created_us, u.last_login_us, a.agent_id, a.name, a.phone, a.commission_bp, a.active
"""
_FROM: Final = "FROM users u LEFT JOIN agents a ON a.user_id = u.id"
_PROFILES: Final = Prepared(
    "profiles", f"SELECT {_PROFILE_COLUMNS} {_FROM} WHERE u.id = ANY($1::bigint[])"
)
_PERSON: Final = f"""
SELECT {_PROFILE_COLUMNS}, u.password_hash, u.totp_secret, u.totp_pending, u.totp_pending_wrong,
       u.totp_last_step, u.revision
{_FROM} WHERE u.id = %s
"""
_PRESENT: Final = Prepared(
    "present_users",
    """
SELECT u.id FROM unnest($1::bigint[]) AS k (id) JOIN users u ON u.id = k.id WHERE NOT u.deleted
""",
)
_FIND: Final = {
    Lookup.EMAIL: "SELECT id FROM users WHERE email = %s",
    Lookup.AGENT_ID: "SELECT user_id FROM agents WHERE agent_id = %s",
    Lookup.OBJECT_ID: "SELECT id FROM users WHERE object_id = %s",
    Lookup.WALLET_ADDRESS: "SELECT id FROM users WHERE lower(wallet_address) = lower(%s)",
}
_BY_PHONES: Final = Prepared(
    "users_by_phone",
    "SELECT phone, id FROM users WHERE phone = ANY($1::text[]) AND phone_verified",
)
_PAGE: Final = f"SELECT {_PROFILE_COLUMNS} {_FROM} WHERE NOT u.deleted"
_ORDER: Final = {
    UserOrder.CREATED: "u.created_us",
    UserOrder.LAST_LOGIN: "u.last_login_us",
    UserOrder.EMAIL: "u.email",
    UserOrder.PHONE: "u.phone",
    UserOrder.FIRST_NAME: "u.first_name",
    UserOrder.ROLE: "u.role",
}
_COUNT: Final = "SELECT count(*) FROM users WHERE NOT deleted"
_NEW_ID: Final = "SELECT nextval('user_ids')"
_COLUMNS: Final = (
    "object_id",
    "email",
    "email_verified",
    "email_proved_us",
    "phone",
    "phone_verified",
    "first_name",
    "role",
    "token_version",
    "totp_enabled",
    "wallet_active",
    "wallet_address",
    "deleted",
    "created_us",
    "last_login_us",
    "password_hash",
    "totp_secret",
    "totp_pending",
    "totp_pending_wrong",
    "totp_last_step",
    "revision",
    "id",
)
_INSERT: Final = f"""
INSERT INTO users ({", ".join(_COLUMNS)}) VALUES ({", ".join(["%s"] * len(_COLUMNS))})
"""  # noqa: S608
_UPDATE: Final = f"""
UPDATE users SET {", ".join(f"{name} = %s" for name in _COLUMNS[:-1])}
WHERE id = %s AND revision = %s
"""  # noqa: S608
_SAVE_AGENT: Final = """
INSERT INTO agents (user_id, agent_id, name, phone, commission_bp, active)
VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (user_id) DO UPDATE
SET agent_id = excluded.agent_id, name = excluded.name, phone = excluded.phone,
    commission_bp = excluded.commission_bp, active = excluded.active
"""
_TAKEN: Final = {
    "users_email": Reason.EMAIL_TAKEN,
    "users_phone": Reason.PHONE_TAKEN,
    "agents_id": Reason.AGENT_TAKEN,
}


@contextmanager
def store_errors() -> Iterator[None]:
    """Storage's way of being away, as the actors know it."""
    try:
        yield
    except Unavailable as error:
        raise StoreUnavailable(str(error)) from error


class Users:
    """The people of the database; secrets pass through `box`."""

    def __init__(self, pool: Pool, box: SecretBox, lookups: Pool | None = None) -> None:
        """`lookups`: sessions for look-ups of many at once (storage.prepared)."""
        self._pool = pool
        self._lookups = lookups or pool
        self._by_phone = Gathered(pool, _by_phones)
        self._box = box

    async def profiles(self, user_ids: Sequence[int]) -> list[Profile]:
        """Those of `user_ids` that exist, deleted ones included."""
        with store_errors():
            rows = await _PROFILES.rows(self._pool, int8s(user_ids))
        return [_profile(row) for row in rows]

    async def present(self, user_ids: Sequence[int]) -> list[int]:
        """Those of `user_ids` that exist and are not deleted."""
        with store_errors():
            return [row[0] for row in await _PRESENT.rows(self._lookups, int8s(user_ids))]

    async def find(self, by: Lookup, value: str) -> int | None:
        """The user id `value` belongs to."""
        with store_errors():
            if by is Lookup.PHONE:  # asked for by every push
                return await self._by_phone(value)
            row = await self._pool.fetch_one(_FIND[by], (value,))
        return None if row is None else int(row[0])

    async def page(
        self, order: UserOrder, descending: bool, limit: int, offset: int
    ) -> tuple[list[Profile], int]:
        """One page of everybody who is not deleted, and how many there are."""
        way = "DESC" if descending else "ASC"
        sql = f"{_PAGE} ORDER BY {_ORDER[order]} {way} NULLS LAST, u.id {way} LIMIT %s OFFSET %s"
        with store_errors():
            rows = await self._pool.fetch(sql, (Int8(limit), Int8(offset)))
            count = await self._pool.fetch_one(_COUNT)
        assert count is not None, "count answers one row"
        return [_profile(row) for row in rows], int(count[0])

    async def person(self, user_id: int) -> Person | None:
        """The person with secrets; raises SecretUnreadable when the key is another one."""
        with store_errors():
            row = await self._pool.fetch_one(_PERSON, (Int8(user_id),))
        return None if row is None else self._person(row)

    async def new_id(self) -> int:
        """An id nobody has had."""
        with store_errors():
            row = await self._pool.fetch_one(_NEW_ID)
        assert row is not None, "nextval answers one row"
        return int(row[0])

    async def insert(self, person: Person) -> Reason | None:
        """Create the person; EMAIL_TAKEN or PHONE_TAKEN when somebody has them."""
        return await self._write(_INSERT, self._params(person))

    async def save(self, person: Person) -> Reason | None:
        """Write the row whose revision is one less; raises StaleWrite when there is none."""
        with store_errors():
            try:
                async with self._pool.transaction() as connection:
                    await self.save_in(connection, person)
            except UniqueViolation as error:
                return _taken(error)
        return None

    async def save_in(self, connection: TrioConnection, person: Person) -> None:
        """`save` as part of a transaction; raises UniqueViolation and StaleWrite."""
        params = (*self._params(person), Int8(person.revision - 1))
        if (await connection.execute(_UPDATE, params)).rowcount != 1:
            raise StaleWrite(f"user {person.profile.user_id}, revision {person.revision}")

    async def save_agent(self, agent: Agent) -> Reason | None:
        """Create or replace the agent profile of `agent.user_id`."""
        params = (
            Int8(agent.user_id),
            agent.agent_id,
            agent.name,
            agent.phone,
            agent.commission_bp,
            agent.active,
        )
        return await self._write(_SAVE_AGENT, params)

    async def _write(self, sql: str, params: Sequence[Any]) -> Reason | None:
        with store_errors():
            try:
                await self._pool.execute(sql, params)
            except UniqueViolation as error:
                return _taken(error)
        return None

    def _person(self, row: Row) -> Person:
        profile = _profile(row)
        password_hash, secret, pending, pending_wrong, last_step, revision = row[21:]
        return Person(
            profile=profile,
            password_hash=password_hash,
            totp_secret=self._opened(secret, profile.user_id),
            totp_pending=self._opened(pending, profile.user_id),
            totp_pending_wrong=pending_wrong,
            totp_last_step=last_step,
            revision=revision,
        )

    def _params(self, person: Person) -> tuple[Any, ...]:
        """Values of _COLUMNS."""
        p = person.profile
        return (
            p.object_id,
            p.email,
            p.email_verified,
            Int8(p.email_proved_at_us),
            p.phone,
            p.phone_verified,
            p.first_name,
            p.role.value,
            Int8(p.token_version),
            p.totp_enabled,
            p.wallet_active,
            p.wallet_address,
            p.deleted,
            Int8(p.created_at_us),
            Int8(p.last_login_us),
            person.password_hash,
            self._sealed(person.totp_secret, p.user_id),
            self._sealed(person.totp_pending, p.user_id),
            person.totp_pending_wrong,
            Int8(person.totp_last_step),
            Int8(person.revision),
            Int8(p.user_id),
        )

    def _sealed(self, secret: str | None, user_id: int) -> bytes | None:
        return None if secret is None else self._box.seal(secret, f"totp:{user_id}")

    def _opened(self, sealed: bytes | None, user_id: int) -> str | None:
        return None if sealed is None else self._box.open(sealed, f"totp:{user_id}")


def _taken(error: UniqueViolation) -> Reason:
    """The refusal a unique key stands for; keys nobody can choose are faults."""
    reason = _TAKEN.get(error.constraint)
    if reason is None:
        raise error
    return reason


def _profile(row: Row) -> Profile:
    """The first 21 columns of a row."""
    agent = None if row[16] is None else Agent(row[16], row[0], row[17], row[18], row[19], row[20])
    return Profile(
        user_id=row[0],
        object_id=row[1],
        email=row[2],
        email_verified=row[3],
        email_proved_at_us=row[4],
        phone=row[5],
        phone_verified=row[6],
        first_name=row[7],
        role=Role(row[8]),
        token_version=row[9],
        totp_enabled=row[10],
        wallet_active=row[11],
        wallet_address=row[12],
        deleted=row[13],
        created_at_us=row[14],
        last_login_us=row[15],
        agent=agent,
    )


async def _by_phones(connection: TrioConnection, phones: list[str]) -> list[int | None]:
    rows = await _BY_PHONES.on(connection, texts(phones))
    found = {phone: int(user_id) for phone, user_id in rows}
    return [found.get(phone) for phone in phones]
