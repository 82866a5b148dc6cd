"""Chains: addresses given out, deposits and how far chains were read. Also the wallet's seed."""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final

from actors.chain_orders import OnUsArrived
from actors.chain_store import Credit, Cursor, Owner
from domain.chains.table import Family
from domain.chains.transfers import Deposit, DepositState
from storage.chain_withdrawals import PostgresWithdrawals
from storage.crypto import SecretBox
from storage.driver import Row, TrioConnection
from storage.pool import Pool
from storage.users import store_errors
from storage.writes import register_write

_REGISTER: Final = """
INSERT INTO chain_addresses (family, address, owner, purpose, created_us)
VALUES (%s, %s, %s, %s, %s) ON CONFLICT DO NOTHING
"""
_OWNERS: Final = """
SELECT address, owner, purpose FROM chain_addresses WHERE family = %s AND address = ANY(%s)
"""
# Wallet addresses of people (NXPY-031) and of businesses are columns of theirs.
_WALLETS: Final = """
SELECT lower(wallet_address), id, 'user' FROM users WHERE lower(wallet_address) = ANY(%(asked)s)
UNION ALL
SELECT lower(address), user_id, 'business' FROM businesses
WHERE lower(address) = ANY(%(asked)s) AND address <> ''
"""
_ON_US: Final = """
INSERT INTO chain_deposits (chain, tx_hash, token, ordinal, address, owner, purpose, amount_raw,
                            block, block_hash, seen_us, sender, gas_used, fee_raw, state, counted,
                            units)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s::text::numeric, %s, %s, %s, %s, %s, %s::text::numeric,
        'confirmed', true, %s::text::numeric)
"""
_MOVES: Final = """
SELECT t.tx_hash FROM chain_transactions t JOIN chain_withdrawals w ON w.id = t.withdrawal_id
WHERE t.chain = %s AND t.tx_hash = ANY(%s) AND w.kind <> 'payout'
"""
_CURSOR: Final = "SELECT block, hashes FROM chain_cursors WHERE chain = %s"
_MOVE_CURSOR: Final = """
INSERT INTO chain_cursors (chain, block, hashes) VALUES (%s, %s, %s)
ON CONFLICT (chain) DO UPDATE SET block = excluded.block, hashes = excluded.hashes
"""
# Seen again after its block was dropped: in the new block. What was counted before is not
# counted again, so it goes straight back to confirmed.
_FIND: Final = """
INSERT INTO chain_deposits AS known (chain, tx_hash, token, ordinal, address, owner, purpose,
                                     amount_raw, block, block_hash, seen_us, sender, gas_used,
                                     fee_raw, state)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, 'seen')
ON CONFLICT (chain, tx_hash, token, ordinal) DO UPDATE
SET block = excluded.block, block_hash = excluded.block_hash,
    state = CASE WHEN known.counted THEN 'confirmed' ELSE 'seen' END
WHERE known.state IN ('retracted', 'reversed') OR known.block_hash <> excluded.block_hash
"""
_RETRACT: Final = """
UPDATE chain_deposits
SET state = CASE state WHEN 'seen' THEN 'retracted' ELSE 'reversed' END
WHERE chain = %s AND block > %s AND state IN ('seen', 'confirmed')
"""
# What was paid in those blocks is looked after again: sent again until it is in another block. A
# sweep whose address is being swept anew stays as it is.
_REOPEN: Final = """
UPDATE chain_withdrawals w SET state = 'sent'
WHERE chain = %s AND block > %s AND state IN ('confirmed', 'failed')
  AND NOT (kind = 'sweep' AND EXISTS (
      SELECT FROM chain_withdrawals o
      WHERE o.chain = w.chain AND o.source = w.source AND o.kind = 'sweep'
        AND o.state IN ('queued', 'signed', 'sent', 'stuck')))
"""
_RIPE: Final = """
SELECT id, token, amount_raw, counted, owner, purpose FROM chain_deposits
WHERE chain = %s AND state = 'seen' AND block <= %s ORDER BY id FOR UPDATE
"""
_DUST: Final = """
SELECT raw FROM chain_dust
WHERE owner = %s AND purpose = %s AND chain = %s AND token = %s FOR UPDATE
"""
_KEEP_DUST: Final = """
INSERT INTO chain_dust (owner, purpose, chain, token, raw) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (owner, purpose, chain, token) DO UPDATE SET raw = excluded.raw
"""
_CONFIRM: Final = """
UPDATE chain_deposits SET state = 'confirmed', counted = true, units = %s, confirmed_us = %s
WHERE id = %s
"""
_EARLIEST: Final = "SELECT min(block) FROM chain_deposits WHERE chain = %s AND state = 'seen'"
_COLUMNS: Final = """id, chain, token, tx_hash, ordinal, address, owner, purpose, amount_raw, block,
       block_hash, state, units, sender, gas_used, fee_raw"""
_UNTOLD: Final = f"""
SELECT {_COLUMNS} FROM chain_deposits WHERE chain = %s AND told <> state ORDER BY id LIMIT %s
"""  # noqa: S608
_TOLD: Final = "UPDATE chain_deposits SET told = %s WHERE id = %s"
_SEED: Final = "SELECT sealed FROM wallet_seeds WHERE id = 1"
_KEEP_SEED: Final = """
INSERT INTO wallet_seeds (id, sealed, created_us) VALUES (1, %s, %s) ON CONFLICT DO NOTHING
"""
_SEED_CONTEXT: Final = "wallet seed"


class PostgresChains(PostgresWithdrawals):
    """Implements actors.chain_store.ChainStore."""

    def __init__(self, pool: Pool) -> None:
        super().__init__(pool)

    async def register(self, family: Family, address: str, owner: Owner, at_us: int) -> None:
        with store_errors():
            values = [family.value, address, owner.id, owner.purpose, at_us]
            await self._pool.execute(_REGISTER, values)

    async def owners(self, family: Family, addresses: Collection[str]) -> Mapping[str, Owner]:
        with store_errors():
            rows = await self._pool.fetch(_OWNERS, [family.value, list(addresses)])
            found = {row[0]: Owner(row[1], row[2]) for row in rows}
            if family is Family.EVM:
                spelled = {a.lower(): a for a in addresses if a not in found}
                wallets = await self._pool.fetch(_WALLETS, {"asked": list(spelled)})
                found |= {spelled[row[0]]: Owner(row[1], row[2]) for row in wallets}
        return found

    async def moves(self, chain: str, tx_hashes: Collection[str]) -> frozenset[str]:
        with store_errors():
            rows = await self._pool.fetch(_MOVES, [chain, list(tx_hashes)])
        return frozenset(row[0] for row in rows)

    async def cursor(self, chain: str) -> Cursor | None:
        with store_errors():
            row = await self._pool.fetch_one(_CURSOR, [chain])
        return Cursor(row[0], tuple(row[1])) if row else None

    async def advance(
        self, chain: str, cursor: Cursor, found: Sequence[Deposit], at_us: int
    ) -> None:
        with store_errors():
            async with self._pool.transaction() as connection:
                for deposit in found:
                    await connection.execute(_FIND, _found(deposit, at_us))
                await connection.execute(_MOVE_CURSOR, [chain, cursor.block, list(cursor.hashes)])

    async def retract(self, chain: str, above: int, cursor: Cursor) -> int:
        with store_errors():
            async with self._pool.transaction() as connection:
                await connection.execute(_RETRACT, [chain, above])
                reopened = await connection.execute(_REOPEN, [chain, above])
                await connection.execute(_MOVE_CURSOR, [chain, cursor.block, list(cursor.hashes)])
        return reopened.rowcount

    async def mature(self, chain: str, up_to: int, credit: Credit, at_us: int) -> int:
        with store_errors():
            async with self._pool.transaction() as connection:
                rows = await (await connection.execute(_RIPE, [chain, up_to])).fetchall()
                for row in rows:
                    await _count(connection, chain, row, credit, at_us)
        return len(rows)

    async def earliest_seen(self, chain: str) -> int | None:
        with store_errors():
            row = await self._pool.fetch_one(_EARLIEST, [chain])
        return row[0] if row else None

    async def untold_deposits(self, chain: str, limit: int) -> Sequence[Deposit]:
        with store_errors():
            return [_deposit(row) for row in await self._pool.fetch(_UNTOLD, [chain, limit])]

    async def told_deposit(self, deposit_id: int, state: DepositState) -> None:
        with store_errors():
            await self._pool.execute(_TOLD, [state.value, deposit_id])


async def load_words(pool: Pool, box: SecretBox, make: Callable[[], str], at_us: int) -> str:
    """The wallet's BIP-39 words: those kept, else made now and kept, sealed. Of two servers that
    start at once one is first, and both get its words. Raises SecretUnreadable for another key."""
    with store_errors():
        if await pool.fetch_one(_SEED) is None:
            await pool.execute(_KEEP_SEED, [box.seal(make(), _SEED_CONTEXT), at_us])
        row = await pool.fetch_one(_SEED)
    assert row is not None, "the seed was there and is gone"
    return box.open(bytes(row[0]), _SEED_CONTEXT)


async def _count(
    connection: TrioConnection, chain: str, row: Row, credit: Credit, at_us: int
) -> None:
    """Confirm one deposit: its raw amount and the owner's dust make units and new dust."""
    deposit_id, token, amount_raw, counted, owner, purpose = row
    assert not counted, "a counted deposit is never merely seen"
    place = [owner, purpose, chain, token]
    kept = await (await connection.execute(_DUST, place)).fetchone()
    units, dust = credit(token, int(amount_raw) + (int(kept[0]) if kept else 0))
    if dust or kept:
        await connection.execute(_KEEP_DUST, [*place, dust])
    await connection.execute(_CONFIRM, [units, at_us, deposit_id])


def _found(deposit: Deposit, at_us: int) -> list[object]:
    return [
        deposit.chain,
        deposit.tx_hash,
        deposit.token,
        deposit.ordinal,
        deposit.address,
        deposit.owner,
        deposit.purpose,
        deposit.amount_raw,
        deposit.block,
        deposit.block_hash,
        at_us,
        deposit.sender,
        deposit.gas_used,
        deposit.fee_raw,
    ]


def _deposit(row: Row) -> Deposit:
    return Deposit(
        id=row[0],
        chain=row[1],
        token=row[2],
        tx_hash=row[3],
        ordinal=row[4],
        address=row[5],
        owner=row[6],
        purpose=row[7],
        amount_raw=int(row[8]),
        block=row[9],
        block_hash=row[10],
        state=DepositState(row[11]),
        units=int(row[12]),
        sender=row[13],
        gas_used=row[14],
        fee_raw=int(row[15]),
    )


def _on_us(change: OnUsArrived) -> list[object]:
    deposit = change.deposit
    place = _found(deposit, change.at_us)
    place[7], place[13] = str(deposit.amount_raw), str(deposit.fee_raw)
    return [*place, str(deposit.units)]


register_write(OnUsArrived, _ON_US, _on_us)
