"""kill -9 of the real server between every two steps of a deposit and a withdrawal on a chain.

The database and the simulated chains outlive it. After the restart everything is credited, paid
and settled once, whatever the step was.
"""

import contextlib
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, DisconnectionTimeout

from domain.money import UNITS_PER_WHOLE
from storage.pool import Pool
from tests.flows.killed_server import DEPOSIT_STEPS, ON_US_STEPS, SWEEP_STEPS, WITHDRAWAL_STEPS
from tests.flows.test_crypto import OUTSIDE, announce, mined, pay, withdraw
from tests.flows.test_mpesa_killed import client, died, moments, over, port, process, sound
from tests.flows.test_sweeps import admin, sweep

__all__ = ["port"]  # a fixture

_BALANCE = """
SELECT (b.credits_posted - b.debits_posted)::text FROM balances b JOIN accounts a
ON a.id = b.account_id WHERE a.owner_id = %s AND a.asset = %s AND a.purpose = %s AND a.chain = %s
"""
_GONE = (ConnectionClosed, DisconnectionTimeout, AssertionError, OSError, httpx.TransportError)


async def balance(
    pool: Pool, owner: int, asset: str, purpose: str = "WALLET", chain: str = ""
) -> float:
    row = await pool.fetch_one(_BALANCE, [owner, asset, purpose, chain])
    return int(row[0]) / UNITS_PER_WHOLE if row else 0


@contextlib.asynccontextmanager
async def dying() -> Any:
    """The server may die under whatever is done here."""
    try:
        yield
    except* _GONE:
        pass


@pytest.mark.parametrize(("step", "when"), moments("withdrawal", WITHDRAWAL_STEPS))
async def test_a_withdrawal_on_a_chain_survives_being_killed(
    tmp_path: Path, dsn: str, pool: Pool, port: int, step: str, when: str
) -> None:
    """Paid once and settled once; or, where it was not stored yet, not at all."""
    with process(tmp_path, dsn, port, step, when) as (base, run):
        async with client(base) as world:
            user = await world.user(balances={"USDT": "250"})
            async with dying(), world.cashier(user) as socket:
                await withdraw(world, socket, user, "USDT", OUTSIDE, 100)
                await died(run)
            await died(run)
    with process(tmp_path, dsn, port) as (base, _):
        await over(pool)
        made = (await pool.fetch("SELECT count(*) FROM payments"))[0][0]
        assert made == (0 if (step, when) == ("withdrawal held", "before") else 1)
    signed = (await pool.fetch("SELECT count(*) FROM chain_transactions"))[0][0]
    assert signed == made
    assert await balance(pool, int(user.id), "USDT") == 250 - 100 * made
    assert await balance(pool, 0, "USDT", "CHAIN_CUSTODY", "tron") == 98 * made
    await sound(pool)


@pytest.mark.parametrize(("step", "when"), moments("deposit", DEPOSIT_STEPS))
async def test_a_deposit_from_a_chain_survives_being_killed(
    tmp_path: Path, dsn: str, pool: Pool, port: int, step: str, when: str
) -> None:
    with process(tmp_path, dsn, port, step, when) as (base, run):
        async with client(base) as world:
            user = await world.user()
            async with dying(), world.cashier(user) as socket:
                made = await announce(socket, "USDT", 100)
                await pay(world, "USDT", made["wallet_address"], "100")
                await died(run)
            await died(run)
    with process(tmp_path, dsn, port) as (base, _):
        await over(pool)
        await trio.sleep(2)  # what is told twice is credited once
    assert await balance(pool, int(user.id), "USDT") == 100
    assert await balance(pool, 0, "USDT", "CHAIN_CUSTODY", "tron") == -100
    assert (await pool.fetch("SELECT count(*) FROM payments"))[0][0] == 1
    await sound(pool)


@pytest.mark.parametrize(("step", "when"), moments("on us", ON_US_STEPS))
async def test_a_withdrawal_settled_on_us_survives_being_killed(
    tmp_path: Path, dsn: str, pool: Pool, port: int, step: str, when: str
) -> None:
    """What left the sender arrives, once."""
    with process(tmp_path, dsn, port, step, when) as (base, run):
        async with client(base) as world:
            sender, receiver = await world.user(balances={"USDT": "250"}), await world.user()
            async with dying(), world.cashier(receiver) as paid, world.cashier(sender) as paying:
                made = await announce(paid, "USDT", 98)
                await withdraw(world, paying, sender, "USDT", made["wallet_address"], 100)
                await died(run)
            await died(run)
    with process(tmp_path, dsn, port) as (base, _):
        await over(pool)
        await trio.sleep(2)
    assert await balance(pool, int(sender.id), "USDT") == 150
    assert await balance(pool, int(receiver.id), "USDT") == 98
    assert await balance(pool, 0, "USDT", "CHAIN_CUSTODY", "tron") == 0
    assert (await pool.fetch("SELECT count(*) FROM payments"))[0][0] == 2
    await sound(pool)


_SWEPT = """
SELECT kind, state, count(*) FROM chain_withdrawals WHERE kind <> 'payout' GROUP BY 1, 2 ORDER BY 1
"""
_SWEEPING = """
SELECT count(*) FROM chain_withdrawals
WHERE kind <> 'payout' AND (state IN ('queued', 'signed', 'sent') OR told <> state)
"""


@pytest.mark.parametrize(("step", "when"), moments("sweep", SWEEP_STEPS))
async def test_a_sweep_survives_being_killed(
    tmp_path: Path, dsn: str, pool: Pool, port: int, step: str, when: str
) -> None:
    """Asked for again after the restart, as an operator would: begun, funded and sent once."""
    with process(tmp_path, dsn, port, step, when) as (base, run):
        async with client(base) as world:
            user = await world.user()
            who = await admin(world)
            async with world.cashier(user) as socket:
                made = await announce(socket, "USDC", 40)
                await pay(world, "USDC", made["wallet_address"], "40")
                await mined(world, socket, "deposit_completed", "polygon")
            async with dying():
                await sweep(world, who, chain="polygon", execute=True)
            await died(run)
    with process(tmp_path, dsn, port) as (base, _):
        async with client(base) as world:
            assert (await sweep(world, who, chain="polygon", execute=True)).status_code == 200
            with trio.fail_after(60):
                while (await pool.fetch(_SWEEPING))[0][0]:
                    await trio.sleep(0.05)
            again = await sweep(world, who, chain="polygon", execute=True, everything=True)
            assert [row["action"] for row in again.json()["rows"]] == ["empty"]
    swept = [tuple(row) for row in await pool.fetch(_SWEPT)]
    assert swept == [("gas", "confirmed", 1), ("sweep", "confirmed", 1)]
    assert (await pool.fetch("SELECT count(*) FROM chain_transactions"))[0][0] == 2
    assert await balance(pool, int(user.id), "USDC") == 40
    assert await balance(pool, 0, "USDC", "CHAIN_CUSTODY", "polygon") == -40
    await sound(pool)
