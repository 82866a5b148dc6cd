"""The same load on a ledger of 1,000 accounts and on one of 1,000,000, and a start on each.

Both ledgers are seeded the same way (`seed.py`: one journal an account), and `app.py verify` must
pass on both. Payers are connected users; each transfer pays anyone in the ledger, so nearly every
recipient of the large one has to be recovered from storage first: `cold` is the rate while it is
so, right after the start. Then the servers are left alone until they have their accounts in memory,
which an idle one brings there by itself. Both run at once and take turns, as what a machine is good
for changes from minute to minute. They are loaded for a while before: the first write to a page
after a checkpoint puts the whole page into the log, which for the large ledger lasts some seconds
of the 15 minutes between two checkpoints.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks import seed, servers
from benchmarks.house import House
from benchmarks.load import Load, Result, Target
from benchmarks.servers import ROOT, ServerProcess

SMALL = 1000
_FIRST_S = 1.0  # long enough for the first transfer of a cold server
CONNECTIONS = (64, 1000)
_AFTER_CHECKPOINT_S = 15.0
_WARM_WITHIN_S = 300.0
TURNS = 5  # of each server, in every round of the plan: a host that looks away spoils one


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Transfers a second with so many accounts (and as many journals) behind them.

    `cold_rate` is the one right after the start, at the first number of connections, and `warm_s`
    how long the server then took to bring the accounts into memory, both loads of it included.
    `listening_s` and `served_s` are seconds from the start of the process until it says that it
    listens and until a first socket's transfer was acknowledged, the token's issue included.
    """

    accounts: int
    connections: int
    rate: float
    p99_us: float
    listening_s: float
    served_s: float
    verify_s: float
    cold_rate: float
    warm_s: float


def measure(house: House) -> list[Growth]:
    """The small ledger and the large one."""
    ledgers = [_seeded(house, accounts) for accounts in (SMALL, house.plan.large)]
    house.postgres.settle()
    with ExitStack() as stack:
        running = [stack.enter_context(_running(house, ledger)) for ledger in ledgers]
        for one in running:
            _after_checkpoint(house, one)
        found = [row for connections in CONNECTIONS for row in _turns(house, running, connections)]
    for row in found:
        house.say(f"growth: {row}")
    return found


def _after_checkpoint(house: House, one: "_Running") -> None:
    load = Load(connections=CONNECTIONS[-1], warmup_s=_AFTER_CHECKPOINT_S, measure_s=_FIRST_S)
    house.load(one.target, one.server, load)


@dataclass(frozen=True, kw_only=True)
class _Ledger:
    """One that was written and verified."""

    accounts: int
    database: str
    data_dir: Path
    users: list[str]
    verify_s: float


@dataclass(frozen=True, kw_only=True)
class _Running:
    """A ledger with its server, which has answered a first transfer."""

    ledger: _Ledger
    server: ServerProcess
    target: Target
    served_s: float
    cold_rate: float
    warm_s: float


def _seeded(house: House, accounts: int) -> _Ledger:
    name = f"growth_{accounts}"
    database, data_dir = house.postgres.create_database(name), house.directory / name
    with servers.ours(data_dir, database, servers.free_port(), servers.new_secret()):
        pass  # its migrations and seeded people
    began = time.monotonic()
    users = seed.seed(database, accounts)
    house.say(f"{accounts:,} accounts and journals written in {time.monotonic() - began:.1f} s")
    return _Ledger(
        accounts=accounts,
        database=database,
        data_dir=data_dir,
        users=users,
        verify_s=_verify(database),
    )


@contextmanager
def _running(house: House, ledger: _Ledger) -> Iterator[_Running]:
    port, secret, users = servers.free_port(), servers.new_secret(), ledger.users
    began = time.monotonic()
    running = servers.ours(ledger.data_dir, ledger.database, port, secret, LOG_LEVEL="INFO")
    with running as server:
        payers = users[:: max(1, ledger.accounts // max(CONNECTIONS))][: max(CONNECTIONS)]
        first = servers.existing_target(port, payers[:2], users)
        house.load(first, server, Load(connections=1, warmup_s=0, measure_s=_FIRST_S))
        served_s = time.monotonic() - began - _FIRST_S
        target = servers.existing_target(port, payers, users)
        load = Load(
            connections=CONNECTIONS[0],
            warmup_s=house.plan.warmup_s,
            measure_s=house.plan.measure_s,
        )
        cold_rate = house.load(target, server, load).result.rate
        server.wait_until_logged("warmed up", _WARM_WITHIN_S)
        yield _Running(
            ledger=ledger,
            server=server,
            target=target,
            served_s=served_s,
            cold_rate=cold_rate,
            warm_s=time.monotonic() - began,
        )


def _turns(house: House, running: list[_Running], connections: int) -> list[Growth]:
    """One load on each in turns; the medians."""
    results: list[list[Result]] = [[] for _ in running]
    for number in range(house.plan.rounds * TURNS):
        load = Load(
            connections=connections,
            warmup_s=house.plan.warmup_s,
            measure_s=house.plan.measure_s,
            seed=number + 1,
        )
        for one, taken in zip(running, results, strict=True):
            taken.append(house.load(one.target, one.server, load).result)
    return [
        Growth(
            accounts=one.ledger.accounts,
            connections=connections,
            rate=statistics.median(result.rate for result in taken),
            p99_us=statistics.median(result.p99_us for result in taken),
            listening_s=one.server.start_s,
            served_s=one.served_s,
            verify_s=one.ledger.verify_s,
            cold_rate=one.cold_rate,
            warm_s=one.warm_s,
        )
        for one, taken in zip(running, results, strict=True)
    ]


def _verify(database: str) -> float:
    """Seconds `app.py verify` takes to pass; raises when it does not."""
    began = time.monotonic()
    command = [sys.executable, "app.py", "verify", "--database-url", database]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"verify failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return time.monotonic() - began
