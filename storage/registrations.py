"""Registrations waiting for their codes."""

from typing import Final

from psycopg.types.numeric import Int8

from domain.identity import Channel
from domain.identity.registration import Registration, VerifyWith
from domain.identity.windows import DAY
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors

# An abandoned registration holds nothing that anybody else needs; it is kept for the questions
# that support gets.
KEPT_US: Final = 7 * DAY

_COLUMNS: Final = (
    "user_id, email, phone, password_hash, verify_with, email_proved, phone_proved, created_us"
)
_SAVE: Final = f"""
INSERT INTO registrations ({_COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (email) DO UPDATE
SET user_id = excluded.user_id, phone = excluded.phone, password_hash = excluded.password_hash,
    verify_with = excluded.verify_with, email_proved = excluded.email_proved,
    phone_proved = excluded.phone_proved, created_us = excluded.created_us
"""  # noqa: S608  # only constants
_PURGE: Final = "DELETE FROM registrations WHERE created_us < %s"
_BY_EMAIL: Final = f"SELECT {_COLUMNS} FROM registrations WHERE email = %s"  # noqa: S608
_BY_PHONE: Final = f"""
SELECT {_COLUMNS} FROM registrations WHERE phone = %s ORDER BY created_us DESC LIMIT 1
"""  # noqa: S608
_PROVE: Final = {
    Channel.EMAIL: f"""
UPDATE registrations SET email_proved = true WHERE user_id = %s RETURNING {_COLUMNS}
""",  # noqa: S608
    Channel.SMS: f"""
UPDATE registrations SET phone_proved = true WHERE user_id = %s RETURNING {_COLUMNS}
""",  # noqa: S608
}
_DROP: Final = "DELETE FROM registrations WHERE user_id = %s"


class StoredRegistrations:
    """Implements actors.registration.RegistrationStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save(self, registration: Registration) -> None:
        """Put it in the place of any other of the same e-mail; forget those of last week."""
        params = (
            Int8(registration.user_id),
            registration.email,
            registration.phone,
            registration.password_hash,
            registration.verify_with.value,
            registration.email_proved,
            registration.phone_proved,
            Int8(registration.created_at_us),
        )
        with store_errors():
            await self._pool.execute(_PURGE, (Int8(registration.created_at_us - KEPT_US),))
            await self._pool.execute(_SAVE, params)

    async def by_email(self, email: str) -> Registration | None:
        """The registration of this e-mail."""
        return await self._one(_BY_EMAIL, email)

    async def by_phone(self, phone: str) -> Registration | None:
        """The newest with this phone."""
        return await self._one(_BY_PHONE, phone)

    async def prove(self, user_id: int, channel: Channel) -> Registration | None:
        """Mark the channel proved; the registration afterwards, None when there is none."""
        return await self._one(_PROVE[channel], Int8(user_id))

    async def drop(self, user_id: int) -> None:
        """It is over."""
        with store_errors():
            await self._pool.execute(_DROP, (Int8(user_id),))

    async def _one(self, sql: str, key: str | Int8) -> Registration | None:
        with store_errors():
            row = await self._pool.fetch_one(sql, (key,))
        return None if row is None else _registration(row)


def _registration(row: Row) -> Registration:
    return Registration(
        user_id=row[0],
        email=row[1],
        phone=row[2],
        password_hash=row[3],
        verify_with=VerifyWith(row[4]),
        email_proved=row[5],
        phone_proved=row[6],
        created_at_us=row[7],
    )
