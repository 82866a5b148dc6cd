"""Bare pgbench with the conventional server's SQL: the database without any server before it."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.postgres import Postgres

SCRIPT = Path(__file__).parent / "pgbench" / "transfer.sql"


@dataclass(frozen=True, kw_only=True)
class BareResult:
    """Transfers a second and latencies; `transactions` is the number committed."""

    rate: float
    transactions: int
    p50_us: int
    p99_us: int


def run(
    postgres: Postgres, url: str, *, clients: int, accounts: int, hot: bool, seconds: int
) -> BareResult:
    """Run the script with prepared statements and `clients` connections for `seconds`.

    Payers are the users 1 to `accounts`; when `hot` they all pay user `accounts` + 1. Latencies
    come from pgbench's own log of every transaction.
    """
    with TemporaryDirectory() as logs:
        command = [str(postgres.program("pgbench")), "-n", "-M", "prepared", "-f", str(SCRIPT)]
        command += ["-c", str(clients), "-j", str(min(2, os.cpu_count() or 1)), "-T", str(seconds)]
        command += ["-D", f"accounts={accounts}", "-D", f"hot={int(hot)}"]
        command += ["-l", f"--log-prefix={logs}/t", "--random-seed=1", url]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0 or "failed transactions: 0 " not in done.stdout:
            raise RuntimeError(f"pgbench failed:\n{done.stdout[-1500:]}{done.stderr[-1500:]}")
        lines = (line for log in Path(logs).iterdir() for line in log.read_text().splitlines())
        took = sorted(int(line.split()[2]) for line in lines)
    rate = next(line for line in done.stdout.splitlines() if line.startswith("tps = "))
    return BareResult(
        rate=float(rate.split()[2]),
        transactions=len(took),
        p50_us=took[len(took) // 2],
        p99_us=took[len(took) * 99 // 100],
    )
