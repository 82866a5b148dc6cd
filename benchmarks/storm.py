"""Transfers beside a storm of logins: what hashing passwords costs everybody else.

The same transfers are measured twice, alone and while clients log in at NexusPay as fast as they
are answered, each from an address of its own so that no rate limit thins the storm. Argon2 runs
in worker threads, a bounded number at a time; the figures show what is left of the delay.
"""

import json
import statistics
import threading
from dataclasses import dataclass

from benchmarks import http_load, servers
from benchmarks.house import House
from benchmarks.http_load import Answers, Requests
from benchmarks.load import Load, Result, Target
from benchmarks.servers import ServerProcess

TRANSFERRING = 64  # sockets
LOGGING_IN = 32  # HTTP connections, each with one login in flight
_MARGIN_S = 0.5
_LATER_S = 2.0  # the load starts that much after the storm at most


@dataclass(frozen=True, kw_only=True)
class Storm:
    """Transfers at 64 sockets with `logins` a second beside them, 0 for none."""

    logins: float
    rate: float
    p50_us: float
    p99_us: float


def measure(house: House) -> list[Storm]:
    """Without and with the storm, in turns; the medians."""
    database = house.postgres.create_database("storm")
    port, data_dir = servers.free_port(), house.directory / "storm"
    secret = servers.new_secret()
    with servers.ours(data_dir, database, port, secret, TRUST_PROXY="127.0.0.1") as server:
        target = servers.our_target(port, TRANSFERRING)
        email = servers.post(port, "/sandbox/users", {"password": "TestPassword123"})["email"]
        calm, stormy = [], []
        for number in range(house.plan.rounds):
            load = Load(
                connections=TRANSFERRING,
                warmup_s=house.plan.warmup_s,
                measure_s=house.plan.measure_s,
                seed=number + 1,
            )
            calm.append(_row(_run(house, target, server, load), None))
            logins = _Logins(port, email, load)
            stormy.append(_row(_run(house, target, server, load), logins.answers()))
            house.say(f"p99 {calm[-1].p99_us:,.0f} us, {stormy[-1].p99_us:,.0f} us in the storm")
    return [_median(calm), _median(stormy)]


class _Logins:
    """The storm, in a thread of its own: begins before the load's window and ends after it."""

    def __init__(self, port: int, email: str, load: Load) -> None:
        # Wrong on purpose: it takes as long to check, and sends nobody a code.
        body = json.dumps({"email": email, "password": "WrongPassword123"}).encode()
        login = Requests(
            method="POST", path="/nexuspay/api/auth/login", body=body, vary=True, wanted=401
        )
        window = (_MARGIN_S, load.warmup_s + load.measure_s + _LATER_S)
        self._found: list[Answers] = []

        def run() -> None:
            self._found.append(http_load.run(port, login, LOGGING_IN, *window))

        self._thread = threading.Thread(target=run)
        self._thread.start()

    def answers(self) -> Answers:
        self._thread.join()
        if not self._found or self._found[0].refused:
            raise RuntimeError(f"the logins were not answered as wanted: {self._found}")
        return self._found[0]


def _run(house: House, target: Target, server: ServerProcess, load: Load) -> Result:
    return house.load(target, server, load).result


def _row(result: Result, logins: Answers | None) -> Storm:
    return Storm(
        logins=0 if logins is None else logins.rate,
        rate=result.rate,
        p50_us=result.p50_us,
        p99_us=result.p99_us,
    )


def _median(rows: list[Storm]) -> Storm:
    names = ("logins", "rate", "p50_us", "p99_us")
    return Storm(**{name: statistics.median(getattr(row, name) for row in rows) for name in names})
