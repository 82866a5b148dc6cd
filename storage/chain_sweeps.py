"""Sweeps: which deposit addresses have something to collect, and what is under way."""

from collections.abc import Mapping, Sequence
from typing import Final

from actors.audit import AuditEntry
from actors.chain_store import Owner
from actors.chain_sweeps import Candidate
from domain.chains.transfers import Withdrawal
from storage.audit import insert_entry
from storage.chain_withdrawals import WITHDRAWAL_COLUMNS, withdrawal_of
from storage.pool import Pool
from storage.users import store_errors

# Deposits that were settled on us are in no block, and on no address. A sweep takes for certain
# what was confirmed before it was asked for: of Bitcoin nothing else is spent.
_CANDIDATES: Final = """
SELECT address, min(owner), min(purpose), array_agg(DISTINCT token ORDER BY token)
FROM chain_deposits d
WHERE chain = %(chain)s AND state = 'confirmed' AND block > 0
  AND (%(everything)s OR NOT EXISTS (
      SELECT FROM chain_withdrawals w
      WHERE w.chain = d.chain AND w.source = d.address AND w.token = d.token AND w.kind = 'sweep'
        AND w.state = 'confirmed' AND w.created_us > greatest(d.seen_us, d.confirmed_us)))
GROUP BY address ORDER BY min(d.id) LIMIT %(limit)s
"""
_OPEN: Final = f"""
SELECT {WITHDRAWAL_COLUMNS} FROM chain_withdrawals
WHERE chain = %s AND kind = 'sweep' AND state IN ('queued', 'signed', 'sent', 'stuck')
"""  # noqa: S608
_GAS: Final = """
SELECT address FROM chain_withdrawals
WHERE chain = %s AND kind = 'gas' AND state IN ('queued', 'signed', 'sent', 'stuck')
"""
_NUMBER: Final = """
SELECT (SELECT count(*) FROM chain_withdrawals
        WHERE chain = %(chain)s AND source = %(address)s AND kind = 'sweep'),
       (SELECT count(*) FROM chain_withdrawals
        WHERE chain = %(chain)s AND address = %(address)s AND kind = 'gas')
"""
_BEGIN: Final = """
INSERT INTO chain_withdrawals (id, chain, token, address, amount_raw, state, created_us, told,
                               kind, source, source_key)
VALUES (%s, %s, %s, %s, %s, 'queued', %s, 'queued', %s, %s, %s) ON CONFLICT DO NOTHING
"""
_NEWEST: Final = f"""
SELECT {WITHDRAWAL_COLUMNS} FROM chain_withdrawals
WHERE kind <> 'payout' ORDER BY number DESC LIMIT %s
"""  # noqa: S608


class _Known(Exception):
    """Somebody else has begun it: nothing of this is written."""


class PostgresSweeps:
    """Implements actors.chain_sweeps.SweepStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def candidates(self, chain: str, limit: int, *, everything: bool) -> Sequence[Candidate]:
        asked = {"chain": chain, "limit": limit, "everything": everything}
        with store_errors():
            rows = await self._pool.fetch(_CANDIDATES, asked)
        return [Candidate(row[0], Owner(row[1], row[2]), tuple(row[3])) for row in rows]

    async def open_sweeps(self, chain: str) -> Mapping[str, Withdrawal]:
        with store_errors():
            rows = await self._pool.fetch(_OPEN, [chain])
        return {sweep.source: sweep for sweep in map(withdrawal_of, rows)}

    async def gas_under_way(self, chain: str) -> frozenset[str]:
        with store_errors():
            return frozenset(row[0] for row in await self._pool.fetch(_GAS, [chain]))

    async def number(self, chain: str, address: str) -> tuple[int, int]:
        with store_errors():
            row = await self._pool.fetch_one(_NUMBER, {"chain": chain, "address": address})
        assert row is not None, "an aggregate answers one row"
        return row[0], row[1]

    async def begin(self, made: Sequence[Withdrawal], deed: AuditEntry) -> bool:
        try:
            with store_errors():
                async with self._pool.transaction() as connection:
                    for withdrawal in made:
                        done = await connection.execute(_BEGIN, _values(withdrawal))
                        if done.rowcount != 1:
                            raise _Known
                    await insert_entry(connection, deed)
        except _Known:
            return False
        return True

    async def newest(self, limit: int) -> Sequence[Withdrawal]:
        with store_errors():
            return [withdrawal_of(row) for row in await self._pool.fetch(_NEWEST, [limit])]


def _values(withdrawal: Withdrawal) -> list[object]:
    return [
        withdrawal.id,
        withdrawal.chain,
        withdrawal.token,
        withdrawal.address,
        withdrawal.amount_raw,
        withdrawal.created_us,
        withdrawal.kind.value,
        withdrawal.source,
        withdrawal.source_key,
    ]
