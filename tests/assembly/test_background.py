"""Work beside the serving (assembly/background.py)."""

import pytest
import trio

from assembly.background import background


@pytest.mark.expects_error_log
async def test_a_fault_beside_the_serving_does_not_end_it(
    autojump_clock: trio.testing.MockClock,
) -> None:
    begun: list[float] = []

    async def run(*, task_status: trio.TaskStatus[None]) -> None:
        task_status.started()
        begun.append(trio.current_time())
        await trio.sleep(0.01)
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        await nursery.start(background("sums", run).run)
        await trio.sleep(3_600)
        nursery.cancel_scope.cancel()
    assert 10 < len(begun) < 60  # again and again, and ever more rarely
