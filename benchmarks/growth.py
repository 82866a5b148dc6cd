"""The same load on a ledger of 1,000 accounts and on one of 1,000,000, and a start on each.

Both ledgers are seeded the same way (`seed.py`: one journal an account), and `app.py verify` must
pass on both. Payers are connected users; each transfer pays anyone in the ledger, so nearly every
recipient of the large one has to be recovered from storage first.
"""

import statistics
import subprocess
import sys
import time
from dataclasses import dataclass

from benchmarks import seed, servers
from benchmarks.house import House
from benchmarks.load import Load, Result
from benchmarks.servers import ROOT

SMALL = 1000
_FIRST_S = 1.0  # long enough for the first transfer of a cold server
CONNECTIONS = (64, 1000)


@dataclass(frozen=True, kw_only=True)
class Growth:
    """Transfers a second with so many accounts (and as many journals) behind them.

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


def measure(house: House) -> list[Growth]:
    """The small ledger, then the large one."""
    found = [row for accounts in (SMALL, house.plan.large) for row in _with(house, accounts)]
    for row in found:
        house.say(f"growth: {row}")
    return found


def _with(house: House, accounts: int) -> list[Growth]:
    name = f"growth_{accounts}"
    database = house.postgres.create_database(name)
    port, secret = servers.free_port(), servers.new_secret()
    data_dir = house.directory / name
    with servers.ours(data_dir, database, port, secret):
        pass  # its migrations and seeded people
    began = time.monotonic()
    users = seed.seed(database, accounts)
    house.say(f"{accounts:,} accounts and journals written in {time.monotonic() - began:.1f} s")
    verify_s = _verify(database)
    house.postgres.settle()
    began = time.monotonic()
    with servers.ours(data_dir, database, port, secret) as server:
        payers = users[:: max(1, accounts // max(CONNECTIONS))][: max(CONNECTIONS)]
        first = servers.existing_target(port, payers[:2], users)
        house.load(first, server, Load(connections=1, warmup_s=0, measure_s=_FIRST_S))
        served_s = time.monotonic() - began - _FIRST_S
        target = servers.existing_target(port, payers, users)
        rows = []
        for connections in CONNECTIONS:
            load = Load(
                connections=connections,
                warmup_s=house.plan.warmup_s,
                measure_s=house.plan.measure_s,
            )
            rounds = [house.load(target, server, load).result for _ in range(house.plan.rounds)]
            rows.append(_row(accounts, connections, rounds, server.start_s, served_s, verify_s))
    return rows


def _row(
    accounts: int,
    connections: int,
    rounds: list[Result],
    listening_s: float,
    served_s: float,
    verify_s: float,
) -> Growth:
    return Growth(
        accounts=accounts,
        connections=connections,
        rate=statistics.median(result.rate for result in rounds),
        p99_us=statistics.median(result.p99_us for result in rounds),
        listening_s=listening_s,
        served_s=served_s,
        verify_s=verify_s,
    )


def _verify(database: str) -> float:
    """Seconds `app.py verify` takes to pass; raises when it does not."""
    began = time.monotonic()
    command = [sys.executable, "app.py", "verify", "--database-url", database]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"verify failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
    return time.monotonic() - began
