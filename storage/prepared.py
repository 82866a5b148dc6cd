"""Statements that run all the time: prepared by name and run without psycopg's cursor.

Finding dumpers, a statement's name and a plan anew for every call cost both sides twice what the
rows themselves do (benchmarks/RESULTS.md, "Growth and start").
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import psycopg
from psycopg import generators, pq
from psycopg.abc import PQGen
from psycopg.adapt import Transformer

from storage.driver import Row, TrioConnection
from storage.pool import Pool

# For the sessions that only look rows up: arrays are joined to keys, row by row through an index,
# by one plan for every number of keys. Planned for its values, a look-up takes longer to plan
# than to run.
LOOKUP_SESSION: Final = """
SELECT set_config(name, value, false)
FROM (VALUES ('plan_cache_mode', 'force_generic_plan'), ('enable_seqscan', 'off'),
             ('enable_hashjoin', 'off'), ('enable_mergejoin', 'off'),
             ('enable_bitmapscan', 'off'), ('enable_material', 'off'), ('enable_memoize', 'off'),
             ('application_name', 'daftari look-ups')) AS settings (name, value)
"""


class Prepared:
    """One statement with binary parameters `$1`, `$2` …, each cast to its type in it."""

    def __init__(self, name: str, sql: str) -> None:
        """`name` is the statement's in a session, so no other may have it."""
        self._name = name.encode()
        self._sql = sql.encode()

    async def rows(self, pool: Pool, *params: bytes) -> list[Row]:
        """Every row of a SELECT, for parameters in the binary format. Raises what the pool
        raises."""
        async with pool.connection(reads=True) as connection:
            return await self.on(connection, *params)

    async def on(self, connection: TrioConnection, *params: bytes) -> list[Row]:
        """The same in a session that is at hand, for any statement; raises psycopg's errors."""
        result: pq.abc.PGresult | None = None
        if self._name in connection.prepared:
            # psycopg answers a rollback with DEALLOCATE ALL once it has prepared anything.
            with suppress(psycopg.errors.InvalidSqlStatementName):
                result = await connection.wait(self._execute(connection, params))
        if result is None:
            await self.prepare(connection)
            result = await connection.wait(self._execute(connection, params))
        loaders = connection.prepared[self._name]
        loaders.set_pgresult(result)
        return loaders.load_rows(0, result.ntuples, tuple)

    async def prepare(self, connection: TrioConnection) -> None:
        """Make the statement known to the session."""
        await connection.wait(self._prepare(connection))
        connection.prepared[self._name] = Transformer(connection)

    def is_known_to(self, connection: TrioConnection) -> bool:
        """Whether it was prepared there."""
        return self._name in connection.prepared

    def send(self, connection: TrioConnection, params: Sequence[bytes]) -> None:
        """Queue the statement; whoever drives the protocol fetches its result."""
        connection.pgconn.send_query_prepared(
            self._name, params, [pq.Format.BINARY] * len(params), result_format=pq.Format.BINARY
        )

    def _prepare(self, connection: TrioConnection) -> PQGen[None]:
        connection.pgconn.send_prepare(self._name, self._sql, None)
        _only((yield from generators.execute(connection.pgconn)))

    def _execute(
        self, connection: TrioConnection, params: Sequence[bytes]
    ) -> PQGen["pq.abc.PGresult"]:
        self.send(connection, params)
        return _only((yield from generators.execute(connection.pgconn)))


def _only(results: Sequence["pq.abc.PGresult"]) -> "pq.abc.PGresult":
    for result in results:
        if result.status in (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK):
            return result
        raise psycopg.errors.error_from_result(result, encoding="utf-8")
    raise psycopg.OperationalError("no answer from the database")
