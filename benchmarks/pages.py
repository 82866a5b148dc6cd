"""What huge pages are worth: our server with and without them, both running, loaded in turns.

The machine may change its speed from one second to the next, so each pair of neighbouring loads
gives a ratio, and the median of many is kept.
"""

import ctypes
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from benchmarks import servers
from benchmarks.house import House
from benchmarks.load import Load, Target
from benchmarks.servers import ServerProcess
from benchmarks.transfers import Row

CONNECTIONS: Final = 1000
_PAIRS_PER_ROUND: Final = 10
_MEASURE_S: Final = 1.0
_DISABLE: Final = 41  # prctl(2): PR_SET_THP_DISABLE, which children inherit


@dataclass(frozen=True, kw_only=True)
class Pages:
    """Medians with huge pages (`huge`) or without; `ratio` is the CPU time a transfer takes to
    that without."""

    huge: bool
    rate: float
    p99_us: float
    cpu_us: float
    ratio: float


def measure(house: House) -> list[Pages]:
    """Without, then with."""
    with ExitStack() as stack:
        with _without_huge_pages():
            plain = stack.enter_context(_own(house, "plain"))
        huge = stack.enter_context(_own(house, "huge"))
        pairs: list[tuple[Row, Row]] = []
        for number in range(house.plan.rounds * _PAIRS_PER_ROUND):
            load = Load(
                connections=CONNECTIONS,
                warmup_s=house.plan.warmup_s,
                measure_s=_MEASURE_S,
                seed=number + 1,
            )
            pairs.append((_loaded(house, *plain, load), _loaded(house, *huge, load)))
            house.say(f"{pairs[-1][0].cpu_us:.0f} us a transfer, {pairs[-1][1].cpu_us:.0f} us")
    ratio = statistics.median(huge.cpu_us / plain.cpu_us for plain, huge in pairs)
    return [
        _row([plain for plain, _ in pairs], huge=False, ratio=1.0),
        _row([huge for _, huge in pairs], huge=True, ratio=ratio),
    ]


@contextmanager
def _own(house: House, name: str) -> Iterator[tuple[Target, ServerProcess]]:
    database, port = house.postgres.create_database(f"pages_{name}"), servers.free_port()
    data_dir = house.directory / name
    with servers.ours(data_dir, database, port, servers.new_secret()) as server:
        yield servers.our_target(port, CONNECTIONS + 1), server


@contextmanager
def _without_huge_pages() -> Iterator[None]:
    prctl = ctypes.CDLL(None).prctl
    prctl(_DISABLE, 1, 0, 0, 0)
    try:
        yield
    finally:
        prctl(_DISABLE, 0, 0, 0, 0)


def _loaded(house: House, target: Target, server: ServerProcess, load: Load) -> Row:
    return Row.of(target.name, load, 0, house.load(target, server, load))


def _row(runs: list[Row], *, huge: bool, ratio: float) -> Pages:
    return Pages(
        huge=huge,
        rate=statistics.median(run.rate for run in runs),
        p99_us=statistics.median(run.p99_us for run in runs),
        cpu_us=statistics.median(run.cpu_us for run in runs),
        ratio=ratio,
    )
