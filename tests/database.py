"""One embedded PostgreSQL for the whole test run, in a process of its own.

    python -m tests.database DATA_DIR

prints the DSN once it serves and stops when its standard input ends, however pytest ends. It is
the production supervisor with production settings: fsync stays on.
"""

import sys
from pathlib import Path

import trio

from assembly.awake import AwakeClock
from storage import embedded


async def main(data_dir: Path) -> None:
    """Serve until standard input closes."""
    async with embedded.running(data_dir) as postgres:
        print(postgres.dsn, flush=True)  # noqa: T201
        await trio.lowlevel.wait_readable(sys.stdin.fileno())


if __name__ == "__main__":
    trio.run(main, Path(sys.argv[1]), clock=AwakeClock())
