"""One transfer in flight on each of 1,000 sockets: what the slowest one in a hundred waits for.

With so many in flight the server's core is never free, so how long they wait is how long a
transfer keeps it, and that is twice as long while the host gives half of the core to somebody
else. The work is the same in every round; so the CPU time it took, the server's and the
database's, tells without looking at the latencies in which round the machine was disturbed least,
and how they depend on it.
"""

from collections.abc import Sequence
from typing import Final

from benchmarks import servers
from benchmarks.house import House
from benchmarks.load import Load
from benchmarks.transfers import Row

CONNECTIONS: Final = 1000
_TIMES_ROUNDS: Final = 5


def measure(house: House) -> list[Row]:
    """Uniform accounts and a hot one, with every disk, in turns."""
    database, port = house.postgres.create_database("crowd"), servers.free_port()
    found: list[Row] = []
    with servers.ours(house.directory / "crowd", database, port, servers.new_secret()) as server:
        target = servers.our_target(port, CONNECTIONS + 1)
        for number in range(house.plan.rounds * _TIMES_ROUNDS):
            for hot, delay_us in ((hot, us) for us in house.delays_us for hot in (False, True)):
                house.postgres.delay_fsync(delay_us)
                load = Load(
                    connections=CONNECTIONS,
                    hot=hot,
                    warmup_s=house.plan.warmup_s,
                    measure_s=house.plan.measure_s,
                    seed=number + 1,
                )
                row = Row.of(target.name, load, delay_us, house.load(target, server, load))
                house.say(f"{row.cpu_us:.0f} us, {row.rate:,.0f}/s, p99 {row.p99_us / 1e3:.0f} ms")
                found.append(row)
    house.postgres.delay_fsync(0)
    return found


def by_group(rounds: Sequence[Row]) -> list[list[Row]]:
    """Those of the same accounts and disk together, the least disturbed first."""
    groups: dict[tuple[bool, int], list[Row]] = {}
    for each in rounds:
        groups.setdefault((each.hot, each.delay_us), []).append(each)
    return [sorted(group, key=lambda each: each.cpu_us) for group in groups.values()]
