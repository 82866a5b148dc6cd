"""Run the embedded PostgreSQL as another user: `python -m tests.storage.as_user UID DATA_DIR`.

Started as root. Everything is imported before the change of user, because that user may not be
allowed to read the interpreter's own files.
"""

import encodings.idna  # noqa: F401  # socket imports it late
import os
import sys
from pathlib import Path

import trio

from storage import embedded
from storage.pool import Pool


async def main(data_dir: Path) -> None:
    """Print the name of the account PostgreSQL runs as, or the one line of its complaint."""
    try:
        async with embedded.running(data_dir) as postgres, Pool.opened(postgres.dsn) as pool:
            await pool.fetch("SELECT 1")
            print((data_dir / "postgres").stat().st_uid)  # noqa: T201
    except embedded.EmbeddedError as error:
        print(error)  # noqa: T201


if __name__ == "__main__":
    uid = int(sys.argv[1])
    os.setgroups([])
    os.setgid(uid)
    os.setuid(uid)
    trio.run(main, Path(sys.argv[2]))
