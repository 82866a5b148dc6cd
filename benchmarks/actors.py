"""What an actor costs: `python -m benchmarks.actors [actors]`.

Ask round trips between two tasks, sends to one actor and to many, and the memory of idle actors
of a registry (100,000 unless told otherwise). One process, one core, no storage.
"""

import gc
import math
import os
import random
import sys
import time
from collections.abc import Awaitable, Callable

import trio
import trio.testing

from actors.runtime.ask import Asks, Envelope, Reply, ask
from actors.runtime.mailbox import Mailbox
from actors.runtime.registry import Registry
from actors.runtime.serve import serve

ROUNDS = 50_000
REPEATS = 5
BATCH = 500


class Echo(Asks[int]):
    """Answered with 1."""


async def echo(_envelope: Envelope[Echo]) -> int:
    return 1


async def keyed_echo(
    _key: int, mailbox: Mailbox[Echo], *, task_status: trio.TaskStatus[None]
) -> None:
    task_status.started()
    await serve(mailbox, echo)


async def best_us(rounds: int, measured: Callable[[int], Awaitable[None]]) -> float:
    """Microseconds a round, the best of REPEATS: the machine's noise only ever adds."""
    best = math.inf
    for _ in range(REPEATS):
        began = time.perf_counter()
        await measured(rounds)
        best = min(best, time.perf_counter() - began)
    return best / rounds * 1e6


async def channel_round_trips(rounds: int) -> None:
    """The same over memory channels, to compare with."""
    there_in, there_out = trio.open_memory_channel[int](0)
    back_in, back_out = trio.open_memory_channel[int](0)

    async def serve_channel() -> None:
        async for number in there_out:
            await back_in.send(number)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_channel)
        for number in range(rounds):
            await there_in.send(number)
            await back_out.receive()
        await there_in.aclose()


async def round_trips(rounds: int, patience_s: float) -> None:
    """Ask one actor, one question after the other."""
    mailbox: Mailbox[Echo] = Mailbox(8)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, mailbox, echo)
        for _ in range(rounds):
            assert await ask(mailbox, Echo(), trio.current_time() + patience_s) == 1
        mailbox.close()


async def keyed_round_trips(rounds: int, registry: Registry[int, Echo]) -> None:
    """Ask an actor of a registry by its key."""
    for number in range(rounds):
        assert await ask(registry.ref(number % 64), Echo(), math.inf) == 1


async def drained(rounds: int) -> None:
    """Send to an actor that takes batches, as a journal does, and answer each."""
    mailbox: Mailbox[Echo] = Mailbox(BATCH)

    async def committer() -> None:
        while batch := await mailbox.drain(BATCH):
            for envelope in batch:
                envelope.answer(1)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(committer)
        for _ in range(rounds // BATCH):
            last: Reply[int] = Reply()
            for _ in range(BATCH - 1):
                assert mailbox.send(Echo()) is None
            last = Envelope(Echo())
            assert mailbox.post(last) is None
            assert await last.wait() == 1
        mailbox.close()


def resident_bytes() -> int:
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def idle_actors(count: int) -> tuple[float, float, float, float]:
    """KB an idle actor, µs to start one, µs to end one, ms of a full garbage collection."""
    registry = Registry("bench", keyed_echo, jitter=random.random, idle_s=3600, limit=count)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda *, task_status: registry.run(task_status=task_status))
        gc.collect()
        gc.disable()
        before, began = resident_bytes(), time.perf_counter()
        for start in range(0, count, 1_000):
            for key in range(start, min(start + 1_000, count)):
                assert registry.start(key) is None
            await trio.testing.wait_all_tasks_blocked()
        started_us = (time.perf_counter() - began) / count * 1e6
        kilobytes = (resident_bytes() - before) / count / 1024
        began = time.perf_counter()
        gc.collect()
        collected_ms = (time.perf_counter() - began) * 1e3
        began = time.perf_counter()
        registry.stop()
    ended_us = (time.perf_counter() - began) / count * 1e6
    gc.enable()
    return kilobytes, started_us, ended_us, collected_ms


async def main(count: int) -> None:
    registry = Registry("bench", keyed_echo, jitter=random.random)
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda *, task_status: registry.run(task_status=task_status))
        rows: list[tuple[str, float, str]] = [
            ("memory_channel(0) round trip", await best_us(ROUNDS, channel_round_trips), "µs"),
            ("ask", await best_us(ROUNDS, lambda n: round_trips(n, math.inf)), "µs"),
            ("ask with a deadline", await best_us(ROUNDS, lambda n: round_trips(n, 10)), "µs"),
            ("ask by key", await best_us(ROUNDS, lambda n: keyed_round_trips(n, registry)), "µs"),
            (f"send, drained by {BATCH}", await best_us(ROUNDS, drained), "µs"),
        ]
        registry.stop()
    kilobytes, started_us, ended_us, collected_ms = await idle_actors(count)
    rows += [
        (f"{count:,} idle keyed actors, each", kilobytes, "KB"),
        ("start one, without recovery", started_us, "µs"),
        ("stop one", ended_us, "µs"),
        ("full garbage collection then", collected_ms, "ms"),
    ]
    for name, value, unit in rows:
        print(f"{name:<34}{value:>9.2f} {unit}")


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
