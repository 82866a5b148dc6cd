"""Reconciliation on a running server: what it finds, what it moves, what its table says."""

from pathlib import Path
from typing import Any

import httpx
import trio

from tests.flows.client import World
from tests.flows.commands import command
from tests.flows.conftest import serving
from tests.flows.mpesa import B2C, STK, deposit, line, new_hash, ordered, reconcile


def line_of(report: Any, kind: str, what: str) -> Any:
    """The report's line of that kind that mentions `what`."""
    found = [row for row in report["lines"] if row["kind"] == kind and what in str(row)]
    assert len(found) == 1, report
    return found[0]


async def test_only_administrators_may_ask_for_it(world: World) -> None:
    """401 without a token, 403 for anybody else."""
    ann = await world.user()
    assert (await world.http.post("/ops/reconcile")).status_code == 401
    headers = {"Authorization": f"Bearer {ann.token}"}
    assert (await world.http.post("/ops/reconcile", headers=headers)).status_code == 403


async def test_a_push_whose_callback_was_lost_is_settled_with_its_receipt(world: World) -> None:
    """By query or by the provider's list; either way credited once, and the receipt is known."""
    order = ordered(40)
    await world.rule("lost_callback", phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        checkout = (await socket.ask("push", **order))["checkout"]
        await trio.sleep(0.5)  # until it is paid over there
        await world.advance(31)
        await reconcile(world)
        assert (await socket.frame("status"))["status"] == "completed"
        shown = await socket.ask("status", checkout=checkout)
        assert shown["receipt"] == (await world.operation(order["phone"]))["receipt"]
        await reconcile(world)
        await socket.quiet()
    await world.check_books()


async def test_a_withdrawal_whose_callback_was_lost_is_settled(world: World) -> None:
    """By a status request."""
    hash_, order = new_hash(), ordered(100)
    await world.rule("lost_callback", phone=order["phone"], operation="b2c")
    async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
        await deposit(world, pushes, 100)
        conversation = (await payouts.ask("withdraw", **order))["conversation"]
        assert (await payouts.frame("withdraw"))["status"] == "processing"
        await trio.sleep(0.5)
        await world.advance(31)
        row = line_of(await reconcile(world), "payout", conversation)
        assert (row["before"], row["after"]) == ("pending", "completed")
        assert (await payouts.frame("withdraw"))["status"] == "completed"
    await world.check_books()


async def test_what_the_provider_is_still_at_stays_open(world: World) -> None:
    """A pending push is asked about and left alone."""
    order = ordered()
    await world.rule("no_callback", phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        checkout = (await socket.ask("push", **order))["checkout"]
        await world.advance(31)
        report = await reconcile(world)
        assert report["asked"] >= 1
        await socket.quiet()
        assert (await socket.ask("status", checkout=checkout))["status"] == "pending"
        await world.callback(checkout, "success")
        assert (await socket.frame("status"))["status"] == "completed"


async def test_money_paid_after_the_timeout_is_found_and_kept_in_suspense(world: World) -> None:
    """X-C15: found without a callback; the status stays, and it is booked once."""
    order = ordered(70)
    await world.rule("no_callback", phone=order["phone"])
    async with line(world, STK + new_hash()) as socket:
        checkout = (await socket.ask("push", **order))["checkout"]
        await world.advance(121)
        assert (await socket.frame("status"))["status"] == "timeout"
        await world.callback(checkout, "success")
        for _ in range(2):
            await reconcile(world)
        shown = await socket.ask("status", checkout=checkout)
        assert shown["status"] == "timeout"
        await socket.quiet()
    await world.check_books()


async def test_the_command_prints_a_table(tmp_path: Path) -> None:
    """`app.py reconcile`, beside the running server."""
    with serving(tmp_path):
        done = await command(tmp_path, "reconcile")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["reference", "kind", "before", "after", "what"]
    assert "asked about" in lines[-1]


async def test_the_command_settles_what_a_killed_server_left_in_flight(tmp_path: Path) -> None:
    """Paid, refused and undecided pushes and payouts; and the next server finds it done."""
    found: dict[str, str] = {}
    with serving(tmp_path) as (base, run):
        async with httpx.AsyncClient(base_url=base, timeout=30) as http:
            world, hash_ = World(http), new_hash()
            async with line(world, STK + hash_) as pushes, line(world, B2C + hash_) as payouts:
                await deposit(world, pushes, 300)
                for outcome in ("lost_callback", "timeout", "no_callback"):
                    order = ordered(100)
                    await world.rule(outcome, phone=order["phone"])
                    await pushes.ask("push", **order)
                    made = await payouts.ask("withdraw", **order)
                    found[made["conversation"]] = outcome
                    await payouts.frame("withdraw")
                await trio.sleep(0.5)  # until it is decided over there
                await world.advance(31)
                run.kill()
                run.wait(20)
                pushes.frames.clear()
    done = await command(tmp_path, "reconcile")
    assert done.returncode == 0, done.stderr[-2000:]
    rows = [row.split() for row in done.stdout.splitlines()[1:-1]]
    after = {"lost_callback": "completed", "timeout": "failed", "no_callback": "pending"}
    assert {row[0]: row[3] for row in rows if row[1] == "payout"} == {
        ref: after[outcome] for ref, outcome in found.items()
    }
    ended = sorted(row[3] for row in rows if row[1] == "push")
    assert ended == ["completed", "expired", "pending"]
    with serving(tmp_path, log="again.log") as (base, _):
        async with httpx.AsyncClient(base_url=base, timeout=30) as http:
            await World(http).check_books()
