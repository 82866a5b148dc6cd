"""REST reads of a person with 100,000 transactions: ours and the conventional REST server.

Both read the same rows of one PostgreSQL. A server has one core to itself; the generator and
PostgreSQL share the other. They take turns in one run, the median of the rounds counts.
"""

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import NamedTuple

import psycopg

from benchmarks import http_load, servers
from benchmarks.house import House
from benchmarks.http_load import Requests
from benchmarks.servers import ServerProcess
from benchmarks.usage import usage

TRANSACTIONS = 100_000
CONNECTIONS = (1, 16)
ALONE = 1  # connections at which a latency is that of one request
SERVER_CORE, OTHER_CORE = 0, 1
UNLIMITED = "1000000"
OURS, PEER = "daftari", "FastAPI"
HISTORY, INSIGHTS, STATUS = "history", "insights", "status"
# Mixed ages over sixty days; the newest is the one whose status is asked for.
_FILL = """
INSERT INTO nexus_transactions (
    transaction_id, user_id, owner, object_id, type, status, operation, chain, token, amount, kes,
    usd, rate, usd_rate, created_us, completed_us, tx_hash, block, mpesa_id, from_address,
    to_address, address, code, target, account, description, reason, balance, retries,
    last_retry_us, payment_id)
SELECT id, %(user)s, true, left(encode(sha256(convert_to(id, 'UTF8')), 'hex'), 24),
    'fiat_to_crypto', 'completed', 'buy_crypto', 'arbitrum', 'USDC', 5000000000, 667500000000,
    5000000000, 13350000000, 100000000, at, at + 135000000,
    '0x' || encode(sha256(convert_to('transfer:' || id, 'UTF8')), 'hex'), 1, 'UKL0YXRR5F', '', '',
    '', 'ABCDEFGHI', '', '', '', '', 12550000000, 0, 0, 0
FROM (SELECT gen_random_uuid()::text AS id,
             %(now)s::bigint - n * (60 * 86400000000 / %(rows)s::bigint) AS at
      FROM generate_series(1, %(rows)s::bigint) n) made
"""
_TRIGGER = "nexus_transactions_inserted"
_COUNT = """
INSERT INTO nexus_totals
SELECT user_id, owner, status, type, chain, token, count(*), sum(usd), sum(kes)
FROM nexus_transactions WHERE user_id = %s GROUP BY 1, 2, 3, 4, 5, 6
"""
_HOURS = """
INSERT INTO nexus_hours
SELECT user_id, created_us / 3600000000, count(*) FROM nexus_transactions WHERE user_id = %s
GROUP BY 1, 2
"""


class Who(NamedTuple):
    """`what` is read from `system` over so many connections."""

    system: str
    what: str
    connections: int


@dataclass(frozen=True, kw_only=True)
class Read:
    """One figure. `cpu_us` is the server's own time for a request, whoever else is busy."""

    system: str
    what: str
    connections: int
    rate: float
    p50_us: float
    p99_us: float
    cpu_us: float
    bytes_each: int


def measure(house: House) -> list[Read]:
    """All reads of both systems."""
    database = house.postgres.create_database("reads")
    port, secret = servers.free_port(), servers.new_secret()
    data_dir = house.directory / "reads"
    settings = {"NEXUSPAY_QUERIES_PER_MINUTE": UNLIMITED}
    with servers.ours(data_dir, database, port, secret, **settings) as own:
        user = servers.post(port, "/sandbox/users", {})
        newest = fill(database, int(user["user_id"]))
        peer_port = servers.free_port()
        log = house.directory / "rest.log"
        with servers.rest_peer(database, peer_port, secret, log) as peer, pinned(own, peer):
            systems = {OURS: (port, own), PEER: (peer_port, peer)}
            return _take_turns(house, systems, _reads(user["token"], newest))


def fill(database: str, user_id: int, rows: int = TRANSACTIONS) -> str:
    """Give a person so many transactions; the id of the newest."""
    with psycopg.connect(database, autocommit=True) as connection:
        now = "SELECT (extract(epoch FROM now()) * 1000000)::bigint"
        row = connection.execute(now).fetchone()
        assert row is not None
        # Counted at once: in one transaction the trigger would touch one row so many times.
        connection.execute(f"ALTER TABLE nexus_transactions DISABLE TRIGGER {_TRIGGER}")
        connection.execute(_FILL, {"user": user_id, "now": row[0], "rows": rows})
        connection.execute(f"ALTER TABLE nexus_transactions ENABLE TRIGGER {_TRIGGER}")
        connection.execute(_COUNT, [user_id])
        connection.execute(_HOURS, [user_id])
        connection.execute("VACUUM ANALYZE nexus_transactions")
        newest = "SELECT transaction_id FROM nexus_transactions WHERE user_id = %s"
        newest += " ORDER BY created_us DESC LIMIT 1"
        found = connection.execute(newest, [user_id]).fetchone()
        assert found is not None
        return str(found[0])


def _reads(token: str, newest: str) -> dict[str, Requests]:
    base = "/nexuspay/api"
    paths = {
        HISTORY: f"{base}/transactions/history?page=1&limit=10",
        INSIGHTS: f"{base}/transactions/dashboard/insights",
        STATUS: f"{base}/mpesa/transaction/{newest}",
    }
    return {what: Requests(method="GET", path=path, token=token) for what, path in paths.items()}


def _take_turns(
    house: House, systems: dict[str, tuple[int, ServerProcess]], reads: dict[str, Requests]
) -> list[Read]:
    found: list[Read] = []
    for what, requests in reads.items():
        for connections in CONNECTIONS:
            rounds: dict[str, list[Read]] = {name: [] for name in systems}
            for _ in range(house.plan.rounds):
                for name, (port, server) in systems.items():
                    rounds[name].append(
                        _one(house, Who(name, what, connections), port, server, requests)
                    )
            found += [_median(each) for each in rounds.values()]
    return found


def _one(house: House, who: Who, port: int, server: ServerProcess, requests: Requests) -> Read:
    plan, before = house.plan, usage(server.pid).cpu_s
    answers = http_load.run(port, requests, who.connections, plan.warmup_s, plan.measure_s)
    if answers.refused:
        raise RuntimeError(f"{who}: {answers.refused} were refused")
    house.say(f"{who.system}: {who.what} at {who.connections}: {answers.rate:,.0f}/s")
    return Read(
        **who._asdict(),
        rate=answers.rate,
        p50_us=answers.p50_us,
        p99_us=answers.p99_us,
        cpu_us=(usage(server.pid).cpu_s - before) / answers.total * 1e6,
        bytes_each=answers.bytes_each,
    )


def _median(rounds: list[Read]) -> Read:
    figures = ("rate", "p50_us", "p99_us", "cpu_us")
    middle = {name: statistics.median(getattr(each, name) for each in rounds) for name in figures}
    return replace(rounds[0], **middle)


@contextmanager
def pinned(*processes: ServerProcess) -> Iterator[None]:
    """Servers on one core, this process on the other, where there are two."""
    everywhere = os.sched_getaffinity(0)
    if len(everywhere) < 2:
        yield
        return
    cores = sorted(everywhere)
    for process in processes:
        for task in os.listdir(f"/proc/{process.pid}/task"):
            os.sched_setaffinity(int(task), {cores[SERVER_CORE]})
    os.sched_setaffinity(0, {cores[OTHER_CORE]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, everywhere)
