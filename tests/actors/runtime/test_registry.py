"""Keyed actors: start on demand, passivation without loss, limits, stop."""

import math

import pytest
import trio
from runtime_helpers import Echo, cancelled_after, no_jitter, running
from trio.testing import wait_all_tasks_blocked

from actors.runtime.ask import Envelope, ask
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox
from actors.runtime.registry import Registry
from actors.runtime.serve import serve


class Bank:
    """Storage and actors of a registry: each key's actor sums the numbers it is told."""

    def __init__(self, *, recovers_in=0.0, saves_in=0.0):
        self.stored = {}
        self.recoveries = []
        self.saves = []
        self.recovers_in = recovers_in
        self.saves_in = saves_in

    async def actor(self, key, mailbox: Mailbox[Echo], *, task_status):
        self.recoveries.append(key)
        await trio.sleep(self.recovers_in)
        total = self.stored.get(key, 0)
        task_status.started()

        async def handle(envelope: Envelope[Echo]) -> int:
            nonlocal total
            total += envelope.message.number
            return total

        await serve(mailbox, handle)
        with trio.move_on_after(self.saves_in + 1, shield=True):
            await trio.sleep(self.saves_in)
            self.stored[key] = total
            self.saves.append(key)


def registry_of(bank, **options):
    return Registry("bank", bank.actor, **{"jitter": no_jitter} | options)


async def tell(registry, key, number, patience_s=100.0):
    return await ask(registry.ref(key), Echo(number), trio.current_time() + patience_s)


async def test_a_message_starts_the_actor_of_its_key_once(autojump_clock):
    bank = Bank(recovers_in=1)
    registry = registry_of(bank)
    async with running(registry):
        assert len(registry) == 0
        assert await tell(registry, "ann", 1) == 1
        assert await tell(registry, "ann", 2) == 3
        assert await tell(registry, "ben", 5) == 5
        assert bank.recoveries == ["ann", "ben"]
        assert len(registry) == 2


async def test_messages_wait_for_the_recovery_in_order(autojump_clock):
    bank, answers = Bank(recovers_in=1), []
    registry = registry_of(bank)

    async def asker(number):
        answers.append(await tell(registry, "ann", number))

    async with running(registry), trio.open_nursery() as askers:
        for number in (1, 10, 100):
            askers.start_soon(asker, number)
            await wait_all_tasks_blocked()
        assert answers == []
    assert sorted(answers) == [1, 11, 111]
    assert bank.recoveries == ["ann"]


async def test_an_actor_can_be_started_without_a_message(autojump_clock):
    bank = Bank()
    registry = registry_of(bank)
    async with running(registry):
        assert registry.start("ann") is None
        assert registry.start("ann") is None
        await wait_all_tasks_blocked()
        assert bank.recoveries == ["ann"]


async def test_an_idle_actor_is_passivated_and_recovered_by_its_next_message(autojump_clock):
    bank = Bank()
    registry = registry_of(bank, idle_s=100)
    async with running(registry):
        await tell(registry, "ann", 7)
        await trio.sleep(99)
        assert len(registry) == 1
        await trio.sleep(27)
        assert len(registry) == 0
        assert bank.stored == {"ann": 7}
        assert await tell(registry, "ann", 1) == 8
        assert bank.recoveries == ["ann", "ann"]


async def test_an_actor_that_is_written_to_is_not_passivated(autojump_clock):
    bank = Bank()
    registry = registry_of(bank, idle_s=100)
    async with running(registry):
        for _ in range(50):
            await trio.sleep(90)
            registry.ref("ann").send(Echo(1))
        assert bank.recoveries == ["ann"]


async def test_a_busy_actor_is_not_passivated_however_long_it_takes(autojump_clock):
    async def slow(key, mailbox, *, task_status):
        task_status.started()

        async def handle(_envelope):
            await trio.sleep(1_000)
            return "done"

        await serve(mailbox, handle)

    registry = Registry("slow", slow, jitter=no_jitter, idle_s=10)
    async with running(registry):
        assert await tell(registry, "ann", 1, patience_s=2_000) == "done"


async def test_an_actor_whose_recovery_outlasts_its_idle_time_still_gets_its_message(
    autojump_clock,
):
    registry = registry_of(Bank(recovers_in=50), idle_s=10)
    async with running(registry):
        assert await tell(registry, "ann", 5) == 5


async def test_a_resident_is_never_passivated(autojump_clock):
    bank = Bank()
    registry = registry_of(bank, idle_s=None)
    async with running(registry):
        await tell(registry, "ann", 1)
        await trio.sleep(80_000)
        assert len(registry) == 1
        assert bank.recoveries == ["ann"]


async def test_messages_that_come_while_an_actor_passivates_reach_its_next_incarnation(
    autojump_clock,
):
    bank, answers = Bank(saves_in=5), []
    registry = registry_of(bank, idle_s=100)

    async def asker(number):
        answers.append(await tell(registry, "ann", number))

    async with running(registry):
        await tell(registry, "ann", 1)
        await trio.sleep(127)  # told to leave, now saving
        assert bank.saves == []
        assert len(registry) == 1
        async with trio.open_nursery() as askers:
            askers.start_soon(asker, 10)
            await wait_all_tasks_blocked()
            askers.start_soon(asker, 100)
        assert sorted(answers) == [11, 111]
        assert bank.recoveries == ["ann", "ann"]


async def test_a_message_is_never_lost_wherever_it_meets_the_passivation(autojump_clock):
    # Told to leave at 125, saved at 125.5: every eighth of a second around that.
    for eighths in range(-2, 8):
        bank = Bank(saves_in=0.5, recovers_in=0.25)
        registry = registry_of(bank, idle_s=100)
        async with running(registry):
            await tell(registry, "ann", 1)
            await trio.sleep(125 - 0.25 + eighths / 8)
            assert await tell(registry, "ann", 10) == 11


async def test_a_leave_and_a_message_in_the_same_moment_lose_nothing(autojump_clock):
    bank = Bank()
    registry = registry_of(bank)
    boxes = []

    async def actor(key, mailbox, *, task_status):
        boxes.append(mailbox)
        await bank.actor(key, mailbox, task_status=task_status)

    registry = Registry("bank", actor, jitter=no_jitter)
    async with running(registry):
        await tell(registry, "ann", 1)
        boxes[0].leave()
        assert await tell(registry, "ann", 10) == 11
        assert boxes == [boxes[0]] * 2


async def test_an_actor_that_has_finished_is_forgotten_and_its_queue_goes_to_a_new_one(
    autojump_clock,
):
    starts = []

    async def once(key, mailbox, *, task_status):
        starts.append(key)
        task_status.started()

        async def handle(envelope):
            mailbox.leave()
            return envelope.message.number

        await serve(mailbox, handle)

    registry = Registry("once", once, jitter=no_jitter)
    async with running(registry):
        ref = registry.ref("pay")
        envelopes = [Envelope(Echo(n)) for n in range(3)]
        assert [ref.post(e) for e in envelopes] == [None] * 3
        assert [await e.wait() for e in envelopes] == [0, 1, 2]
        await wait_all_tasks_blocked()
        assert starts == ["pay"] * 3
        assert len(registry) == 0


async def test_an_actor_that_ends_without_taking_its_messages_is_not_started_for_ever(
    autojump_clock,
):
    starts = []

    async def lazy(key, mailbox, *, task_status):
        starts.append(key)
        task_status.started()
        await trio.sleep(1)

    registry = Registry("lazy", lazy, jitter=no_jitter)
    async with running(registry):
        assert await tell(registry, "key", 1) is Failure.STOPPED
        assert starts == ["key"]
        assert len(registry) == 0


async def test_a_full_mailbox_and_a_full_registry_refuse(autojump_clock):
    registry = registry_of(Bank(recovers_in=10), capacity=2, limit=2)
    async with running(registry):
        assert [registry.ref("ann").send(Echo()) for _ in range(3)] == [
            None,
            None,
            Failure.OVERLOADED,
        ]
        assert registry.ref("ben").send(Echo()) is None
        assert registry.ref("eve").send(Echo()) is Failure.OVERLOADED
        assert registry.start("eve") is Failure.OVERLOADED


async def test_a_registry_that_does_not_run_refuses(autojump_clock):
    registry = registry_of(Bank())
    assert await tell(registry, "ann", 1) is Failure.STOPPED
    async with running(registry):
        assert await tell(registry, "ann", 1) == 1
    assert await tell(registry, "ann", 1) is Failure.STOPPED
    assert registry.start("ann") is Failure.STOPPED


async def test_stopping_the_registry_answers_what_is_queued_and_lets_actors_save(autojump_clock):
    bank, answers = Bank(saves_in=1), []
    registry = registry_of(bank)

    async def asker(key, number):
        answers.append(await tell(registry, key, number))

    async with trio.open_nursery() as askers, running(registry):
        await tell(registry, "ann", 1)
        await tell(registry, "ben", 2)
        bank.recovers_in = 1_000
        askers.start_soon(asker, "eve", 3)
        await wait_all_tasks_blocked()
        began = trio.current_time()
    assert answers == [Failure.STOPPED]
    assert bank.stored == {"ann": 1, "ben": 2}
    assert trio.current_time() - began == 1


async def test_stopping_one_actor_answers_its_queue_and_its_next_message_starts_it_anew(
    autojump_clock,
):
    bank = Bank()
    registry = registry_of(bank)
    async with running(registry):
        await tell(registry, "ann", 1)
        await registry.stop_actor("ann")
        await registry.stop_actor("nobody")
        assert len(registry) == 0
        assert await tell(registry, "ann", 1) == 2


@pytest.mark.parametrize("resident", [False, True])
async def test_an_asker_cancelled_at_any_await_of_a_recovery_leaves_nothing_half_done(
    autojump_clock, resident
):
    seen = set()
    for steps in range(100):
        bank = Bank()
        registry = registry_of(bank)
        async with running(registry):
            if resident:
                await tell(registry, "ann", 0)
            cancelled, answer = await cancelled_after(steps, lambda r=registry: tell(r, "ann", 5))
            assert cancelled or answer == 5
            await wait_all_tasks_blocked()
            total = await ask(registry.ref("ann"), Echo(0), math.inf)
            assert total in ((0, 5) if cancelled else (5,))
            seen.add((cancelled, total))
        if not cancelled and steps:
            break
    assert {(True, 0), (True, 5), (False, 5)} <= seen
