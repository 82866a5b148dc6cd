"""`app.py sweep` and `app.py sweeps`: the running server collects deposits; what became of it."""

from collections.abc import Sequence

import click
import msgspec

from assembly.operators import asked, server
from assembly.options import Options
from protocols.ops.wire import SweepList, SweepPlan, SweepRequest

_PLAN = ("action", "address", "user", "token", "amount", "usd", "fee", "gas", "sweep")
_LIST = ("created", "kind", "chain", "token", "amount", "status", "sweep", "transaction", "reason")


async def print_sweep(options: Options, request: SweepRequest, operator: str) -> int:
    """A table of what lies on the chain's deposit addresses and what is done with it."""
    async with server(options, operator) as client:
        body = msgspec.to_builtins(request)
        plan = msgspec.convert(await asked(client, "POST", "/ops/sweeps", body), SweepPlan)
    rows = [
        (
            row.action,
            row.address,
            row.user_id,
            row.token,
            row.amount,
            row.usd or "?",
            row.fee,
            row.gas,
            row.id or "",
        )
        for row in plan.rows
    ]
    click.echo(_table(_PLAN, rows))
    moved = sum(row.action in ("sweep", "top up") for row in plan.rows)
    begun = "begun" if plan.executed else "to begin with --execute"
    click.echo(f"{len(rows)} found, {moved} {begun}, into {plan.to}")
    return 0


async def print_sweeps(options: Options, operator: str) -> int:
    """A table of sweeps and of the gas for them, newest first."""
    async with server(options, operator) as client:
        found = msgspec.convert(await asked(client, "GET", "/ops/sweeps", None), SweepList)
    rows = [
        (
            each.created_at,
            each.kind,
            each.chain,
            each.token,
            each.amount,
            each.status,
            each.id,
            each.tx_hash or "",
            each.reason or "",
        )
        for each in found.sweeps
    ]
    click.echo(_table(_LIST, rows))
    return 0


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in (head, *rows))
