"""Several statements as one transaction in one round trip (libpq's pipeline mode).

What is sent before a sync is one transaction to the server: it commits at the sync if every
statement succeeded, and nothing of it is kept otherwise. So there is no BEGIN, no COMMIT, and no
wait between them.
"""

from collections.abc import Callable, Sequence

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen

from storage.driver import TrioConnection


async def as_one(connection: TrioConnection, sends: Sequence[Callable[[], None]]) -> None:
    """Run what each of `sends` queues, all or nothing; raises the first failure, as psycopg's
    error. What must hold of their results, the statements themselves have to see to."""
    await connection.wait(_pipelined(connection.pgconn, sends))


def _pipelined(pgconn: "pq.abc.PGconn", sends: Sequence[Callable[[], None]]) -> PQGen[None]:
    pgconn.enter_pipeline_mode()
    for send in sends:
        send()
    pgconn.pipeline_sync()
    yield from generators.send(pgconn)
    failure: pq.abc.PGresult | None = None
    for _ in sends:
        for result in (yield from generators.fetch_many(pgconn)):
            if failure is None and result.status == pq.ExecStatus.FATAL_ERROR:
                failure = result
    (synced,) = yield from generators.fetch_many(pgconn)
    pgconn.exit_pipeline_mode()
    if failure is not None:
        raise psycopg.errors.error_from_result(failure, encoding="utf-8")
    if synced.status != pq.ExecStatus.PIPELINE_SYNC:
        raise psycopg.errors.error_from_result(synced, encoding="utf-8")
