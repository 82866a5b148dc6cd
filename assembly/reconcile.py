"""`app.py reconcile`: the server compares its payments with the provider, once.

The ledger has one writer. Where a server runs it is asked; where none does, and the database is
the embedded one, whose lock says so for certain, one runs for as long as this takes.
"""

from dataclasses import replace

import click
import msgspec

from actors.reconcile import Line, Report
from assembly.operators import NobodyServes, asked, server
from assembly.options import Options
from assembly.server import running

_HEAD = ("reference", "kind", "before", "after", "what")


async def print_reconciliation(options: Options, operator: str) -> int:
    """A table of everything that was looked at; 1 when something could not be read."""
    try:
        report = await _report(options, operator)
    except NobodyServes as nobody:
        if options.database_url:
            raise
        # On the port of the one before, which is in the addresses that are called back.
        async with running(replace(options, app_port=nobody.port)):
            report = await _report(options, operator)
    click.echo(table(report))
    return 1 if report.note else 0


async def _report(options: Options, operator: str) -> Report:
    async with server(options, operator) as client:
        return msgspec.convert(await asked(client, "POST", "/ops/reconcile", None), Report)


def table(report: Report) -> str:
    """The report as text."""
    rows = [_HEAD, *(_cells(line) for line in report.lines)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    lines = ["  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
    moved = sum(line.before != line.after for line in report.lines)
    pulled = "the provider's list not read" if report.pulled is None else f"{report.pulled} pulled"
    lines.append(f"{report.asked} asked about, {pulled}, {moved} moved")
    return "\n".join([*lines, *([report.note] if report.note else [])])


def _cells(line: Line) -> tuple[str, ...]:
    return line.reference, line.kind, line.before, line.after, line.what
