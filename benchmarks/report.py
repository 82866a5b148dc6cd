"""The figures of a run as Markdown tables."""

import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path

from benchmarks.bots import Bots
from benchmarks.calibrate import Ceiling
from benchmarks.crowd import by_group
from benchmarks.growth import Growth
from benchmarks.house import House
from benchmarks.idle import Idle
from benchmarks.journal import Alone
from benchmarks.pages import Pages
from benchmarks.reads import TRANSACTIONS, Read
from benchmarks.results import table
from benchmarks.sse import Streams
from benchmarks.stk import Stk
from benchmarks.storm import TRANSFERRING, Storm
from benchmarks.targets import Verdict
from benchmarks.transfers import Group, Row

_HEAD = (
    *("system", "clients", "transfers/s", "p50 ms", "p99 ms"),
    *("cores: server", "PostgreSQL", "generator"),
)


def machine(house: House) -> str:
    """Where and on what the figures were taken."""
    return (
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, PostgreSQL {house.postgres.version()}, "
        f"load generator in {'C' if house.generator.in_c else 'Python'}."
    )


def disk(house: House) -> str:
    """What one durable commit of one row costs, with each disk of the run."""
    costs = []
    for delay_us in house.delays_us:
        house.postgres.delay_fsync(delay_us)
        costs.append(f"{_disk(delay_us)} {house.postgres.commit_us() / 1000:.2f} ms")
    house.postgres.delay_fsync(0)
    return f"One durable commit of one row (median): {', '.join(costs)}."


def transfers(rows: Sequence[Row]) -> str:
    """One table a group; pgbench's clients are database connections."""
    parts = []
    for hot, delay_us in dict.fromkeys((row.hot, row.delay_us) for row in rows):
        same = [row for row in rows if (row.hot, row.delay_us) == (hot, delay_us)]
        accounts = "One hot account" if hot else "Uniform accounts"
        cells = [_cells(row) for row in sorted(same, key=lambda row: (row.system, row.clients))]
        parts.append(f"### {accounts}, {_disk(delay_us)}\n\n{table(_HEAD, cells)}")
    return "\n\n".join(parts)


def crowd(found: Sequence[Row]) -> str:
    """Of each group the round that took least CPU time, the middle one and the one that took
    most."""
    cells = []
    for group in by_group(found):
        accounts = "one hot account" if group[0].hot else "uniform accounts"
        for what, row in (
            ("least", group[0]),
            ("middle", group[len(group) // 2]),
            ("most", group[-1]),
        ):
            cells.append(
                [
                    f"{accounts}, {_disk(row.delay_us)}, {what} of {len(group)}",
                    f"{row.cpu_us:.0f}",
                    f"{row.rate:,.0f}",
                    f"{row.p50_us / 1000:.1f}",
                    f"{row.p99_us / 1000:.1f}",
                ]
            )
    head = ("rounds by CPU time", "CPU µs a transfer", "transfers/s", "p50 ms", "p99 ms")
    return table(head, cells)


def _cells(row: Row) -> list[str]:
    figures = [f"{row.rate:,.0f}", f"{row.p50_us / 1000:.2f}", f"{row.p99_us / 1000:.2f}"]
    if not row.server_cores:
        return [row.system, str(row.clients), *figures, "", "", ""]
    cores = (row.server_cores, row.postgres_cores, row.generator_cores)
    return [row.system, f"{row.clients:,}", *figures, *(f"{share:.2f}" for share in cores)]


def pools(tried: Sequence[tuple[Group, float]]) -> str:
    """The sweep that chose the conventional server's pool."""
    cells = [
        [
            f"{'hot' if group.hot else 'uniform'}, {_disk(group.delay_us)}",
            str(group.pool),
            f"{rate:,.0f}",
        ]
        for group, rate in tried
    ]
    return table(("conventional server, 64 sockets", "pool", "transfers/s"), cells)


def ceilings(found: Sequence[Ceiling]) -> str:
    """The generator against a server that does nothing."""
    cells = [
        [
            f"{c.connections:,}",
            f"{c.rate:,.0f}",
            f"{c.p99_us / 1000:.2f}",
            f"{c.generator_cores:.2f}",
        ]
        for c in found
    ]
    return table(
        ("sockets to the null server", "round trips/s", "p99 ms", "generator cores"), cells
    )


def idle(found: Sequence[Idle]) -> str:
    """Memory per idle connection."""
    cells = [
        [i.system, f"{i.connections:,}", f"{i.bytes_each / 1024:.1f}", f"{i.accept_s:.1f}"]
        for i in found
    ]
    return table(("system", "connections", "KiB each", "accepted in s"), cells)


def journal(found: Sequence[Alone]) -> str:
    """The journal without a server before it."""
    cells = [
        [
            f"{'hot' if a.hot else 'uniform'}, {_disk(a.delay_us)}",
            f"{a.askers:,}",
            f"{a.rate:,.0f}",
            f"{a.p50_us / 1000:.2f}",
            f"{a.p99_us / 1000:.2f}",
        ]
        for a in found
    ]
    return table(("accounts", "askers", "transfers/s", "p50 ms", "p99 ms"), cells)


def growth(found: Sequence[Growth]) -> str:
    """The same load on ledgers of different size, and how long a start takes on each."""
    cells = [
        [
            f"{g.accounts:,}",
            f"{g.connections:,}",
            f"{g.rate:,.0f}",
            f"{g.p99_us / 1000:.2f}",
            f"{g.listening_s:.2f}",
            f"{g.served_s:.2f}",
            f"{g.verify_s:.1f}",
            f"{g.cold_rate:,.0f}",
            f"{g.warm_s:.0f}",
        ]
        for g in found
    ]
    head = ("accounts", "sockets", "transfers/s", "p99 ms", "start to listening s")
    more = ("to first transfer s", "verify s", "cold transfers/s", "to warm s")
    return table((*head, *more), cells)


def stk(found: Stk) -> str:
    """Pushes at once, callbacks in a steady stream, and what a payment in flight holds."""
    wave = table(
        ("pushes in flight at once", "completed", "payments/s"),
        [[f"{found.pushes:,}", f"{found.paid:,}", f"{found.rate:,.0f}"]],
    )
    stream = table(
        ("callbacks", "a second", "to the event p50 ms", "p99 ms", "KiB a payment in flight"),
        [
            [
                f"{found.callbacks:,}",
                f"{found.callbacks_per_s:,.0f}",
                f"{found.p50_ms:.1f}",
                f"{found.p99_ms:.1f}",
                f"{found.bytes_each / 1024:.1f}",
            ]
        ],
    )
    return f"{wave}\n\n{stream}"


def sse(found: Streams) -> str:
    """Listeners, what they cost, and how soon each hears its own event."""
    return table(
        (
            "streams",
            "opened/s",
            "KiB each",
            "cores when idle",
            "own events",
            "a second",
            "request to event p50 ms",
            "p99 ms",
            "events heard in all",
        ),
        [
            [
                f"{found.listeners:,}",
                f"{found.opened_per_s:,.0f}",
                f"{found.bytes_each / 1024:.1f}",
                f"{found.idle_cores:.2f}",
                f"{found.events:,}",
                f"{found.events_per_s:,.0f}",
                f"{found.p50_ms:.1f}",
                f"{found.p99_ms:.1f}",
                f"{found.heard:,}",
            ]
        ],
    )


def bots(found: Bots) -> str:
    """Every window: how late decisions were, and what the transfers beside them saw."""
    cells = [
        [
            f"{window.active:,}",
            f"{window.decisions_per_s:,.0f}",
            f"{100 * window.share:.1f}",
            f"{window.p50_us / 1000:.2f}",
            f"{window.p99_us / 1000:.2f}",
            f"{window.trades_per_s:.0f}",
            f"{window.server_cores:.2f}",
            f"{window.beside.rate:,.0f}" if window.beside else "",
            f"{window.beside.p99_us / 1000:.2f}" if window.beside else "",
        ]
        for window in found.windows
    ]
    head = ("bots", "decisions/s", "% of ticks", "p50 ms", "p99 ms", "trades/s", "server cores")
    windows = table((*head, "transfers/s beside", "their p99 ms"), cells)
    return f"{windows}\n\n{found.bytes_each / 1024:.1f} KiB per idle bot."


def reads(found: Sequence[Read]) -> str:
    """Reads of one person's many transactions; every server has a core to itself."""
    cells = [
        [
            f"{read.system}, {read.what}",
            str(read.connections),
            f"{read.rate:,.0f}",
            f"{read.p50_us / 1000:.2f}",
            f"{read.p99_us / 1000:.2f}",
            f"{read.cpu_us:,.0f}",
            f"{read.bytes_each:,}",
        ]
        for read in found
    ]
    head = (f"read of {TRANSACTIONS:,} transactions", "connections", "reads/s", "p50 ms", "p99 ms")
    return table((*head, "server CPU µs each", "bytes"), cells)


def pages(found: Sequence[Pages]) -> str:
    """The same transfers without and with huge pages."""
    cells = [
        [
            "huge pages" if row.huge else "pages of 4 KiB",
            f"{row.rate:,.0f}",
            f"{row.p99_us / 1000:.1f}",
            f"{row.cpu_us:.0f}",
            f"{row.ratio:.2f}",
        ]
        for row in found
    ]
    head = ("memory in", "transfers/s", "p99 ms", "server CPU µs a transfer", "ratio")
    return table(head, cells)


def storm(found: Sequence[Storm]) -> str:
    """The same transfers without and with logins beside them."""
    cells = [
        [
            "with logins" if row.logins else "alone",
            f"{row.logins:,.0f}",
            f"{row.rate:,.0f}",
            f"{row.p50_us / 1000:.2f}",
            f"{row.p99_us / 1000:.2f}",
        ]
        for row in found
    ]
    head = (f"transfers at {TRANSFERRING} sockets", "logins/s", "transfers/s", "p50 ms", "p99 ms")
    return table(head, cells)


def targets(found: Sequence[Verdict]) -> str:
    """Every target with its figure, met or not."""
    cells = [
        [
            v.target,
            f"{'≤' if v.at_most else '≥'} {v.wanted:,.10g} {v.unit}",
            f"{v.measured:,.1f} {v.unit}",
            "yes" if v.met else "NO",
        ]
        for v in found
    ]
    return table(("target", "wanted", "measured", "met"), cells)


def _disk(delay_us: int) -> str:
    return f"{delay_us / 1000:g} ms added to every fsync" if delay_us else "disk as it is"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def commit() -> str:
    """Which version is measured."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(__file__).parent
    )
    return done.stdout.strip() or "unknown"
