"""1,000 paper bots on 20 symbols at ten ticks a second, with cashier transfers beside them."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import paced, servers
from benchmarks.floor_server import BOTS, SYMBOLS, TICKS_PER_S
from benchmarks.house import House
from benchmarks.paced import Paced
from benchmarks.usage import usage

TRANSFERS_PER_S = 500
SOCKETS = 64
STOP_S = 30.0


@dataclass(frozen=True, kw_only=True)
class Trading:
    """One window. `share` of the ticks a bot was owed that it decided on; the others were
    replaced by a later one before it came to them. `beside` None: no transfers."""

    seconds: float
    decisions_per_s: float
    share: float
    p50_us: float
    p99_us: float
    max_us: float
    trades_per_s: float
    active: int
    server_cores: float
    beside: Paced | None


@dataclass(frozen=True, kw_only=True)
class Bots:
    """All that was measured: windows without and with transfers, and the memory of idle bots."""

    windows: list[Trading]
    bytes_each: float


def measure(house: House) -> Bots:
    """Make the bots, weigh them idle, then watch them decide without and with transfers."""
    database = house.postgres.create_database("bots")
    folder, port = house.directory / "bots", servers.free_port()
    with _running("make", database, folder, port, house):
        pass
    with _running("idle", database, folder, port, house) as idle:
        bytes_each = float(json.loads(_line(idle))["bytes_each"])
    house.say(f"bots: {bytes_each / 1024:.1f} KiB per idle bot")
    seconds = max(house.plan.measure_s * 2, 2.0)
    with _running("load", database, folder, port, house) as server:
        while not _line(server).startswith("listening"):
            pass
        target = servers.our_target(port, SOCKETS)
        loader = paced.opened(target)
        _window(server, house.plan.warmup_s * 2, None)
        windows = [
            _window(server, seconds, beside)
            for _ in range(house.plan.rounds)
            for beside in (None, loader)
        ]
    for window in windows:
        house.say(f"bots: {window}")
    return Bots(windows=windows, bytes_each=bytes_each)


def _window(
    server: "subprocess.Popen[str]", seconds: float, loader: paced.PacedLoader | None
) -> Trading:
    answer: list[str] = []
    before = usage(server.pid).cpu_s
    assert server.stdin
    print(seconds, file=server.stdin, flush=True)
    waiting = threading.Thread(target=lambda: answer.append(_line(server)))
    waiting.start()
    beside = loader.steady(TRANSFERS_PER_S, seconds) if loader is not None else None
    waiting.join()
    found: dict[str, Any] = json.loads(answer[0])
    return Trading(
        seconds=seconds,
        decisions_per_s=found["decisions"] / seconds,
        share=found["decisions"] / found["ticks"],
        p50_us=found["p50_us"],
        p99_us=found["p99_us"],
        max_us=found["max_us"],
        trades_per_s=found["trades"] / seconds,
        active=found["active"],
        server_cores=(usage(server.pid).cpu_s - before) / seconds,
        beside=beside,
    )


@contextmanager
def _running(
    mode: str, database: str, folder: Path, port: int, house: House
) -> "Iterator[subprocess.Popen[str]]":
    """The server of one phase; `make` and `idle` end by themselves."""
    command = [sys.executable, "-m", "benchmarks.floor_server", mode, database, str(folder)]
    log = house.directory / f"bots-{mode}.log"
    with (
        log.open("ab") as stderr,
        subprocess.Popen(
            [*command, str(port)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        ) as process,
    ):
        try:
            yield process
            if mode == "load":
                process.terminate()
            elif process.wait(STOP_S * 4) != 0:
                raise RuntimeError(f"{mode} failed:\n{log.read_text()[-3000:]}")
        finally:
            process.kill()


def _line(process: "subprocess.Popen[str]") -> str:
    assert process.stdout
    line = process.stdout.readline()
    if not line:
        raise RuntimeError("the server with the bots ended early")
    return line.strip()


__all__ = ["BOTS", "SYMBOLS", "TICKS_PER_S", "Bots", "Trading", "measure"]
