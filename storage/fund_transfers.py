"""Transfers between exchanges: one row each, written with the journal of its hold."""

from collections.abc import Sequence
from typing import Any, Final

from psycopg.types.numeric import Int8

from actors.fund_transfers import FundTransfer, TransferDecided, TransferRequested
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

_COLUMNS: Final = """
id, user_id, from_provider, to_provider, amount, asset, status, reason, correlation_id,
created_us, hold_id, decided_us
"""
_NAMES: Final = tuple(name.strip() for name in _COLUMNS.split(","))
_INSERT: Final = f"""
INSERT INTO fund_transfers ({_COLUMNS})
VALUES (%s, %s, %s, %s, %s::numeric, %s, %s, %s, %s, %s, %s, %s)
"""  # noqa: S608
_DECIDE: Final = """
UPDATE fund_transfers SET status = %s, decided_us = %s WHERE id = %s AND status = 'pending'
"""
_OF: Final = f"""
SELECT {_COLUMNS} FROM fund_transfers WHERE user_id = %s ORDER BY created_us DESC, id LIMIT %s
"""  # noqa: S608
_FIND: Final = f"SELECT {_COLUMNS} FROM fund_transfers WHERE id = %s"  # noqa: S608
_PENDING: Final = f"""
SELECT {_COLUMNS} FROM fund_transfers WHERE status = 'pending' ORDER BY created_us LIMIT %s
"""  # noqa: S608


class PostgresFundTransfers:
    """Implements actors.fund_transfers.FundTransferStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def of(self, user_id: int, limit: int) -> Sequence[FundTransfer]:
        return await self._all(_OF, (Int8(user_id), limit))

    async def find(self, transfer_id: str) -> FundTransfer | None:
        found = await self._all(_FIND, (transfer_id,))
        return found[0] if found else None

    async def pending(self, limit: int) -> Sequence[FundTransfer]:
        return await self._all(_PENDING, (limit,))

    async def _all(self, sql: str, params: Sequence[Any]) -> list[FundTransfer]:
        with store_errors():
            return [_transfer(row) for row in await self._pool.fetch(sql, params)]


def _transfer(row: Row) -> FundTransfer:
    fields = dict(zip(_NAMES, row, strict=True))
    return FundTransfer(**{**fields, "amount": int(fields["amount"])})


def _inserted(change: TransferRequested) -> list[Any]:
    transfer = change.transfer
    return [
        transfer.id,
        Int8(transfer.user_id),
        transfer.from_provider,
        transfer.to_provider,
        str(transfer.amount),
        transfer.asset,
        transfer.status,
        transfer.reason,
        transfer.correlation_id,
        Int8(transfer.created_us),
        Int8(transfer.hold_id),
        Int8(transfer.decided_us),
    ]


def _decided(change: TransferDecided) -> list[Any]:
    transfer = change.transfer
    return [transfer.status, Int8(transfer.decided_us), transfer.id]


register_write(TransferRequested, _INSERT, _inserted)
register_write(TransferDecided, _DECIDE, _decided)
