"""kill -9 of the real server between every two steps of a push and of a withdrawal.

The database and the simulated M-Pesa outlive it. After the restart the client repeats its order
under the same key: nothing is lost, doubled or stuck, whatever the step was.
"""

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from domain.hashes import hash_account
from domain.money import UNITS_PER_WHOLE
from providers.sandbox.mpesa.store import FileStore
from storage.pool import Pool
from storage.verify import verify
from tests.conftest import ROOT
from tests.flows.client import World
from tests.flows.killed_server import PAYOUT_STEPS, PUSH_STEPS
from tests.flows.mpesa import API, new_hash, ordered
from tests.flows.ports import lasting_port

START_WITHIN_S = 120.0
PATIENCE_S = 60.0

_OPEN = """
SELECT count(*) FROM payments WHERE state IN ('sending', 'pending', 'waiting', 'unknown')
"""
_UNTOLD = """
SELECT (SELECT count(*) FROM payments WHERE state = 'sending')
     + (SELECT count(*) FROM callbacks WHERE NOT handled)
"""
_BALANCE = """
SELECT (b.credits_posted - b.debits_posted)::text FROM balances b JOIN accounts a
ON a.id = b.account_id WHERE a.owner_id = %s AND a.purpose = %s AND a.provider = %s
"""


def moments(kind: str, steps: dict[str, Any]) -> list[Any]:
    """Before and after each step; `make crash` runs them."""
    return [
        pytest.param(f"{kind} {step}", when, marks=pytest.mark.slow, id=f"{when} {step}")
        for step in steps
        for when in ("before", "after")
    ]


@pytest.fixture
def port() -> int:
    """Callback addresses must be the same after the restart."""
    return lasting_port()


@contextmanager
def process(
    folder: Path, dsn: str, port: int, *killed_at: str
) -> Iterator["tuple[str, subprocess.Popen[str]]"]:
    """A server on the test's database and the folder's simulators, with its base URL."""
    program = ["app.py"]
    if killed_at:
        program = ["-m", "tests.flows.killed_server", *killed_at, "--"]
    command = [sys.executable, *program, "serve", "--port", str(port)]
    with (
        (folder / "server.log").open("ab") as log,
        subprocess.Popen(
            [*command, "--data-dir", str(folder / "data"), "--database-url", dsn],
            cwd=ROOT,
            env={**os.environ},
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as run,
    ):
        try:
            assert run.stdout is not None
            ready, _, _ = select.select([run.stdout], [], [], START_WITHIN_S)
            assert ready, "the server does not start"
            line = run.stdout.readline()
            assert line.startswith("listening on "), (folder / "server.log").read_text()[-2000:]
            yield line.split()[-1], run
        finally:
            run.terminate()
            run.wait(PATIENCE_S)


@asynccontextmanager
async def client(base: str) -> AsyncIterator[World]:
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        yield World(http)


async def order(world: World, path: str, body: dict[str, Any], key: str) -> httpx.Response | None:
    """The answer to an order under its key; None when the server died over it."""
    try:
        return await world.http.post(API + path, json=body, headers={"Idempotency-Key": key})
    except httpx.TransportError:
        return None


async def over(pool: Pool) -> None:
    """Return once no payment may still move."""
    with trio.fail_after(PATIENCE_S):
        while (await pool.fetch(_OPEN))[0][0]:
            await trio.sleep(0.02)


async def told(folder: Path, pool: Pool) -> None:
    """Return once M-Pesa was asked, has called back whatever it had to, and all of that was
    worked off."""
    with trio.fail_after(PATIENCE_S):
        while _owes(folder) or (await pool.fetch(_UNTOLD))[0][0]:
            await trio.sleep(0.02)


def _owes(folder: Path) -> bool:
    """Whether the simulated M-Pesa still has a payment to decide or a callback to bring."""
    payments: dict[int, Any] = {}
    for line in FileStore(folder / "data" / "sandbox" / "mpesa").load():
        if payment := json.loads(line).get("payment"):
            payments[payment["serial"]] = payment
    return any(p["state"] == "pending" or p["owed"] for p in payments.values())


async def given_up(world: World, pool: Pool) -> None:
    """Let time pass until no payment may still move."""
    with trio.fail_after(PATIENCE_S):
        while (await pool.fetch(_OPEN))[0][0]:
            await world.advance(121)
            await trio.sleep(0.05)


async def held_by(pool: Pool, hash_: str, purpose: str) -> int:
    """Shillings of a hash's account of that purpose."""
    row = await pool.fetch_one(_BALANCE, [hash_account(hash_).owner, purpose, hash_])
    return int(row[0]) // UNITS_PER_WHOLE if row else 0


async def died(run: "subprocess.Popen[str]") -> None:
    """Wait for the server to kill itself."""
    with trio.fail_after(PATIENCE_S):
        while run.poll() is None:
            await trio.sleep(0.02)
    assert run.returncode == -signal.SIGKILL


async def sound(pool: Pool) -> None:
    """The books are whole, and nothing is set aside for what is over."""
    report = await verify(pool)
    assert report.balanced, report.differences
    assert (await pool.fetch("SELECT count(*) FROM holds WHERE state = 'placed'"))[0][0] == 0


@pytest.mark.parametrize(("step", "when"), moments("push", PUSH_STEPS))
async def test_a_push_survives_being_killed(
    tmp_path: Path, dsn: str, pool: Pool, port: int, step: str, when: str
) -> None:
    """What the payer paid is credited once; who was never asked pays nothing."""
    hash_ = new_hash()
    body = ordered(100, hash=hash_)
    with process(tmp_path, dsn, port, step, when) as (base, run):
        async with client(base) as world:
            await order(world, "/stk/push", body, "k")
            await died(run)
    with process(tmp_path, dsn, port) as (base, _):
        async with client(base) as world:
            await told(tmp_path, pool)
            # A push that may have been sent is never sent again: give up on it at last.
            await given_up(world, pool)
            answer = await order(world, "/stk/push", body, "k")
            assert answer is not None
            assert answer.status_code in (200, 502), answer.text
            await told(tmp_path, pool)
            await given_up(world, pool)
            await told(tmp_path, pool)
            operations = await world.operations(body["phone"])
    paid = sum(o["amount"] for o in operations if o["state"] == "paid")
    assert len(operations) <= 1, "asked twice"
    assert await held_by(pool, hash_, "HASH") + await held_by(pool, hash_, "SUSPENSE") == paid
    assert (await pool.fetch("SELECT count(*) FROM payments"))[0][0] == 1
    await sound(pool)


@pytest.mark.parametrize(("step", "when"), moments("payout", PAYOUT_STEPS))
async def test_a_withdrawal_survives_being_killed(
    tmp_path: Path, dsn: str, pool: Pool, port: int, step: str, when: str
) -> None:
    """The phone is paid exactly once, and the account debited exactly once."""
    hash_ = new_hash()
    body = ordered(60)
    path = f"/b2c/queue/{hash_}"
    with process(tmp_path, dsn, port, step, when) as (base, run):
        async with client(base) as world:
            await order(world, "/stk/push", ordered(100, hash=hash_), "p")
            await over(pool)
            await order(world, path, body, "k")
            await died(run)
    with process(tmp_path, dsn, port) as (base, _):
        async with client(base) as world:
            answer = await order(world, path, body, "k")
            assert answer is not None
            assert answer.status_code == 200, answer.text
            await told(tmp_path, pool)
            await given_up(world, pool)
            await told(tmp_path, pool)
            (operation,) = await world.operations(body["phone"])
    assert (operation["state"], operation["amount"]) == ("paid", 60)
    assert operation["conversation"] == answer.json()["data"]["conversation"]
    assert await held_by(pool, hash_, "HASH") == 40
    await sound(pool)
