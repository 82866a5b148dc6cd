"""What every part of a run shares: a directory on a real disk, one PostgreSQL, one generator."""

import resource
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks import postgres
from benchmarks.load import Generator, Load, Result, Target
from benchmarks.postgres import Postgres
from benchmarks.servers import ServerProcess
from benchmarks.usage import Usage, usage

# /tmp is a memory disk on many systems, on which an fsync costs nothing; /var/tmp is not.
DEFAULT_PARENT = Path("/var/tmp")
OPEN_FILES = 65_536
DELAY_US = 1000


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How long to measure. `rounds` alternate between the systems; the median is reported."""

    warmup_s: float = 1.0
    measure_s: float = 4.0
    rounds: int = 2
    users: int = 1000
    idle_connections: int = 10_000
    large: int = 1_000_000


QUICK = Plan(warmup_s=0.5, measure_s=1.0, rounds=1, users=1000, idle_connections=1000, large=20_000)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One run with the cores that each party used inside the measured window."""

    result: Result
    server_cores: float
    postgres_cores: float


@dataclass(kw_only=True)
class House:
    """The shared parts, and the notes a run leaves for the report."""

    directory: Path
    postgres: Postgres
    generator: Generator
    plan: Plan
    say: Callable[[str], None]
    delays_us: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.delays_us = (0, DELAY_US) if self.postgres.can_delay else (0,)

    def load(self, target: Target, server: ServerProcess, load: Load) -> Loaded:
        """Run one load; raises when any request was refused, lost or left unanswered."""
        marks: dict[str, tuple[Usage, Usage]] = {}

        def on_phase(phase: str) -> None:
            if phase != "ready":
                marks[phase] = usage(server.pid), usage(self.postgres.child.pid)

        result = self.generator.run(target, load, on_phase)
        result.must_be_clean(f"{target.name} at {load}")
        before, after = marks["measuring"], marks["measured"]
        shares = [
            (late.cpu_s - early.cpu_s) / result.seconds
            for early, late in zip(before, after, strict=True)
        ]
        return Loaded(result=result, server_cores=shares[0], postgres_cores=shares[1])


@contextmanager
def opened(parent: Path | None, plan: Plan, say: Callable[[str], None]) -> Iterator[House]:
    """Set up the house in a new directory under `parent`, removed at the end."""
    _raise_open_files()
    parent = parent or (DEFAULT_PARENT if DEFAULT_PARENT.is_dir() else Path(tempfile.gettempdir()))
    directory = Path(tempfile.mkdtemp(prefix="daftari-bench-", dir=parent))
    directory.chmod(0o755)  # PostgreSQL may run as another account
    try:
        with postgres.running(directory / "postgres") as database:
            generator = Generator(directory)
            yield House(
                directory=directory, postgres=database, generator=generator, plan=plan, say=say
            )
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _raise_open_files() -> None:
    """10,000 connections need as many files, in the servers and in the generator."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
