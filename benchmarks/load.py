"""The load generator as the rest of the benchmarks sees it.

`c/load.c` does the work in a process of its own; `load_python.py` takes its place, with the same
arguments and output, where there is no C compiler. Both are closed loops: each connection has one
transfer in flight, and its latency is the time between the send and the reply, per request.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.compiled import build


@dataclass(frozen=True, kw_only=True)
class Target:
    """A server under load: its socket, who may log in and whom they may pay.

    `credentials` are (token, user id) pairs; `recipients` are user ids.
    """

    name: str
    port: int
    path: str
    credentials: list[tuple[str, str]]
    recipients: list[str]
    host: str = "127.0.0.1"


@dataclass(frozen=True, kw_only=True)
class Load:
    """How to load a target. `hot`: everyone pays one connected user who pays nobody."""

    connections: int
    hot: bool = False
    warmup_s: float = 1.0
    measure_s: float = 4.0
    keys: bool = False
    seed: int = 1


@dataclass(frozen=True, kw_only=True)
class Result:
    """What one run measured: counts inside the window, totals over everything.

    Latencies are of the requests sent before the window's end and answered after its start, so
    that those too slow to be answered inside it are not left out.
    `refusals` are error replies, `lost` closed connections, `unanswered` requests without a
    reply 15 s after the end. `cpu_s` is the generator's own CPU time inside the window.
    """

    transfers: int
    seconds: float
    refusals: int
    events: int
    lost: int
    p50_us: int
    p99_us: int
    p999_us: int
    max_us: int
    cpu_s: float
    total_successes: int
    total_refusals: int
    total_events: int
    unanswered: int
    first_refusal: str

    @property
    def rate(self) -> float:
        """Successful transfers a second."""
        return self.transfers / self.seconds

    @property
    def cpu_share(self) -> float:
        """Cores the generator used; near 1.0 it is the bottleneck itself."""
        return self.cpu_s / self.seconds

    def must_be_clean(self, where: str) -> "Result":
        """Raise when a reply was an error or is missing: such a rate would mean nothing."""
        if self.total_refusals or self.lost or self.unanswered or not self.transfers:
            raise RuntimeError(f"{where}: not a clean run: {self}")
        return self


class Generator:
    """Runs loads and holds idle connections. `scratch` is a directory for its input files."""

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        binary = build("load", scratch)
        self.in_c = binary is not None
        python = [sys.executable, "-m", "benchmarks.load_python"]
        self._command = [str(binary)] if binary else python

    def run(
        self, target: Target, load: Load, on_phase: Callable[[str], None] = lambda phase: None
    ) -> Result:
        """Put `load` on `target`; `on_phase` hears "ready", "measuring" and "measured"."""
        with self._start("transfers", target, load) as process:
            answer: dict[str, Any] = {}
            for line in _lines(process):
                if line.startswith("{"):
                    answer = json.loads(line)
                else:
                    on_phase(line)
        if not answer:
            raise RuntimeError(f"{target.name}: the load generator gave no result")
        return Result(**answer)

    @contextmanager
    def idle(self, target: Target, connections: int) -> Iterator[None]:
        """Hold `connections` authenticated connections open while the body runs."""
        with self._start("idle", target, Load(connections=connections)) as process:
            if next(_lines(process), "") != "ready":
                raise RuntimeError(f"{target.name}: {connections} connections were not accepted")
            yield
            assert process.stdin
            process.stdin.close()
            answer = json.loads(next(_lines(process)))
            if answer["lost"]:
                raise RuntimeError(f"{target.name}: {answer['lost']} idle connections were lost")

    @contextmanager
    def _start(self, mode: str, target: Target, load: Load) -> "Iterator[subprocess.Popen[str]]":
        listeners = 1 if load.hot else 0
        arguments = [
            *(mode, target.host, target.port, target.path),
            *self._inputs(target, load),
            *(load.connections, listeners, load.warmup_s, load.measure_s, int(load.keys)),
            load.seed,
        ]
        process = subprocess.Popen(
            [*self._command, *map(str, arguments)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def _inputs(self, target: Target, load: Load) -> tuple[Path, Path]:
        """Write the credentials and recipients files; the hot user is the one after the payers."""
        needed = load.connections + (1 if load.hot else 0)
        if len(target.credentials) < needed:
            raise ValueError(f"{target.name}: {needed} users needed")
        hot_user = target.credentials[needed - 1][1]
        recipients = [hot_user] if load.hot else target.recipients
        credentials = (f"{token} {user}\n" for token, user in target.credentials[:needed])
        names = self._scratch / "credentials", self._scratch / "recipients"
        names[0].write_text("".join(credentials))
        names[1].write_text("\n".join(recipients))
        return names


def _lines(process: "subprocess.Popen[str]") -> Iterator[str]:
    assert process.stdout
    for line in process.stdout:
        yield line.strip()
