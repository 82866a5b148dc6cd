"""Keys at exchanges: one row a person and platform, sealed together as one secret."""

from collections.abc import Sequence
from typing import Final

import msgspec
from psycopg.types.numeric import Int8

from actors.exchange_keys import StoredKeys
from actors.exchanges import Keys
from storage.crypto import SecretBox
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors

_SAVE: Final = """
INSERT INTO exchange_keys
    (user_id, platform, sealed, valid, checked_us, latency_ms, can_withdraw, stored_us)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (user_id, platform) DO UPDATE
SET sealed = excluded.sealed, valid = excluded.valid, checked_us = excluded.checked_us,
    latency_ms = excluded.latency_ms, can_withdraw = excluded.can_withdraw,
    stored_us = excluded.stored_us
"""
_CHECKED: Final = """
UPDATE exchange_keys SET valid = %s, checked_us = %s, latency_ms = %s, can_withdraw = %s
WHERE user_id = %s AND platform = %s AND stored_us = %s
"""
_COLUMNS: Final = """
user_id, platform, sealed, valid, checked_us, latency_ms, can_withdraw, stored_us
"""
_OF: Final = f"""
SELECT {_COLUMNS} FROM exchange_keys WHERE user_id = %s ORDER BY platform
"""  # noqa: S608
_ONE: Final = f"""
SELECT {_COLUMNS} FROM exchange_keys WHERE user_id = %s AND platform = %s
"""  # noqa: S608
_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Keys).decode


class PostgresExchangeKeys:
    """Implements actors.exchange_keys.ExchangeKeyStore."""

    def __init__(self, pool: Pool, box: SecretBox) -> None:
        self._pool = pool
        self._box = box

    async def save(self, stored: StoredKeys) -> None:
        sealed = self._box.seal(_encode(stored.keys).decode(), _context(stored))
        with store_errors():
            await self._pool.execute(
                _SAVE,
                (
                    Int8(stored.user_id),
                    stored.platform,
                    sealed,
                    stored.valid,
                    Int8(stored.checked_us),
                    stored.latency_ms,
                    stored.can_withdraw,
                    Int8(stored.stored_us),
                ),
            )

    async def checked(self, stored: StoredKeys) -> None:
        with store_errors():
            await self._pool.execute(
                _CHECKED,
                (
                    stored.valid,
                    Int8(stored.checked_us),
                    stored.latency_ms,
                    stored.can_withdraw,
                    Int8(stored.user_id),
                    stored.platform,
                    Int8(stored.stored_us),
                ),
            )

    async def of(self, user_id: int) -> Sequence[StoredKeys]:
        with store_errors():
            rows = await self._pool.fetch(_OF, (Int8(user_id),))
        return [self._stored(row) for row in rows]

    async def one(self, user_id: int, platform: str) -> StoredKeys | None:
        with store_errors():
            row = await self._pool.fetch_one(_ONE, (Int8(user_id), platform))
        return None if row is None else self._stored(row)

    def _stored(self, row: Row) -> StoredKeys:
        user_id, platform, sealed, valid, checked_us, latency_ms, can_withdraw, stored_us = row
        opened = self._box.open(bytes(sealed), f"exchange:{user_id}:{platform}")
        return StoredKeys(
            user_id=user_id,
            platform=platform,
            keys=_decode(opened.encode()),
            valid=valid,
            checked_us=checked_us,
            latency_ms=latency_ms,
            can_withdraw=can_withdraw,
            stored_us=stored_us,
        )


def _context(stored: StoredKeys) -> str:
    """Sealed keys open in their own row only."""
    return f"exchange:{stored.user_id}:{stored.platform}"
