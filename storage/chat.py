"""Conversations with the assistant, and what it proposed."""

from collections.abc import Sequence
from typing import Final

import msgspec
from psycopg.types.numeric import Int8

from actors.chat_store import Message, Taken
from domain.assistant.intents import Proposal
from storage.pool import Pool
from storage.users import store_errors

_KEPT: Final = 1_000  # lines of one conversation
_ADD: Final = "INSERT INTO chat_messages (user_id, role, content, at_us) VALUES (%s, %s, %s, %s)"
_FORGET: Final = """
DELETE FROM chat_messages WHERE user_id = %s AND id <= (
    SELECT id FROM chat_messages WHERE user_id = %s ORDER BY id DESC LIMIT 1 OFFSET %s)
"""
_LAST: Final = """
SELECT role, content, at_us FROM chat_messages WHERE user_id = %s ORDER BY id DESC LIMIT %s
"""
_CLEAR: Final = "DELETE FROM chat_messages WHERE user_id = %s"
_WITHDRAW: Final = "DELETE FROM chat_proposals WHERE user_id = %s"
_PROPOSE: Final = """
INSERT INTO chat_proposals (token_hash, user_id, intent, expires_us) VALUES (%s, %s, %s, %s)
"""
# Long dead ones go when a new one comes; a day, so that a late token still hears that it expired.
_PURGE: Final = "DELETE FROM chat_proposals WHERE expires_us < %s"
_DEAD_US: Final = 86_400_000_000
_TAKE: Final = """
DELETE FROM chat_proposals WHERE token_hash = %s AND user_id = %s RETURNING intent, expires_us
"""
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Proposal).decode


class PostgresChat:
    """Implements actors.chat_store.ChatStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, user_id: int, messages: Sequence[Message]) -> None:
        with store_errors():
            async with self._pool.transaction() as connection:
                for message in messages:
                    row = (Int8(user_id), message.role, message.content, Int8(message.at_us))
                    await connection.execute(_ADD, row)
                await connection.execute(_FORGET, (Int8(user_id), Int8(user_id), Int8(_KEPT)))

    async def last(self, user_id: int, limit: int) -> Sequence[Message]:
        with store_errors():
            rows = await self._pool.fetch(_LAST, (Int8(user_id), Int8(limit)))
        return [Message(*row) for row in reversed(rows)]

    async def clear(self, user_id: int) -> None:
        with store_errors():
            async with self._pool.transaction() as connection:
                await connection.execute(_CLEAR, (Int8(user_id),))
                await connection.execute(_WITHDRAW, (Int8(user_id),))

    async def propose(
        self, user_id: int, token_hash: bytes, proposal: Proposal, expires_us: int
    ) -> None:
        row = (token_hash, Int8(user_id), _encode(proposal), Int8(expires_us))
        with store_errors():
            async with self._pool.transaction() as connection:
                await connection.execute(_PURGE, (Int8(expires_us - _DEAD_US),))
                await connection.execute(_PROPOSE, row)

    async def take(self, user_id: int, token_hash: bytes) -> Taken | None:
        with store_errors():
            row = await self._pool.fetch_one(_TAKE, (token_hash, Int8(user_id)))
        return None if row is None else Taken(_decode(bytes(row[0])), int(row[1]))
