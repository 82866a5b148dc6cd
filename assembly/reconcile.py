"""`app.py reconcile`: the running server compares its payments with the provider, once."""

import click
import msgspec

from actors.reconcile import Line, Report
from assembly.operators import asked, server
from assembly.options import Options

_HEAD = ("reference", "kind", "before", "after", "what")


async def print_reconciliation(options: Options, operator: str) -> int:
    """A table of everything that was looked at; 1 when something could not be read."""
    async with server(options, operator) as client:
        report = msgspec.convert(await asked(client, "POST", "/ops/reconcile", None), Report)
    click.echo(table(report))
    return 1 if report.note else 0


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
