"""Durable transfers a second over real WebSockets: ours, the conventional server, bare pgbench.

Uniform accounts and one hot account, with the disk as it is and with 1 ms added to every fsync.
Within each of these four groups the systems take turns, and each figure is the median of the
rounds. At the end every system must hold exactly the transfers it acknowledged, balanced.
"""

import http.client
import json
import statistics
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

from benchmarks import servers
from benchmarks.house import House, Loaded
from benchmarks.load import Load, Target
from benchmarks.peers import bare, ledger
from benchmarks.servers import ServerProcess

CONNECTIONS = (1, 64, 1000)
POOLS = (8, 16, 32)
CLIENTS = (8, 32)
SWEEP_AT = 64
SWEEP_S = 1.5


@dataclass(frozen=True, kw_only=True)
class Row:
    """One load of one system. `clients` are sockets, or database connections for pgbench."""

    system: str
    clients: int
    hot: bool
    delay_us: int
    rate: float
    p50_us: float
    p99_us: float
    generator_cores: float = 0.0
    server_cores: float = 0.0
    postgres_cores: float = 0.0

    @property
    def cpu_us(self) -> float:
        """The CPU time that the server and PostgreSQL took for one transfer."""
        return 1e6 * (self.server_cores + self.postgres_cores) / self.rate

    @staticmethod
    def of(system: str, load: Load, delay_us: int, loaded: Loaded) -> "Row":
        """What `loaded` found when `system` was under `load`."""
        result = loaded.result
        return Row(
            system=system,
            clients=load.connections,
            hot=load.hot,
            delay_us=delay_us,
            rate=result.rate,
            p50_us=result.p50_us,
            p99_us=result.p99_us,
            generator_cores=result.cpu_share,
            server_cores=loaded.server_cores,
            postgres_cores=loaded.postgres_cores,
        )


@dataclass(frozen=True, kw_only=True)
class Group:
    """What stays the same while the systems take turns; `pool` is the conventional server's."""

    hot: bool
    delay_us: int
    pool: int


class Comparison:
    """The databases, users and counts of one comparison."""

    def __init__(self, house: House, *, with_ours: bool) -> None:
        self._house = house
        self._with_ours = with_ours
        self._users = max(house.plan.users, *CONNECTIONS) + 1
        self._secret = servers.new_secret()
        self._database = house.postgres.create_database("conventional")
        ledger.fill(self._database, self._users)
        self._port = servers.free_port()
        self._peer = servers.conventional_target(self._port, self._users, self._secret)
        self._acknowledged = 0
        self.pools: list[tuple[Group, float]] = []

    def run(self) -> list[Row]:
        """All groups; then the proof that what was acknowledged is there."""
        rows: list[Row] = []
        with ExitStack() as stack:
            own = stack.enter_context(self._own()) if self._with_ours else None
            for delay_us in self._house.delays_us:
                self._house.postgres.delay_fsync(delay_us)
                for hot in (False, True):
                    group = self._best_pool(hot, delay_us)
                    rows += self._measure(group, own)
            self._house.postgres.delay_fsync(0)
            if own:
                own.check()
        self._check()
        return rows

    @contextmanager
    def _own(self) -> "Iterator[Own]":
        database = self._house.postgres.create_database("daftari")
        port = servers.free_port()
        data_dir = self._house.directory / "daftari"
        with servers.ours(data_dir, database, port, servers.new_secret()) as server:
            yield Own(server, servers.our_target(port, self._users))

    @contextmanager
    def _conventional(self, pool: int) -> Iterator[ServerProcess]:
        log = self._house.directory / "conventional.log"
        with servers.conventional(self._database, self._port, pool, self._secret, log) as server:
            yield server

    def _best_pool(self, hot: bool, delay_us: int) -> Group:
        """The pool size with which the conventional server is fastest in this group."""
        load = Load(connections=SWEEP_AT, hot=hot, warmup_s=0.5, measure_s=SWEEP_S)
        tried: list[tuple[Group, float]] = []
        for pool in POOLS:
            with self._conventional(pool) as server:
                result = self._house.load(self._peer, server, load).result
            self._acknowledged += result.total_successes
            tried.append((Group(hot=hot, delay_us=delay_us, pool=pool), result.rate))
            self._house.say(f"pool of {pool}: {result.rate:,.0f}/s ({_name(hot, delay_us)})")
        self.pools += tried
        return max(tried, key=lambda pair: pair[1])[0]

    def _measure(self, group: Group, own: "Own | None") -> list[Row]:
        rounds: list[list[Row]] = []
        with self._conventional(group.pool) as server:
            for number in range(self._house.plan.rounds):
                self._house.postgres.settle()
                rows = self._sockets(group, own, server, number)
                rows += [self._bare(group, clients) for clients in CLIENTS]
                rounds.append(rows)
        return [_median(same) for same in zip(*rounds, strict=True)]

    def _sockets(
        self, group: Group, own: "Own | None", server: ServerProcess, seed: int
    ) -> list[Row]:
        rows = []
        for connections in CONNECTIONS:
            load = Load(
                connections=connections,
                hot=group.hot,
                warmup_s=self._house.plan.warmup_s,
                measure_s=self._house.plan.measure_s,
                seed=seed + 1,
            )
            if own:
                row, acknowledged = self._one(own.target, own.server, load, group)
                own.acknowledged += acknowledged
                rows.append(row)
            row, acknowledged = self._one(self._peer, server, load, group)
            self._acknowledged += acknowledged
            rows.append(row)
        return rows

    def _one(
        self, target: Target, server: ServerProcess, load: Load, group: Group
    ) -> tuple[Row, int]:
        loaded = self._house.load(target, server, load)
        row = Row.of(target.name, load, group.delay_us, loaded)
        self._say(row)
        return row, loaded.result.total_successes

    def _bare(self, group: Group, clients: int) -> Row:
        measured = bare.run(
            self._house.postgres,
            self._database,
            clients=clients,
            accounts=self._users - 1,
            hot=group.hot,
            seconds=max(1, round(self._house.plan.measure_s)),
        )
        self._acknowledged += measured.transactions
        row = Row(
            system="pgbench",
            clients=clients,
            hot=group.hot,
            delay_us=group.delay_us,
            rate=measured.rate,
            p50_us=measured.p50_us,
            p99_us=measured.p99_us,
        )
        self._say(row)
        return row

    def _say(self, row: Row) -> None:
        self._house.say(
            f"{row.system} {row.clients:,} {_name(row.hot, row.delay_us)}: {row.rate:,.0f}/s, "
            f"p50 {row.p50_us / 1000:.1f} ms, p99 {row.p99_us / 1000:.1f} ms"
        )

    def _check(self) -> None:
        held = ledger.journals(self._database)
        if held != self._acknowledged:
            raise RuntimeError(f"conventional: {self._acknowledged} acknowledged, {held} held")
        if not ledger.is_balanced(self._database):
            raise RuntimeError("conventional: the ledger does not balance")


class Own:
    """Our server during a comparison, and how many transfers it has acknowledged."""

    def __init__(self, server: ServerProcess, target: Target) -> None:
        self.server = server
        self.target = target
        self.acknowledged = 0
        self._journals_before = self._ledger()["journals"]

    def check(self) -> None:
        """Raise unless the ledger balances and grew by exactly what was acknowledged."""
        ledger_now = self._ledger()
        grown = ledger_now["journals"] - self._journals_before
        if not ledger_now["balanced"] or grown != self.acknowledged:
            raise RuntimeError(f"daftari: {self.acknowledged} acknowledged, {ledger_now}")

    def _ledger(self) -> "dict[str, int]":
        connection = http.client.HTTPConnection("127.0.0.1", self.target.port, timeout=120)
        with closing(connection):
            connection.request("GET", "/sandbox/ledger")
            answer: dict[str, int] = json.loads(connection.getresponse().read())
        return answer


def _median(rows: "tuple[Row, ...]") -> Row:
    def middle(member: str) -> float:
        return float(statistics.median(getattr(row, member) for row in rows))

    first = rows[0]
    return Row(
        system=first.system,
        clients=first.clients,
        hot=first.hot,
        delay_us=first.delay_us,
        rate=middle("rate"),
        p50_us=middle("p50_us"),
        p99_us=middle("p99_us"),
        generator_cores=middle("generator_cores"),
        server_cores=middle("server_cores"),
        postgres_cores=middle("postgres_cores"),
    )


def _name(hot: bool, delay_us: int) -> str:
    return f"{'hot' if hot else 'uniform'}{f', +{delay_us / 1000:g} ms' if delay_us else ''}"
