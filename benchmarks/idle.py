"""Resident memory of a server per idle, authenticated connection."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks import servers
from benchmarks.house import House
from benchmarks.load import Target
from benchmarks.peers import ledger
from benchmarks.servers import ServerProcess
from benchmarks.usage import usage

SETTLE_S = 2.0
WARM_CONNECTIONS = 64  # the first ones also pay for what is allocated once


@dataclass(frozen=True, kw_only=True)
class Idle:
    """Bytes of the server's process tree per connection, and the seconds to accept them all."""

    system: str
    connections: int
    bytes_each: float
    accept_s: float


def measure(house: House, *, with_ours: bool) -> list[Idle]:
    """Ours and the conventional server, each with as many users as connections."""
    found = [_ours(house)] if with_ours else []
    return [*found, _conventional(house)]


def _ours(house: House) -> Idle:
    database = house.postgres.create_database("idle")
    port, secret = servers.free_port(), servers.new_secret()
    data_dir = house.directory / "idle"
    with servers.ours(data_dir, database, port, secret):
        target = servers.our_target(port, house.plan.idle_connections)
    # A fresh process: what making the users left in memory must not hide what a login needs.
    return _hold(house, target, lambda: servers.ours(data_dir, database, port, secret))


def _conventional(house: House) -> Idle:
    database = house.postgres.create_database("idle_conventional")
    ledger.fill(database, house.plan.idle_connections)
    port, secret = servers.free_port(), servers.new_secret()
    target = servers.conventional_target(port, house.plan.idle_connections, secret)
    log = house.directory / "conventional.log"
    return _hold(house, target, lambda: servers.conventional(database, port, 16, secret, log))


def _hold(
    house: House, target: Target, start: Callable[[], AbstractContextManager[ServerProcess]]
) -> Idle:
    connections = house.plan.idle_connections
    with start() as server:
        with house.generator.idle(target, WARM_CONNECTIONS):
            time.sleep(SETTLE_S)
        time.sleep(SETTLE_S)
        before = usage(server.pid).rss_bytes
        started = time.monotonic()
        with house.generator.idle(target, connections):
            accept_s = time.monotonic() - started
            time.sleep(SETTLE_S)
            after = usage(server.pid).rss_bytes
    measured = Idle(
        system=target.name,
        connections=connections,
        bytes_each=(after - before) / connections,
        accept_s=accept_s,
    )
    house.say(f"{target.name}: {measured.bytes_each / 1024:.1f} KiB per idle connection")
    return measured
