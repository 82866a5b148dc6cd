"""Restarts: kinds, backoff, intensity, quarantine, escalation."""

import random

import pytest
import trio
from runtime_helpers import no_jitter, running
from structlog.testing import capture_logs

from actors.runtime.child import ChildSpec
from actors.runtime.restarts import Faults, Restart, RestartPolicy
from actors.runtime.supervisor import ChildFailed, Supervisor

POLICY = RestartPolicy(max_restarts=3, within_s=60, first_delay_s=1, max_delay_s=30)


@pytest.fixture(autouse=True)
def logs():
    with capture_logs() as entries:
        yield entries


class Flaky:
    """A child that crashes `crashes` times right after it has started, then serves."""

    def __init__(self, crashes=1_000, lives_s=0.0):
        self.crashes = crashes
        self.lives_s = lives_s
        self.starts = []

    async def run(self, *, task_status):
        self.starts.append(trio.current_time())
        task_status.started()
        if len(self.starts) <= self.crashes:
            await trio.sleep(self.lives_s)
            raise ZeroDivisionError(f"crash {len(self.starts)}")
        await trio.sleep_forever()


async def serving(*, task_status):
    task_status.started()
    await trio.sleep_forever()


def supervisor(*children, **options):
    options = {"jitter": no_jitter, "restarts": POLICY} | options
    return Supervisor("tree", children, **options)


async def test_a_crashed_child_is_restarted_with_doubling_delays(autojump_clock, logs):
    flaky, restarted = Flaky(crashes=3), []
    began = trio.current_time()
    tree = supervisor(ChildSpec("flaky", flaky.run), on_restart=restarted.append)
    async with running(tree):
        await trio.sleep(20)
        assert tree.children == ("flaky",)
    assert [at - began for at in flaky.starts] == [0, 1, 3, 7]
    assert restarted == ["flaky"] * 3
    crashes = [entry for entry in logs if entry["event"] == "child crashed"]
    assert [str(entry["exc_info"]) for entry in crashes] == ["crash 1", "crash 2", "crash 3"]


async def test_jitter_spreads_restarts_over_the_second_half_of_the_delay(autojump_clock):
    drawn = random.Random(7)
    delays = [POLICY.delay_s(3, drawn.random()) for _ in range(200)]
    assert min(delays) < 2.2
    assert max(delays) > 3.8
    assert all(2 < delay <= 4 for delay in delays)


def test_the_delay_is_capped_however_many_attempts_there_were():
    assert POLICY.delay_s(6, 0.0) == 30
    assert POLICY.delay_s(10_000, 0.0) == 30


def test_faults_outside_the_window_are_forgotten():
    faults = Faults()
    assert [faults.add(at, 10) for at in (0, 5, 9, 10, 21)] == [1, 2, 3, 3, 1]


async def test_a_child_that_crashes_seldom_is_restarted_for_ever(autojump_clock):
    flaky = Flaky(lives_s=61)
    async with running(supervisor(ChildSpec("flaky", flaky.run))):
        await trio.sleep(62 * 50)
    assert len(flaky.starts) > 45


async def test_past_the_intensity_the_supervisor_stops_the_others_and_fails(autojump_clock):
    flaky, ended = Flaky(), []
    tree = supervisor(
        ChildSpec("steady", serving, on_end=lambda fault: ended.append(("steady", fault))),
        ChildSpec("flaky", flaky.run, on_end=lambda fault: ended.append(("flaky", str(fault)))),
    )
    with pytest.raises(ChildFailed, match="tree: flaky failed") as failed:
        await tree.run()
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert len(flaky.starts) == 1 + POLICY.max_restarts
    assert ended == [("flaky", "crash 4"), ("steady", None)]
    assert not tree.serving


async def test_the_intensity_counts_all_children_that_are_not_quarantined_together(autojump_clock):
    children = [Flaky(crashes=1, lives_s=n) for n in range(4)]
    specs = [ChildSpec(f"child {n}", child.run) for n, child in enumerate(children)]
    with pytest.raises(ChildFailed, match="child 3 failed"):
        await supervisor(*specs).run()


async def test_escalation_restarts_the_subtree_when_a_supervisor_is_a_child(autojump_clock):
    flaky = Flaky(crashes=4)
    inner = supervisor(ChildSpec("flaky", flaky.run))
    outer = supervisor(ChildSpec("inner", inner.run, stop=inner.stop))
    async with running(outer):
        await trio.sleep(30)
        assert len(flaky.starts) == 5
        assert inner.serving
    assert not inner.serving


async def test_a_quarantined_child_ends_alone_and_is_reported(autojump_clock, logs):
    bot, quarantined, ended = Flaky(), [], []
    tree = supervisor(
        ChildSpec("steady", serving),
        ChildSpec("bot", bot.run, quarantine=True, on_end=ended.append),
        on_quarantine=quarantined.append,
    )
    async with running(tree):
        await trio.sleep(100)
        assert tree.children == ("steady",)
        assert quarantined == ["bot"]
        assert [str(fault) for fault in ended] == ["crash 4"]
        assert [e["child"] for e in logs if e["event"] == "child quarantined"] == ["bot"]
        # It can be started again once its cause is mended.
        bot.crashes = 0
        await tree.start_child(ChildSpec("bot", bot.run, quarantine=True))
        assert tree.children == ("steady", "bot")


async def test_the_crashes_of_quarantined_children_are_counted_apart(autojump_clock):
    bots = [Flaky(crashes=3) for _ in range(10)]
    specs = [ChildSpec(f"bot {n}", bot.run, quarantine=True) for n, bot in enumerate(bots)]
    async with running(supervisor(*specs)) as nursery:
        await trio.sleep(30)
        assert not nursery.cancel_scope.cancel_called
        assert [len(bot.starts) for bot in bots] == [4] * 10


@pytest.mark.parametrize(
    ("kind", "crash", "runs"),
    [
        (Restart.PERMANENT, True, 2),
        (Restart.PERMANENT, False, 2),
        (Restart.TRANSIENT, True, 2),
        (Restart.TRANSIENT, False, 1),
        (Restart.TEMPORARY, True, 1),
        (Restart.TEMPORARY, False, 1),
    ],
)
async def test_the_restart_kind_decides_which_ends_are_followed_by_a_start(
    autojump_clock, kind, crash, runs
):
    starts, ended = [], []

    async def child(*, task_status):
        starts.append(1)
        task_status.started()
        if len(starts) > 1:
            await trio.sleep_forever()
        if crash:
            raise ZeroDivisionError

    tree = supervisor(ChildSpec("child", child, kind, on_end=ended.append))
    async with running(tree):
        await trio.sleep(10)
        assert len(starts) == runs
        assert tree.children == (("child",) if runs == 2 else ())
        assert len(ended) == (0 if runs == 2 else 1)
        if ended:
            assert isinstance(ended[0], ZeroDivisionError) == crash


async def test_an_initial_child_that_cannot_start_fails_the_tree_and_stops_the_ones_before(
    autojump_clock,
):
    ended = []

    async def broken(*, task_status):
        raise ZeroDivisionError

    async def never_reached(*, task_status):
        ended.append("never")

    tree = supervisor(
        ChildSpec("first", serving, on_end=lambda _: ended.append("first")),
        ChildSpec("broken", broken),
        ChildSpec("third", never_reached),
    )
    with pytest.raises(ChildFailed, match="broken failed") as failed:
        await tree.run()
    assert isinstance(failed.value.__cause__, ZeroDivisionError)
    assert ended == ["first"]


async def test_an_initial_child_under_quarantine_that_cannot_start_is_left_out(autojump_clock):
    quarantined = []

    async def broken(*, task_status):
        raise ZeroDivisionError

    tree = supervisor(
        ChildSpec("broken", broken, quarantine=True),
        ChildSpec("steady", serving),
        on_quarantine=quarantined.append,
    )
    async with running(tree):
        assert tree.children == ("steady",)
        assert quarantined == ["broken"]


async def test_starting_a_child_that_cannot_start_tells_the_starter_only(autojump_clock):
    async def broken(*, task_status):
        raise ZeroDivisionError

    async def returns(*, task_status):
        return

    tree = supervisor()
    async with running(tree):
        for run in (broken, returns):
            with pytest.raises(ChildFailed, match="child did not start"):
                await tree.start_child(ChildSpec("child", run))
        assert tree.children == ()
        assert tree.serving


async def test_a_child_name_is_used_once_at_a_time_and_only_while_serving(autojump_clock):
    tree = supervisor(ChildSpec("one", serving))
    with pytest.raises(RuntimeError, match="not serving"):
        tree.spawn(ChildSpec("two", serving))
    async with running(tree):
        with pytest.raises(RuntimeError, match="already"):
            tree.spawn(ChildSpec("one", serving))


async def test_a_group_of_faults_counts_as_one_crash_and_cancellation_is_not_swallowed(
    autojump_clock,
):
    starts = []

    async def crashing_group(*, task_status):
        starts.append(1)
        task_status.started()
        if len(starts) > 1:
            await trio.sleep_forever()

        async def crash(number):
            raise ZeroDivisionError(number)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash, 1)
            nursery.start_soon(crash, 2)

    async with running(supervisor(ChildSpec("group", crashing_group))):
        await trio.sleep(5)
    assert len(starts) == 2


async def test_an_interrupt_from_the_keyboard_goes_through_and_others_still_stop_in_order(
    autojump_clock,
):
    stopped = []

    async def steady(*, task_status):
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            stopped.append("steady")

    async def interrupted(*, task_status):
        task_status.started()
        raise KeyboardInterrupt

    tree = supervisor(ChildSpec("steady", steady), ChildSpec("interrupted", interrupted))
    with pytest.raises(BaseExceptionGroup) as caught:
        await tree.run()
    assert caught.group_contains(KeyboardInterrupt)
    assert stopped == ["steady"]
