"""How fast the generator is when the server costs nothing: its ceiling, in the same run."""

import statistics
from dataclasses import dataclass

from benchmarks.compiled import build
from benchmarks.house import House
from benchmarks.load import Load, Target
from benchmarks.servers import ServerProcess, free_port

CONNECTIONS = (1, 64, 1000)
SECONDS = 2.0


@dataclass(frozen=True, kw_only=True)
class Ceiling:
    """Round trips a second against the null server, and the cores the generator used."""

    connections: int
    rate: float
    p99_us: int
    generator_cores: float


def measure(house: House) -> list[Ceiling]:
    """The ceiling at 1, 64 and 1,000 connections; empty without a C compiler."""
    binary = build("null_server", house.directory)
    if binary is None:
        return []
    port = free_port()
    users = [str(number) for number in range(max(CONNECTIONS) + 1)]
    credentials = [("token", user) for user in users]
    target = Target(name="null", port=port, path="/", credentials=credentials, recipients=users)
    server = ServerProcess([str(binary), str(port)], house.directory / "null.log", {})
    try:
        return [_at(house, target, connections) for connections in CONNECTIONS]
    finally:
        server.process.kill()
        server.process.wait()


def _at(house: House, target: Target, connections: int) -> Ceiling:
    load = Load(connections=connections, warmup_s=0.3, measure_s=SECONDS)
    results = [
        house.generator.run(target, load).must_be_clean("null server")
        for _ in range(house.plan.rounds)
    ]
    return Ceiling(
        connections=connections,
        rate=statistics.median(result.rate for result in results),
        p99_us=round(statistics.median(result.p99_us for result in results)),
        generator_cores=statistics.median(result.cpu_share for result in results),
    )
