"""Codes, attempts and verification tokens: what people are in the middle of proving."""

from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg.types.numeric import Int8

from actors.identity_store import StaleWrite
from actors.journal import RowConflict
from domain.identity import Channel, CodeSession, Method, Purpose, Surface, TokenConsumed
from domain.identity.proofs import CodeKey, ProofChange, Proofs
from domain.identity.tokens import VerificationToken
from domain.identity.windows import DAY, Lockout, Window
from storage.driver import Row, TrioConnection
from storage.pool import Pool
from storage.users import Users, store_errors
from storage.writes import register_write, write

# How long a dead code is remembered as expired, and a spent token as spent.
REMEMBERED_US: Final = DAY

SPEND: Final = """
UPDATE verification_tokens SET used_us = %s WHERE token_hash = %s AND used_us IS NULL
"""
"""Spends a token in the journal's transaction: must touch exactly one row (CASH-C12)."""

_SESSIONS: Final = """
SELECT surface, purpose, channel, salt, code_hash, expires_us, wrong
FROM codes WHERE user_id = %s AND expires_us > %s
"""
_ATTEMPTS: Final = "SELECT name, marks, locked_until_us FROM attempts WHERE user_id = %s"
_SAVE_SESSION: Final = """
INSERT INTO codes (user_id, surface, purpose, channel, salt, code_hash, expires_us, wrong)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (user_id, surface, purpose) DO UPDATE
SET channel = excluded.channel, salt = excluded.salt, code_hash = excluded.code_hash,
    expires_us = excluded.expires_us, wrong = excluded.wrong
"""
_END_SESSION: Final = "DELETE FROM codes WHERE user_id = %s AND surface = %s AND purpose = %s"
_SAVE_ATTEMPTS: Final = """
INSERT INTO attempts (user_id, name, marks, locked_until_us) VALUES (%s, %s, %s, %s)
ON CONFLICT (user_id, name) DO UPDATE
SET marks = excluded.marks, locked_until_us = excluded.locked_until_us
"""
_ISSUE: Final = """
INSERT INTO verification_tokens (token_hash, user_id, purpose, method, expires_us)
VALUES (%s, %s, %s, %s, %s)
"""
_PURGE: Final = (
    "DELETE FROM codes WHERE expires_us < %s",
    "DELETE FROM verification_tokens WHERE expires_us < %s",
)
_UNSPENT: Final = """
SELECT token_hash, purpose, method, expires_us
FROM verification_tokens WHERE token_hash = %s AND user_id = %s AND used_us IS NULL
"""

register_write(TokenConsumed, SPEND, lambda change: (Int8(change.used_at_us), change.token_hash))


class Codes:
    """The proofs of the database; `users` writes the person when a step changes both."""

    def __init__(self, pool: Pool, users: Users) -> None:
        self._pool = pool
        self._users = users

    async def load(self, user_id: int, now_us: int) -> Proofs:
        """What is still good for anything at `now_us`."""
        who = Int8(user_id)
        with store_errors():
            async with self._pool.connection() as connection:
                sessions = await _rows(connection, _SESSIONS, (who, Int8(now_us - REMEMBERED_US)))
                attempts = await _rows(connection, _ATTEMPTS, (who,))
        return Proofs(
            {(Surface(row[0]), Purpose(row[1])): _session(row) for row in sessions},
            {name: Lockout(Window(tuple(marks)), until) for name, marks, until in attempts},
        )

    async def save(self, user_id: int, change: ProofChange, also: Sequence[Any] = ()) -> None:
        """Write the step, and the row changes in `also`, in one transaction."""
        with store_errors():
            try:
                async with self._pool.transaction() as connection:
                    await self._save_in(connection, user_id, change)
                    for other in also:
                        await write(connection, other)
            except RowConflict as conflict:
                raise StaleWrite(conflict.constraint) from conflict

    async def _save_in(self, connection: TrioConnection, user_id: int, change: ProofChange) -> None:
        for key, session in change.sessions.items():
            await _save_session(connection, user_id, key, session)
        for name, lockout in change.attempts.items():
            await _save_attempts(connection, user_id, name, lockout)
        if change.token is not None:
            await _save_token(connection, user_id, change.token)
        if change.person is not None:
            await self._users.save_in(connection, change.person)

    async def purge(self, now_us: int) -> None:
        """Forget codes and tokens that expired a day ago."""
        with store_errors():
            for sql in _PURGE:
                await self._pool.execute(sql, (Int8(now_us - REMEMBERED_US),))

    async def burn(self, consumed: TokenConsumed) -> None:
        """Spend a token on nothing."""
        with store_errors():
            await self._pool.execute(SPEND, (Int8(consumed.used_at_us), consumed.token_hash))

    async def unspent(self, user_id: int, token_hash: bytes) -> VerificationToken | None:
        """This person's token, expired or not, unless it was spent."""
        with store_errors():
            row = await self._pool.fetch_one(_UNSPENT, (token_hash, Int8(user_id)))
        return None if row is None else _token(row)


async def _rows(
    connection: psycopg.AsyncConnection[Row], sql: str, params: tuple[Int8, ...]
) -> list[Row]:
    return await (await connection.execute(sql, params)).fetchall()


async def _save_session(
    connection: TrioConnection, user_id: int, key: CodeKey, session: CodeSession | None
) -> None:
    surface, purpose = key
    if session is None:
        await connection.execute(_END_SESSION, (Int8(user_id), surface.value, purpose.value))
        return
    params = (
        Int8(user_id),
        surface.value,
        purpose.value,
        session.channel.value,
        session.salt,
        session.code_hash,
        Int8(session.expires_at_us),
        session.wrong,
    )
    await connection.execute(_SAVE_SESSION, params)


async def _save_attempts(
    connection: TrioConnection, user_id: int, name: str, lockout: Lockout
) -> None:
    marks = [Int8(mark) for mark in lockout.failures.marks]
    params = (Int8(user_id), name, marks, Int8(lockout.locked_until_us))
    await connection.execute(_SAVE_ATTEMPTS, params)


async def _save_token(connection: TrioConnection, user_id: int, token: VerificationToken) -> None:
    params = (
        token.token_hash,
        Int8(user_id),
        token.purpose.value,
        token.method.value,
        Int8(token.expires_at_us),
    )
    await connection.execute(_ISSUE, params)


def _session(row: Row) -> CodeSession:
    surface, purpose, channel, salt, code_hash, expires_us, wrong = row
    return CodeSession(
        Surface(surface), Purpose(purpose), Channel(channel), salt, code_hash, expires_us, wrong
    )


def _token(row: Row) -> VerificationToken:
    token_hash, purpose, method, expires_us = row
    return VerificationToken(token_hash, Purpose(purpose), Method(method), expires_us)
