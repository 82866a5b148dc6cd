"""Ordered start and stop, deadlines, cancellation."""

import pytest
import trio
from runtime_helpers import Echo, cancelled_after, no_jitter, running
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from actors.runtime.ask import Envelope, ask
from actors.runtime.child import ChildSpec
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox
from actors.runtime.restarts import Restart
from actors.runtime.serve import serve
from actors.runtime.supervisor import ChildFailed, Supervisor


class Part:
    """A child that writes down what happens to it."""

    def __init__(self, name, diary, *, starts_in=0.0, stops_in=0.0, cleans_in=0.0, obeys=True):
        self.name = name
        self.diary = diary
        self.starts_in = starts_in
        self.stops_in = stops_in
        self.cleans_in = cleans_in
        self.obeys = obeys
        self.asked_to_stop = trio.Event()

    async def run(self, *, task_status):
        try:
            await trio.sleep(self.starts_in)
            self.diary.append(f"{self.name} started")
            task_status.started()
            await self.asked_to_stop.wait()
            if not self.obeys:
                await trio.sleep_forever()
            await trio.sleep(self.stops_in)
            self.diary.append(f"{self.name} stopped")
        except trio.Cancelled:
            self.diary.append(f"{self.name} cancelled")
            with trio.move_on_after(self.cleans_in + 1, shield=True):
                await trio.sleep(self.cleans_in)
            raise

    def spec(self, **options):
        return ChildSpec(self.name, self.run, stop=self.asked_to_stop.set, **options)


def supervisor(*specs, **options):
    return Supervisor("tree", specs, jitter=no_jitter, **options)


async def test_children_start_in_order_each_after_the_one_before_serves(autojump_clock):
    diary = []
    parts = [Part(name, diary, starts_in=3 - n) for n, name in enumerate("abc")]
    began = trio.current_time()
    async with running(supervisor(*(part.spec() for part in parts))):
        assert diary == ["a started", "b started", "c started"]
        assert trio.current_time() - began == 6


@pytest.mark.parametrize("cancelled", [False, True])
async def test_children_stop_in_reverse_order_each_after_the_one_behind_it_has_ended(
    autojump_clock, cancelled
):
    diary = []
    parts = [Part(name, diary, stops_in=n) for n, name in enumerate("abc")]
    tree = supervisor(*(part.spec() for part in parts))
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda *, task_status: tree.run(task_status=task_status))
        diary.clear()
        if cancelled:
            nursery.cancel_scope.cancel()
        else:
            tree.stop()
    assert diary == ["c stopped", "b stopped", "a stopped"]


async def test_a_child_that_does_not_stop_in_time_is_cancelled_and_its_cleanup_awaited(
    autojump_clock,
):
    diary = []
    stubborn = Part("stubborn", diary, obeys=False, cleans_in=2)
    before = Part("before", diary)
    tree = supervisor(before.spec(), stubborn.spec(stop_within_s=3))
    async with running(tree):
        began = trio.current_time()
    assert diary[2:] == ["stubborn cancelled", "before stopped"]
    assert trio.current_time() - began == 5


async def test_a_child_without_a_way_to_stop_is_cancelled_at_once(autojump_clock):
    diary = []
    part = Part("part", diary)
    async with running(supervisor(ChildSpec("part", part.run, stop_within_s=60))):
        began = trio.current_time()
    assert diary == ["part started", "part cancelled"]
    assert trio.current_time() == began


async def test_unordered_children_share_one_deadline(autojump_clock):
    diary = []
    parts = [Part(str(n), diary, obeys=n % 2 == 0, stops_in=1) for n in range(20)]
    tree = supervisor(*(part.spec(stop_within_s=2) for part in parts), ordered=False)
    async with running(tree):
        began = trio.current_time()
        diary.clear()
    assert trio.current_time() - began == 2
    assert sorted(diary) == sorted(
        f"{n} {'stopped' if n % 2 == 0 else 'cancelled'}" for n in range(20)
    )


async def test_a_child_that_waits_for_its_restart_stops_at_once(autojump_clock):
    ended = []

    async def crashing(*, task_status):
        task_status.started()
        raise ZeroDivisionError

    spec = ChildSpec("crashing", crashing, stop=lambda: None, on_end=ended.append)
    with capture_logs():
        async with running(supervisor(spec)):
            await wait_all_tasks_blocked()
            began = trio.current_time()
    assert trio.current_time() == began
    assert ended == [None]


async def test_stopping_during_the_start_stops_what_has_started(autojump_clock):
    diary = []
    tree = supervisor(Part("a", diary).spec(), Part("b", diary, starts_in=100).spec())
    async with trio.open_nursery() as nursery:
        nursery.start_soon(tree.run)
        await trio.sleep(1)
        tree.stop()
    assert diary == ["a started", "b cancelled", "a stopped"]


async def test_a_dynamic_child_starts_and_stops_by_itself(autojump_clock):
    diary = []
    tree = supervisor()
    async with running(tree):
        await tree.start_child(Part("one", diary, starts_in=1).spec())
        await tree.start_child(Part("two", diary).spec())
        await tree.stop_child("one")
        await tree.stop_child("nobody")
        assert tree.children == ("two",)
    assert diary == ["one started", "two started", "one stopped", "two stopped"]


async def test_a_permanent_child_that_is_stopped_is_not_restarted(autojump_clock):
    diary = []
    tree = supervisor(Part("one", diary).spec(restart=Restart.PERMANENT))
    async with running(tree):
        await tree.stop_child("one")
        await trio.sleep(100)
    assert diary == ["one started", "one stopped"]


async def test_a_fault_while_stopping_is_logged_and_not_taken_for_a_crash(autojump_clock):
    ended = []

    async def untidy(*, task_status):
        task_status.started()
        try:
            await trio.sleep_forever()
        finally:
            raise ZeroDivisionError

    tree = supervisor(ChildSpec("untidy", untidy, on_end=ended.append))
    with capture_logs() as logs:
        async with running(tree):
            pass
    assert ended == [None]
    assert [entry["event"] for entry in logs] == ["child crashed"]


async def test_a_starter_cancelled_at_any_await_leaves_a_child_that_serves_or_none(autojump_clock):
    seen = set()
    for steps in range(100):
        diary = []
        tree = supervisor()
        async with running(tree):
            spec = Part("one", diary, starts_in=1).spec()
            cancelled, _ = await cancelled_after(steps, lambda s=spec, t=tree: t.start_child(s))
            await wait_all_tasks_blocked()
            assert ("one" in tree.children) == ("one started" in diary)
            seen.add((cancelled, "one started" in diary))
        if not cancelled and steps:
            break
    assert {(True, False), (False, True)} <= seen


async def test_a_stopper_cancelled_at_any_await_leaves_no_child_behind(autojump_clock):
    for steps in range(100):
        diary = []
        part = Part("one", diary, obeys=False)
        tree = supervisor(part.spec(stop_within_s=5))
        async with running(tree):
            cancelled, _ = await cancelled_after(steps, lambda t=tree: t.stop_child("one"))
            await wait_all_tasks_blocked()
            assert tree.children == ()
            assert diary[-1] == "one cancelled"
        if not cancelled and steps:
            break
    assert steps > 2


async def test_an_escalation_while_a_child_starts_does_not_wait_for_it(autojump_clock):
    async def crashing(*, task_status):
        task_status.started()
        raise ZeroDivisionError

    async def waits_for_the_other(*, task_status):
        await trio.sleep_forever()

    tree = supervisor(ChildSpec("crashing", crashing), ChildSpec("waiting", waits_for_the_other))
    with capture_logs(), pytest.raises(ChildFailed, match="crashing failed"):
        await tree.run()


async def test_on_stop_every_queued_message_is_answered_and_the_one_in_hand_is_finished(
    autojump_clock,
):
    mailbox: Mailbox[Echo] = Mailbox(8)
    answers = {}

    async def slow(envelope: Envelope[Echo]) -> int:
        await trio.sleep(2)
        return envelope.message.number

    async def run(*, task_status):
        task_status.started()
        await serve(mailbox, slow)

    async def asker(number):
        answers[number] = await ask(mailbox, Echo(number), trio.current_time() + 60)

    tree = supervisor(ChildSpec("slow", run, stop=mailbox.close))
    async with trio.open_nursery() as askers, running(tree):
        for number in range(5):
            askers.start_soon(asker, number)
            await wait_all_tasks_blocked()
        assert len(mailbox) == 4
    assert answers == {0: 0} | dict.fromkeys(range(1, 5), Failure.STOPPED)
    assert await ask(mailbox, Echo(), trio.current_time() + 1) is Failure.STOPPED


async def test_a_mailbox_outlives_the_crashes_of_its_actor_and_ends_with_the_child(autojump_clock):
    mailbox: Mailbox[Echo] = Mailbox(8)
    answers = []

    async def handle(envelope: Envelope[Echo]) -> int:
        return 1 // envelope.message.number

    async def run(*, task_status):
        task_status.started()
        await serve(mailbox, handle)

    async def asker(number):
        answers.append(await ask(mailbox, Echo(number), trio.current_time() + 60))

    spec = ChildSpec("actor", run, on_end=lambda _: mailbox.close())
    with capture_logs():
        async with running(supervisor(spec)):
            mailbox.send(Echo(0))
            async with trio.open_nursery() as askers:
                askers.start_soon(asker, 1)
            assert answers == [1]
            assert mailbox.closed is None
    assert mailbox.closed is Failure.STOPPED
