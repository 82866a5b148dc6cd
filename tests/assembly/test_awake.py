"""The clock that does not count the time its process was stopped."""

import os
import signal
import subprocess
import sys
import time

import pytest
import trio

from assembly.awake import AwakeClock
from tests.conftest import ROOT

_SLEEPER = """
import time
import trio
from assembly.awake import AwakeClock

async def main():
    began = time.monotonic()
    with trio.move_on_after(2.0):
        print("ready", flush=True)
        await trio.sleep_forever()
    print(time.monotonic() - began, flush=True)

trio.run(main, clock=AwakeClock())
"""


class Wall:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now_s = 5.0

    def __call__(self) -> float:
        return self.now_s


def test_time_passes_as_it_does_while_the_process_runs() -> None:
    wall = Wall()
    clock = AwakeClock(wall)
    clock.start_clock()
    began = clock.current_time()
    for _ in range(100):
        wall.now_s += 0.25
        clock.current_time()
    assert clock.current_time() - began == pytest.approx(25.0)


def test_sleeping_as_long_as_was_meant_counts_and_a_stop_does_not() -> None:
    wall = Wall()
    clock = AwakeClock(wall)
    deadline = clock.current_time() + 3.0
    assert clock.deadline_to_sleep_time(deadline) == 1.0
    wall.now_s += 1.0
    assert clock.deadline_to_sleep_time(deadline) == pytest.approx(1.0)
    wall.now_s += 1.0 + 3600.0
    assert clock.deadline_to_sleep_time(deadline) == pytest.approx(1.0)
    wall.now_s += 1.0
    assert clock.current_time() == pytest.approx(deadline)


def test_a_deadline_in_the_past_asks_for_no_sleep() -> None:
    wall = Wall()
    clock = AwakeClock(wall)
    assert clock.deadline_to_sleep_time(clock.current_time() - 7.0) <= 0
    wall.now_s += 100.0  # nothing was meant to be slept through
    assert clock.deadline_to_sleep_time(wall.now_s) == 1.0


async def test_trio_on_this_clock_keeps_its_deadlines() -> None:
    began = time.monotonic()

    async def nap() -> None:
        await trio.sleep(1.2)

    await trio.to_thread.run_sync(lambda: trio.run(nap, clock=AwakeClock()))
    assert time.monotonic() - began >= 1.2


def test_a_stopped_process_still_has_its_whole_patience() -> None:
    """As when a virtual machine is frozen for a snapshot."""
    command = [sys.executable, "-c", _SLEEPER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as sleeper:
        assert sleeper.stdout is not None
        assert sleeper.stdout.readline() == "ready\n"
        os.kill(sleeper.pid, signal.SIGSTOP)
        time.sleep(3.5)
        os.kill(sleeper.pid, signal.SIGCONT)
        assert float(sleeper.stdout.readline()) > 4.0
