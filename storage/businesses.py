"""Businesses of document 002: one row each, found by id, merchant number and address."""

from typing import Final

from psycopg.types.numeric import Int8

from domain.nexuspay.business import Business
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors

_COLUMNS: Final = """
id, user_id, name, owner_name, location, type, phone, created_us, number, address, completed_us
"""
# A complete business is left as it is; its row then comes from the second half.
_SAVE: Final = f"""
WITH saved AS (
    INSERT INTO businesses AS b (id, user_id, name, owner_name, location, type, phone, created_us)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT ON CONSTRAINT businesses_user DO UPDATE
    SET name = excluded.name, owner_name = excluded.owner_name, location = excluded.location,
        type = excluded.type, phone = excluded.phone
    WHERE b.number = 0
    RETURNING {_COLUMNS}
)
SELECT {_COLUMNS} FROM saved
UNION ALL
SELECT {_COLUMNS} FROM businesses WHERE user_id = %s AND NOT EXISTS (SELECT FROM saved)
"""  # noqa: S608  # only constants
_COMPLETE: Final = f"""
UPDATE businesses SET number = nextval('merchant_numbers'), address = %s, completed_us = %s
WHERE id = %s AND number = 0 RETURNING {_COLUMNS}
"""  # noqa: S608
_BY_ID: Final = f"SELECT {_COLUMNS} FROM businesses WHERE id = %s"  # noqa: S608
_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM businesses WHERE number = %s"  # noqa: S608
_BY_ADDRESS: Final = f"""
SELECT {_COLUMNS} FROM businesses WHERE lower(address) = lower(%s) AND address <> ''
"""  # noqa: S608


class PostgresBusinesses:
    """Implements actors.nexus_store.BusinessStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def save_pending(self, business: Business) -> Business:
        """Insert, or update the particulars of the owner's pending one; as stored."""
        params = (
            business.id,
            Int8(business.user_id),
            business.name,
            business.owner_name,
            business.location,
            business.type,
            business.phone,
            Int8(business.created_us),
            Int8(business.user_id),
        )
        stored = await self._one(_SAVE, params)
        assert stored is not None, "either half answers one row"
        return stored

    async def complete(self, business_id: str, address: str, at_us: int) -> Business | None:
        """Number it; None when it is not pending."""
        return await self._one(_COMPLETE, (address, Int8(at_us), business_id))

    async def by_id(self, business_id: str) -> Business | None:
        """The business with this id."""
        return await self._one(_BY_ID, (business_id,))

    async def by_number(self, number: int) -> Business | None:
        """The business with this merchant number."""
        return await self._one(_BY_NUMBER, (Int8(number),))

    async def by_address(self, address: str) -> Business | None:
        """The business with this wallet address, in any case."""
        return await self._one(_BY_ADDRESS, (address,))

    async def _one(self, sql: str, params: tuple[object, ...]) -> Business | None:
        with store_errors():
            row = await self._pool.fetch_one(sql, params)
        return None if row is None else _business(row)


def _business(row: Row) -> Business:
    return Business(**dict(zip(_NAMES, row, strict=True)))


_NAMES: Final = tuple(name.strip() for name in _COLUMNS.split(","))
