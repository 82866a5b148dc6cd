"""An embedded PostgreSQL under DATA_DIR (storage-facts.md, "Embedded PostgreSQL").

    async with embedded.running(data_dir) as postgres:    # the server's own database
        Pool.opened(postgres.dsn)
    async with embedded.attached(data_dir) as dsn:        # verify, token: whoever runs it

It listens on a private Unix socket only, runs as an unprivileged account, never with fsync off,
ends when its owner ends, and is started again when it ends by itself. DATA_DIR has one owner at a
time, by a file lock that the owner's death frees.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import trio

from storage.embedded.cluster import Cluster
from storage.embedded.errors import DataDirInUse, DataDirUnusable, EmbeddedError
from storage.embedded.server import Postgres
from storage.errors import StorageError

# An owner that got SIGTERM a moment ago may still be draining.
CLAIM_WITHIN_S: Final = 10.0
# Someone else's server may be in the middle of starting, or of an outage.
_ATTACH_WITHIN_S: Final = 10.0
_ATTACH_POLL_S: Final = 0.05


@asynccontextmanager
async def running(
    data_dir: Path, claim_within_s: float = CLAIM_WITHIN_S
) -> AsyncIterator[Postgres]:
    """Own DATA_DIR and run its PostgreSQL, making the database the first time.

    Raises DataDirUnusable, DataDirInUse or EmbeddedError, and passes on what the body raises.
    """
    cluster = Cluster(data_dir)
    with await cluster.claim_within(claim_within_s):
        async with _supervised(cluster) as postgres:
            yield postgres


@asynccontextmanager
async def attached(data_dir: Path) -> AsyncIterator[str]:
    """The DSN of DATA_DIR's database: of the server that runs it now, else of our own for as long
    as the body takes. Raises DataDirUnusable when there is no database yet."""
    cluster = Cluster(data_dir)
    if not cluster.exists:
        raise DataDirUnusable(f"there is no database in DATA_DIR {cluster.data_dir}")
    try:
        lock = cluster.claim()
    except DataDirInUse:
        yield await _dsn_of_owner(cluster)
        return
    with lock:
        async with _supervised(cluster) as postgres:
            yield postgres.dsn


@asynccontextmanager
async def _supervised(cluster: Cluster) -> AsyncIterator[Postgres]:
    postgres = Postgres(cluster)
    await postgres.start()
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(postgres.supervise)
            yield postgres
            nursery.cancel_scope.cancel()
    except BaseExceptionGroup as group:
        # The nursery is our own affair: a single failure reaches the caller as it was raised.
        if len(group.exceptions) == 1:
            raise group.exceptions[0] from None
        raise
    finally:
        await postgres.stop()
        cluster.remove_socket_dir(cluster.account())


def is_owned(data_dir: Path) -> bool:
    """Whether another process owns DATA_DIR now. Raises DataDirUnusable."""
    cluster = Cluster(data_dir)
    if not cluster.exists:
        return False
    try:
        cluster.claim().close()
    except DataDirInUse:
        return True
    return False


async def _dsn_of_owner(cluster: Cluster) -> str:
    with trio.move_on_after(_ATTACH_WITHIN_S):
        while True:
            if dsn := cluster.ready_dsn():
                return dsn
            await trio.sleep(_ATTACH_POLL_S)
    raise DataDirInUse(f"DATA_DIR {cluster.data_dir} is in use, but its database does not serve")


__all__ = [
    "DataDirInUse",
    "DataDirUnusable",
    "EmbeddedError",
    "Postgres",
    "StorageError",
    "attached",
    "is_owned",
    "running",
]
