"""Withdrawals on chains, what was signed for them, and the nonces and coins that uses up."""

from collections.abc import Collection, Sequence
from typing import Final

from actors.chain_store import Flight
from domain.chains.transfers import (
    OPEN_WITHDRAWALS,
    SignedTransaction,
    Withdrawal,
    WithdrawalKind,
    WithdrawalState,
)
from storage.driver import Row
from storage.pool import Pool
from storage.users import store_errors

WITHDRAWAL_COLUMNS: Final = """
       id, chain, token, address, amount_raw, state, tx_hash, reason, block, fee_raw, created_us,
       gas_used, kind, source, source_key"""
_ADD: Final = """
INSERT INTO chain_withdrawals (id, chain, token, address, amount_raw, state, created_us, told)
VALUES (%s, %s, %s, %s, %s, 'queued', %s, 'queued') ON CONFLICT (id) DO NOTHING
"""
_LOAD: Final = f"SELECT {WITHDRAWAL_COLUMNS} FROM chain_withdrawals WHERE id = %s"  # noqa: S608
_OPEN: Final = f"""
SELECT {WITHDRAWAL_COLUMNS} FROM chain_withdrawals
WHERE chain = %s AND state IN ('queued', 'signed', 'sent') ORDER BY number
"""  # noqa: S608
_SIGNED: Final = """
SELECT t.withdrawal_id, t.version, t.tx_hash, t.raw, t.terms, t.signed_us, t.sent_us,
       ARRAY(SELECT slot FROM chain_slots s WHERE s.withdrawal_id = w.id ORDER BY slot)
FROM chain_transactions t JOIN chain_withdrawals w ON w.id = t.withdrawal_id
WHERE w.chain = %s AND w.state IN ('queued', 'signed', 'sent') ORDER BY w.number, t.version
"""
_LAST_SLOT: Final = "SELECT max(slot) FROM chain_slots WHERE chain = %s"
_USED: Final = "SELECT slot FROM chain_slots WHERE chain = %s AND slot = ANY(%s)"
_MARK: Final = """
UPDATE chain_withdrawals SET state = 'signed', tx_hash = %s WHERE id = %s AND state = 'queued'
"""
_MARK_AGAIN: Final = """
UPDATE chain_withdrawals SET tx_hash = %s WHERE id = %s AND state IN ('signed', 'sent')
"""
# Every address has nonces of its own: those of other addresses than the hot wallet's are in a
# space named after the address.
_TAKE: Final = """
INSERT INTO chain_slots (chain, slot, withdrawal_id)
SELECT chain || CASE source WHEN '' THEN '' ELSE '/' || source END, %s, id
FROM chain_withdrawals WHERE id = %s
"""
_KEEP: Final = """
INSERT INTO chain_transactions (withdrawal_id, version, chain, tx_hash, raw, terms, signed_us)
VALUES (%s, %s, %s, %s, %s, %s, %s)
"""
_TRIED: Final = """
UPDATE chain_transactions SET sent_us = %s WHERE withdrawal_id = %s AND version = %s
"""
_SENT: Final = "UPDATE chain_withdrawals SET state = 'sent' WHERE id = %s AND state = 'signed'"
_SETTLE: Final = """
UPDATE chain_withdrawals SET state = %s, reason = %s, tx_hash = %s, block = %s, fee_raw = %s,
    gas_used = %s
WHERE id = %s AND state IN ('queued', 'signed', 'sent')
"""
_UNTOLD: Final = f"""
SELECT {WITHDRAWAL_COLUMNS} FROM chain_withdrawals
WHERE chain = %s AND told <> state ORDER BY number LIMIT %s
"""  # noqa: S608
_TOLD: Final = "UPDATE chain_withdrawals SET told = %s WHERE id = %s"

assert {state.value for state in OPEN_WITHDRAWALS} == {"queued", "signed", "sent"}


class WithdrawalMoved(Exception):
    """A withdrawal was not in the state its only actor remembered: recover and look again."""


class PostgresWithdrawals:
    """Implements actors.chain_store.WithdrawalStore."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    async def add(self, withdrawal: Withdrawal) -> Withdrawal:
        with store_errors():
            await self._pool.execute(
                _ADD,
                [
                    withdrawal.id,
                    withdrawal.chain,
                    withdrawal.token,
                    withdrawal.address,
                    withdrawal.amount_raw,
                    withdrawal.created_us,
                ],
            )
            stored = await self.withdrawal(withdrawal.id)
        assert stored is not None, "withdrawals are never deleted"
        return stored

    async def withdrawal(self, withdrawal_id: str) -> Withdrawal | None:
        with store_errors():
            row = await self._pool.fetch_one(_LOAD, [withdrawal_id])
        return withdrawal_of(row) if row else None

    async def flights(self, chain: str) -> Sequence[Flight]:
        with store_errors():
            rows = await self._pool.fetch(_OPEN, [chain])
            signed = await self._pool.fetch(_SIGNED, [chain]) if rows else []
        versions: dict[str, list[SignedTransaction]] = {}
        for row in signed:
            versions.setdefault(row[0], []).append(_signed(row))
        withdrawals = [withdrawal_of(row) for row in rows]
        return [Flight(w, tuple(versions.get(w.id, ()))) for w in withdrawals]

    async def last_slot(self, chain: str, source: str = "") -> str | None:
        with store_errors():
            row = await self._pool.fetch_one(_LAST_SLOT, [_space(chain, source)])
        return row[0] if row else None

    async def used_slots(
        self, chain: str, slots: Collection[str], source: str = ""
    ) -> frozenset[str]:
        with store_errors():
            rows = await self._pool.fetch(_USED, [_space(chain, source), list(slots)])
        return frozenset(row[0] for row in rows)

    async def sign(self, chain: str, signed: SignedTransaction) -> None:
        """Raises WithdrawalMoved or UniqueViolation, both without writing anything, when
        somebody else has signed for it or uses its slots."""
        first = signed.version == 0
        with store_errors():
            async with self._pool.transaction() as connection:
                marked = await connection.execute(
                    _MARK if first else _MARK_AGAIN, [signed.tx_hash, signed.withdrawal_id]
                )
                if marked.rowcount != 1:
                    raise WithdrawalMoved(signed.withdrawal_id)
                for slot in signed.slots if first else ():
                    await connection.execute(_TAKE, [slot, signed.withdrawal_id])
                await connection.execute(_KEEP, _values(chain, signed))

    async def sent(self, signed: SignedTransaction, at_us: int) -> None:
        with store_errors():
            async with self._pool.transaction() as connection:
                await connection.execute(_TRIED, [at_us, signed.withdrawal_id, signed.version])
                await connection.execute(_SENT, [signed.withdrawal_id])

    async def tried(self, signed: SignedTransaction, at_us: int) -> None:
        with store_errors():
            await self._pool.execute(_TRIED, [at_us, signed.withdrawal_id, signed.version])

    async def settle(self, withdrawal: Withdrawal) -> bool:
        with store_errors():
            values = [
                withdrawal.state.value,
                withdrawal.reason,
                withdrawal.tx_hash,
                withdrawal.block,
                withdrawal.fee_raw,
                withdrawal.gas_used,
                withdrawal.id,
            ]
            return await self._pool.execute(_SETTLE, values) == 1

    async def untold_withdrawals(self, chain: str, limit: int) -> Sequence[Withdrawal]:
        with store_errors():
            return [withdrawal_of(row) for row in await self._pool.fetch(_UNTOLD, [chain, limit])]

    async def told_withdrawal(self, withdrawal_id: str, state: WithdrawalState) -> None:
        with store_errors():
            await self._pool.execute(_TOLD, [state.value, withdrawal_id])


def _space(chain: str, source: str) -> str:
    return f"{chain}/{source}" if source else chain


def _values(chain: str, signed: SignedTransaction) -> list[object]:
    return [
        signed.withdrawal_id,
        signed.version,
        chain,
        signed.tx_hash,
        signed.raw,
        signed.terms,
        signed.signed_us,
    ]


def withdrawal_of(row: Row) -> Withdrawal:
    """Of WITHDRAWAL_COLUMNS."""
    return Withdrawal(
        id=row[0],
        chain=row[1],
        token=row[2],
        address=row[3],
        amount_raw=int(row[4]),
        state=WithdrawalState(row[5]),
        tx_hash=row[6],
        reason=row[7],
        block=row[8],
        fee_raw=int(row[9]),
        created_us=row[10],
        gas_used=row[11],
        kind=WithdrawalKind(row[12]),
        source=row[13],
        source_key=row[14],
    )


def _signed(row: Row) -> SignedTransaction:
    return SignedTransaction(
        withdrawal_id=row[0],
        version=row[1],
        tx_hash=row[2],
        raw=bytes(row[3]),
        slots=tuple(row[7]),
        terms=bytes(row[4]),
        signed_us=row[5],
        sent_us=row[6],
    )
