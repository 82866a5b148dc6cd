"""Wallet fundings: one row each; moves are written by version, alone or in a journal."""

from collections.abc import Sequence
from typing import Any, Final

from psycopg.types.numeric import Int8

from actors.funding_store import FundingMoved, Remembered
from actors.identity_store import StaleWrite
from actors.journal import RowConflict
from domain.funding import COUNTED, Funding, Signal, State
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write, write

_COLUMNS: Final = """reference, user_id, amount, email, state, version, signals, review, created_us,
       proved_us, transaction_ms, collected, source_ref"""
_VOID: Final = """
UPDATE fundings SET state = 'void', version = version + 1 WHERE user_id = %s AND state = 'pending'
"""
_INSERT: Final = f"""
INSERT INTO fundings ({_COLUMNS})
VALUES (%s, %s, %s::numeric, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
"""  # noqa: S608
_MOVE: Final = """
UPDATE fundings SET state = %s, version = %s, signals = %s, review = %s, proved_us = %s,
                    transaction_ms = %s, collected = %s, source_ref = %s
WHERE reference = %s AND version = %s
"""
_REMEMBER: Final = """
INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_LAST: Final = "SELECT coalesce(max(transaction_ms), 0) FROM fundings WHERE transaction_ms <> 0"
_UNFINISHED: Final = f"""
SELECT {_COLUMNS} FROM fundings WHERE user_id = %s AND state = 'pending' UNION ALL
SELECT {_COLUMNS} FROM fundings WHERE user_id = %s AND state = 'cleared'
"""  # noqa: S608
_FIND: Final = f"SELECT {_COLUMNS} FROM fundings WHERE reference = %s"  # noqa: S608
_COUNTED: Final = """
SELECT coalesce(sum(amount), 0)::text FROM fundings
WHERE user_id = %s AND proved_us >= %s AND state IN ('cleared', 'under_review', 'completed')
"""
_UNSETTLED: Final = "SELECT DISTINCT user_id FROM fundings WHERE state = 'cleared'"
_UNDER_REVIEW: Final = f"""
SELECT {_COLUMNS} FROM fundings WHERE state = 'under_review' ORDER BY proved_us LIMIT %s
"""  # noqa: S608

assert {state.value for state in COUNTED} == {"cleared", "under_review", "completed"}


class PostgresFundings:
    """Implements actors.funding_store.FundingStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def last_transaction_ms(self) -> int:
        with store_errors():
            return int((await self._pool.fetch(_LAST))[0][0])

    async def unfinished(self, user_id: int) -> Sequence[Funding]:
        return await self._all(_UNFINISHED, (Int8(user_id), Int8(user_id)))

    async def find(self, reference: str) -> Funding | None:
        found = await self._all(_FIND, (reference,))
        return found[0] if found else None

    async def add(self, funding: Funding) -> None:
        with store_errors():
            async with self._pool.transaction() as connection:
                await connection.execute(_VOID, (Int8(funding.user_id),))
                await connection.execute(_INSERT, _row(funding))

    async def write(self, *changes: Any) -> None:
        with store_errors():
            try:
                async with self._pool.transaction() as connection:
                    for change in changes:
                        await write(connection, change)
            except RowConflict as conflict:
                raise StaleWrite(conflict.constraint) from conflict

    async def counted_since(self, user_id: int, from_us: int) -> int:
        with store_errors():
            return int((await self._pool.fetch(_COUNTED, (Int8(user_id), Int8(from_us))))[0][0])

    async def unsettled(self) -> Sequence[int]:
        with store_errors():
            return [int(row[0]) for row in await self._pool.fetch(_UNSETTLED)]

    async def under_review(self, limit: int) -> Sequence[Funding]:
        return await self._all(_UNDER_REVIEW, (Int8(limit),))

    async def _all(self, sql: str, params: Sequence[Any]) -> list[Funding]:
        with store_errors():
            return [_funding(row) for row in await self._pool.fetch(sql, params)]


def _row(funding: Funding) -> list[Any]:
    return [
        funding.reference,
        Int8(funding.user_id),
        str(funding.amount),
        funding.email,
        funding.state.value,
        funding.version,
        ",".join(funding.signals),
        funding.review,
        Int8(funding.created_us),
        Int8(funding.proved_us),
        Int8(funding.transaction_ms),
        funding.collected,
        funding.source_ref,
    ]


def _move(funding: Funding) -> list[Any]:
    return [
        funding.state.value,
        funding.version,
        ",".join(funding.signals),
        funding.review,
        Int8(funding.proved_us),
        Int8(funding.transaction_ms),
        funding.collected,
        funding.source_ref,
        funding.reference,
        funding.version - 1,
    ]


def _funding(row: Row) -> Funding:
    reference, user_id, amount, email, state, version, found, review, *rest = row
    created_us, proved_us, transaction_ms, collected, source_ref = rest
    return Funding(
        reference=reference,
        user_id=user_id,
        amount=int(amount),
        email=email,
        state=State(state),
        version=version,
        signals=tuple(Signal(name) for name in found.split(",") if name),
        review=review,
        created_us=created_us,
        proved_us=proved_us,
        transaction_ms=transaction_ms,
        collected=collected,
        source_ref=source_ref,
    )


def _remembered(change: Remembered) -> list[Any]:
    ticket = change.ticket
    return [ticket.scope, ticket.key, ticket.fingerprint, change.outcome, Int8(change.at_us)]


register_write(FundingMoved, _MOVE, lambda change: _move(change.funding))
register_write(Remembered, _REMEMBER, _remembered)
