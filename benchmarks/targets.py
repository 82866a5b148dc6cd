"""What the figures are held against, target by target."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median

from benchmarks.bots import BOTS, TRANSFERS_PER_S, Bots
from benchmarks.crowd import by_group
from benchmarks.growth import Growth
from benchmarks.idle import Idle
from benchmarks.reads import ALONE, STATUS, TRANSACTIONS, Read
from benchmarks.reads import OURS as OUR_READS
from benchmarks.reads import PEER as PEER_READS
from benchmarks.sse import Streams
from benchmarks.stk import CALLBACKS_PER_S, Stk
from benchmarks.storm import Storm
from benchmarks.transfers import Row

OURS, CONVENTIONAL, BARE = "daftari", "conventional", "pgbench"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One target: what was wanted, what was measured (same unit), and whether that is enough."""

    target: str
    wanted: float
    measured: float
    unit: str
    at_most: bool = False

    @property
    def met(self) -> bool:
        """Whether the measured figure reaches the wanted one."""
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted


@dataclass(kw_only=True)
class Measured:
    """What the parts of one run found, for the verdicts."""

    transfers: list[Row] = field(default_factory=list)
    crowd: list[Row] = field(default_factory=list)
    idle: list[Idle] = field(default_factory=list)
    growth: list[Growth] = field(default_factory=list)
    stk: Stk | None = None
    sse: Streams | None = None
    bots: Bots | None = None
    reads: list[Read] = field(default_factory=list)
    storm: list[Storm] = field(default_factory=list)


def verdicts(measured: Measured) -> list[Verdict]:
    """All targets the run has figures for, those not met included."""
    return [
        *_ratios(measured.transfers),
        *_ours(measured.transfers),
        *_crowd(measured.crowd),
        *_size(measured),
        *_pushes(measured.stk),
        *_streams(measured.sse),
        *_bots(measured.bots),
        *_reads(measured.reads),
        *_storm(measured.storm),
    ]


def _ratios(rows: Sequence[Row]) -> Iterator[Verdict]:
    """Against the conventional server at the same sockets, against pgbench best to best."""
    for group in dict.fromkeys((row.hot, row.delay_us) for row in rows if row.system == OURS):
        same = [row for row in rows if (row.hot, row.delay_us) == group]
        hot, where = group[0], _where(*group)
        for connections in sorted({row.clients for row in same if row.system == OURS}):
            if connections == 1:
                continue  # one transfer at a time has nothing to group: reported, not a target
            ours, theirs = (_rate(same, name, connections) for name in (OURS, CONVENTIONAL))
            target = f"conventional server, {where}, {connections:,} sockets"
            ratio = ours / theirs
            yield Verdict(target=target, wanted=15 if hot else 5, measured=ratio, unit="×")
        ratio = _best(same, OURS) / _best(same, BARE)
        target = f"bare pgbench, {where}, best to best"
        yield Verdict(target=target, wanted=5 if hot else 1.5, measured=ratio, unit="×")


def _ours(rows: Sequence[Row]) -> Iterator[Verdict]:
    for row in rows:
        if row.system == OURS and row.clients == 1000:
            where = f"{_where(row.hot, row.delay_us)}, 1,000 sockets"
            p99_ms = row.p99_us / 1000
            yield Verdict(
                target=f"p99, {where}", wanted=150, measured=p99_ms, unit="ms", at_most=True
            )
            yield Verdict(target=f"rate, {where}", wanted=10_000, measured=row.rate, unit="/s")


def _crowd(rounds: Sequence[Row]) -> Iterator[Verdict]:
    """In the round in which the machine was disturbed least."""
    for least, *_ in by_group(rounds):
        where = f"{_where(least.hot, least.delay_us)}, 1,000 sockets, least disturbed"
        p99_ms = least.p99_us / 1000
        yield Verdict(target=f"p99, {where}", wanted=150, measured=p99_ms, unit="ms", at_most=True)
        yield Verdict(target=f"rate, {where}", wanted=10_000, measured=least.rate, unit="/s")


def _reads(found: Sequence[Read]) -> Iterator[Verdict]:
    """Every read as fast as the peer's; a long history within 50 ms."""
    theirs = {(r.what, r.connections): r.rate for r in found if r.system == PEER_READS}
    for read in found:
        if read.system != OUR_READS:
            continue
        where = f"{read.what}, {read.connections} connections"
        if peer := theirs.get((read.what, read.connections)):
            ratio = read.rate / peer
            yield Verdict(target=f"FastAPI, {where}", wanted=1, measured=ratio, unit="×")
        if read.connections == ALONE and read.what != STATUS:
            target = f"p50, {read.what} of {TRANSACTIONS:,} transactions"
            p50_ms = read.p50_us / 1000
            yield Verdict(target=target, wanted=50, measured=p50_ms, unit="ms", at_most=True)


def _storm(found: Sequence[Storm]) -> Iterator[Verdict]:
    """The bound of every transfer holds in a storm of logins, too."""
    for row in found:
        beside = "beside a storm of logins" if row.logins else "without logins"
        p99_ms = row.p99_us / 1000
        target = f"p99 of transfers {beside}"
        yield Verdict(target=target, wanted=150, measured=p99_ms, unit="ms", at_most=True)


def _size(measured: Measured) -> Iterator[Verdict]:
    for idle in measured.idle:
        if idle.system == OURS:
            target = f"idle connection, {idle.connections:,} of them"
            each = idle.bytes_each / 1024
            yield Verdict(target=target, wanted=20, measured=each, unit="KiB", at_most=True)
    by_sockets: dict[int, list[Growth]] = {}
    for row in measured.growth:
        by_sockets.setdefault(row.connections, []).append(row)
    for sockets, (small, large) in by_sockets.items():
        target = f"rate with {large.accounts:,} of that with {small.accounts:,} accounts, "
        share = 100 * large.rate / small.rate
        yield Verdict(target=f"{target}{sockets:,} sockets", wanted=80, measured=share, unit="%")
    if measured.growth:
        largest = max(measured.growth, key=lambda row: row.accounts)
        target = f"start with {largest.accounts:,} accounts and journals"
        served_s = largest.served_s
        yield Verdict(target=target, wanted=10, measured=served_s, unit="s", at_most=True)


def _pushes(found: Stk | None) -> Iterator[Verdict]:
    if found is None:
        return
    target = f"completed of {found.pushes:,} pushes in flight at once"
    yield Verdict(target=target, wanted=found.pushes, measured=found.paid, unit="pushes")
    target = f"p99 from callback to event at {CALLBACKS_PER_S} callbacks/s"
    yield Verdict(target=target, wanted=50, measured=found.p99_ms, unit="ms", at_most=True)


def _streams(found: Streams | None) -> Iterator[Verdict]:
    if found is None:
        return
    yield Verdict(target="event streams", wanted=2_000, measured=found.listeners, unit="streams")


def _bots(bots: Bots | None) -> Iterator[Verdict]:
    """The median of the rounds with transfers beside."""
    if bots is None:
        return
    loaded = [window for window in bots.windows if window.beside is not None]
    p99_ms = median(window.p99_us for window in loaded) / 1000
    target = f"tick to decision, p99, {BOTS:,} bots and {TRANSFERS_PER_S} transfers/s"
    yield Verdict(target=target, wanted=100, measured=p99_ms, unit="ms", at_most=True)
    rate = median(window.beside.rate for window in loaded if window.beside is not None)
    target = f"transfers beside {BOTS:,} bots"
    yield Verdict(target=target, wanted=TRANSFERS_PER_S * 0.99, measured=rate, unit="/s")
    each = bots.bytes_each / 1024
    yield Verdict(target="idle bot", wanted=50, measured=each, unit="KiB", at_most=True)


def _rate(rows: Sequence[Row], system: str, clients: int) -> float:
    return next(row.rate for row in rows if (row.system, row.clients) == (system, clients))


def _best(rows: Sequence[Row], system: str) -> float:
    return max(row.rate for row in rows if row.system == system)


def _where(hot: bool, delay_us: int) -> str:
    accounts = "one hot account" if hot else "uniform accounts"
    return f"{accounts}{f', +{delay_us / 1000:g} ms' if delay_us else ''}"
