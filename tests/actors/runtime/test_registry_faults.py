"""Keyed actors that fail: recovery, crashes, quarantine, the cap on recoveries."""

import pytest
import trio
from runtime_helpers import Echo, no_jitter, running
from structlog.testing import capture_logs
from trio.testing import wait_all_tasks_blocked

from actors.runtime.ask import ask
from actors.runtime.failures import Failure
from actors.runtime.registry import Registry
from actors.runtime.restarts import RestartPolicy
from actors.runtime.serve import serve

POLICY = RestartPolicy(max_restarts=2, within_s=60, first_delay_s=1, max_delay_s=8)


@pytest.fixture(autouse=True)
def logs():
    with capture_logs() as entries:
        yield entries


class Shop:
    """Actors whose storage can be away, and that crash when told -1."""

    def __init__(self):
        self.away = False
        self.recovers_in = 0.0
        self.attempts = []
        self.recovering = 0
        self.most_recovering = 0

    async def actor(self, key, mailbox, *, task_status):
        self.attempts.append((key, trio.current_time()))
        self.recovering += 1
        self.most_recovering = max(self.recovering, self.most_recovering)
        try:
            await trio.sleep(self.recovers_in)
        finally:
            self.recovering -= 1
        if self.away:
            raise ConnectionError("storage is away")
        if key == "nobody":
            return
        task_status.started()
        await serve(mailbox, self.handle)

    async def handle(self, envelope):
        if envelope.message.number == -1:
            raise ZeroDivisionError
        return envelope.message.number


def registry_of(shop, **options):
    return Registry("shop", shop.actor, **{"jitter": no_jitter, "restarts": POLICY} | options)


async def tell(registry, key, number):
    return await ask(registry.ref(key), Echo(number), trio.current_time() + 1_000)


async def test_a_failed_recovery_answers_everybody_who_waits_and_the_next_message_retries(
    autojump_clock, logs
):
    shop, answers = Shop(), []
    shop.away, shop.recovers_in = True, 1
    registry = registry_of(shop, idle_s=100)

    async def asker(number):
        answers.append(await tell(registry, "ann", number))

    async with running(registry):
        async with trio.open_nursery() as askers:
            for number in range(3):
                askers.start_soon(asker, number)
        assert answers == [Failure.UNAVAILABLE] * 3
        assert not Failure.UNAVAILABLE.outcome_unknown
        assert len(shop.attempts) == 1
        assert len(registry) == 0
        await trio.sleep(30)
        assert len(shop.attempts) == 1, "nobody asked, so nobody tried"
        shop.away = False
        assert await tell(registry, "ann", 9) == 9
    assert [entry["event"] for entry in logs] == ["recovery failed"]


async def test_a_resident_is_recovered_with_backoff_for_as_long_as_an_outage_lasts(
    autojump_clock, logs
):
    shop = Shop()
    shop.away = True
    registry = registry_of(shop)
    began = trio.current_time()
    async with running(registry):
        registry.start("pay")
        await trio.sleep(2.5)
        assert await tell(registry, "pay", 1) is Failure.UNAVAILABLE
        await trio.sleep(100)
        assert registry.quarantined == []
        shop.away = False
        await trio.sleep(8)
        assert await tell(registry, "pay", 2) == 2
    delays = [at - began for _, at in shop.attempts]
    assert delays[:7] == [0, 1, 3, 7, 15, 23, 31]
    assert {entry["event"] for entry in logs} == {"recovery failed"}


async def test_a_key_with_nothing_under_it_is_absent(autojump_clock):
    shop = Shop()
    registry = registry_of(shop)
    async with running(registry):
        assert await tell(registry, "nobody", 1) is Failure.ABSENT
        assert len(registry) == 0
        await trio.sleep(100)
        assert len(shop.attempts) == 1


async def test_no_more_recoveries_run_at_once_than_the_cap_allows(autojump_clock):
    shop, answers = Shop(), []
    shop.recovers_in = 1
    registry = registry_of(shop, recoveries=3)

    async def asker(key):
        answers.append(await tell(registry, key, key))

    async with running(registry):
        began = trio.current_time()
        async with trio.open_nursery() as askers:
            for key in range(10):
                askers.start_soon(asker, key)
        assert trio.current_time() - began == 4
    assert sorted(answers) == list(range(10))
    assert shop.most_recovering == 3


async def test_every_recovery_gives_its_permit_back_however_it_ends(autojump_clock):
    shop = Shop()
    registry = registry_of(shop, recoveries=1, idle_s=10_000)
    async with running(registry):
        shop.away = True
        assert await tell(registry, "failed", 1) is Failure.UNAVAILABLE
        shop.away = False
        assert await tell(registry, "nobody", 1) is Failure.ABSENT
        shop.recovers_in = 50
        registry.start("cancelled")
        await wait_all_tasks_blocked()
        assert shop.recovering == 1
        await registry.stop_actor("cancelled")
        shop.recovers_in = 0
        assert await tell(registry, "served", 1) == 1
        assert await tell(registry, "crashed", -1) is Failure.INTERRUPTED
        assert await tell(registry, "served too", 1) == 1


async def test_a_crash_answers_its_asker_and_the_rest_of_the_queue_gets_the_next_incarnation(
    autojump_clock,
):
    shop, answers = Shop(), {}
    registry = registry_of(shop)

    async def asker(number):
        answers[number] = await tell(registry, "ann", number)

    async with running(registry):
        began = trio.current_time()
        async with trio.open_nursery() as askers:
            for number in (-1, 1, 2):
                askers.start_soon(asker, number)
                await wait_all_tasks_blocked(0)
        assert answers == {-1: Failure.INTERRUPTED, 1: 1, 2: 2}
        assert trio.current_time() - began == 1
        assert Failure.INTERRUPTED.outcome_unknown


async def test_a_key_that_keeps_crashing_is_quarantined_alone_until_it_is_released(
    autojump_clock,
):
    shop, quarantined = Shop(), []
    registry = registry_of(shop, on_quarantine=quarantined.append)
    async with running(registry):
        assert await tell(registry, "good", 1) == 1
        envelopes = [await tell(registry, "bad", -1) for _ in range(3)]
        assert envelopes == [Failure.INTERRUPTED] * 3
        await wait_all_tasks_blocked()
        assert await tell(registry, "bad", 1) is Failure.QUARANTINED
        assert registry.start("bad") is Failure.QUARANTINED
        assert registry.quarantined == ["bad"]
        assert quarantined == ["shop 'bad'"]
        assert await tell(registry, "good", 2) == 2
        await registry.stop_actor("bad")
        assert registry.quarantined == ["bad"]

        assert registry.release("bad") is True
        assert registry.release("bad") is False
        assert registry.release("good") is False
        assert await tell(registry, "bad", 3) == 3


async def test_what_is_queued_when_a_key_is_quarantined_is_answered(autojump_clock):
    shop, answers = Shop(), {}
    registry = registry_of(shop)

    async def asker(number, order):
        answers[order] = await tell(registry, "bad", number)

    async with running(registry), trio.open_nursery() as askers:
        for order, number in enumerate((-1, -1, -1, 4)):
            askers.start_soon(asker, number, order)
            await wait_all_tasks_blocked(0)
    assert answers == {
        0: Failure.INTERRUPTED,
        1: Failure.INTERRUPTED,
        2: Failure.INTERRUPTED,
        3: Failure.QUARANTINED,
    }


async def test_a_crash_of_one_that_cannot_be_recovered_answers_the_queue_and_forgets_the_key(
    autojump_clock,
):
    shop, answers = Shop(), {}
    registry = registry_of(shop, idle_s=100)

    async def asker(number):
        answers[number] = await tell(registry, "ann", number)

    async with running(registry):
        assert await tell(registry, "ann", 1) == 1
        shop.away = True
        async with trio.open_nursery() as askers:
            for number in (-1, 2):
                askers.start_soon(asker, number)
                await wait_all_tasks_blocked(0)
        assert answers == {-1: Failure.INTERRUPTED, 2: Failure.UNAVAILABLE}
        assert len(registry) == 0
        shop.away = False
        assert await tell(registry, "ann", 3) == 3


async def test_stopping_an_actor_in_its_backoff_answers_what_is_queued(autojump_clock):
    shop, answers = Shop(), []
    registry = registry_of(shop)

    async def asker():
        answers.append(await tell(registry, "ann", 1))

    async with running(registry), trio.open_nursery() as askers:
        assert await tell(registry, "ann", -1) is Failure.INTERRUPTED
        askers.start_soon(asker)
        await wait_all_tasks_blocked()
        began = trio.current_time()
        await registry.stop_actor("ann")
        assert trio.current_time() == began
        await wait_all_tasks_blocked()
        assert answers == [Failure.STOPPED]
        assert len(registry) == 0


async def test_stopping_the_registry_during_a_backoff_answers_what_is_queued(autojump_clock):
    shop, answers = Shop(), []
    registry = registry_of(shop)

    async def asker():
        answers.append(await tell(registry, "ann", 1))

    async with trio.open_nursery() as askers, running(registry):
        assert await tell(registry, "ann", -1) is Failure.INTERRUPTED
        askers.start_soon(asker)
        await wait_all_tasks_blocked()
    assert answers == [Failure.STOPPED]
    assert len(registry) == 0


async def test_a_leave_before_a_crash_does_not_end_the_next_incarnation(autojump_clock):
    starts = []

    async def torn(key, mailbox, *, task_status):
        starts.append(key)
        task_status.started()

        async def handle(envelope):
            if envelope.message.number == 0:
                mailbox.leave()
                raise ZeroDivisionError
            return envelope.message.number

        await serve(mailbox, handle)

    registry = Registry("torn", torn, jitter=no_jitter, restarts=POLICY)
    async with running(registry):
        registry.ref("key").send(Echo(0))
        assert await tell(registry, "key", 5) == 5
        assert starts == ["key"] * 2
