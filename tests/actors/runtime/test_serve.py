"""The loop of an actor: answers, faults, late answers, timers on the application clock."""

import math

import pytest
import trio
from runtime_helpers import Echo
from trio.testing import wait_all_tasks_blocked

from actors.clock import US, Clock
from actors.runtime.ask import Envelope, ask
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox
from actors.runtime.serve import LATER, serve, serve_timed


async def asking(mailbox, answers, number=0):
    answers.append(await ask(mailbox, Echo(number), math.inf))


async def test_a_handler_that_raises_answers_interrupted_and_ends_the_actor():
    mailbox: Mailbox[Echo] = Mailbox(4)
    answers: list[object] = []

    async def broken(_envelope):
        raise ZeroDivisionError

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking, mailbox, answers)
        nursery.start_soon(asking, mailbox, answers)
        await wait_all_tasks_blocked()
        with pytest.raises(ZeroDivisionError):
            await serve(mailbox, broken)
        await wait_all_tasks_blocked()
        # The other question was not begun: it is for the next incarnation, or for close().
        assert answers == [Failure.INTERRUPTED]
        assert len(mailbox) == 1
        mailbox.close()
    assert answers == [Failure.INTERRUPTED, Failure.STOPPED]


async def test_a_handler_that_is_cancelled_answers_interrupted_and_stays_cancelled():
    mailbox: Mailbox[Echo] = Mailbox(4)
    answers: list[object] = []

    async def slow(_envelope):
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(asking, mailbox, answers)
        with trio.CancelScope() as scope:
            nursery.start_soon(wait_and, scope.cancel)
            await serve(mailbox, slow)
        assert scope.cancelled_caught
    assert answers == [Failure.INTERRUPTED]


async def wait_and(then):
    await wait_all_tasks_blocked()
    then()


async def test_a_kept_envelope_is_answered_later():
    mailbox: Mailbox[Echo] = Mailbox(4)
    kept: list[Envelope[Echo]] = []
    answers: list[object] = []

    async def handle(envelope):
        if envelope.message.number:
            kept.append(envelope)
            return LATER
        return [e.answer(e.message.number) for e in kept]

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, mailbox, handle)
        nursery.start_soon(asking, mailbox, answers, 5)
        await wait_all_tasks_blocked()
        assert answers == []
        assert await ask(mailbox, Echo(0), math.inf) == [True]
        mailbox.close()
    assert answers == [5]


async def test_kept_envelopes_are_answered_when_their_actor_ends():
    mailbox: Mailbox[Echo] = Mailbox(4)
    answers: list[object] = []

    async def keep(_envelope):
        return LATER

    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve, mailbox, keep)
        nursery.start_soon(asking, mailbox, answers)
        nursery.start_soon(asking, mailbox, answers)
        await wait_all_tasks_blocked()
        assert answers == []
        mailbox.close()
    assert answers == [Failure.INTERRUPTED] * 2


class Countdown:
    """An actor that is due again every ten seconds of the application clock."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.wake_at_us: int | None = clock.now_us() + 10 * US
        self.log: list[str] = []

    async def wake(self) -> None:
        self.log.append("wake")
        self.wake_at_us = self.clock.now_us() + 10 * US

    async def handle(self, envelope: Envelope[Echo]) -> int:
        self.log.append(f"message {envelope.message.number}")
        if envelope.message.number < 0:
            self.wake_at_us = None
        return envelope.message.number


@pytest.fixture
def clock():
    return Clock(wall_us=lambda: 0)


@pytest.fixture
async def countdown(clock, nursery):
    mailbox: Mailbox[Echo] = Mailbox(4)
    actor = Countdown(clock)
    nursery.start_soon(serve_timed, mailbox, actor, clock)
    await wait_all_tasks_blocked()
    yield mailbox, actor
    mailbox.close()


async def test_a_timed_actor_wakes_when_the_application_clock_says_so(countdown, clock):
    _, actor = countdown
    clock.advance(9)
    await wait_all_tasks_blocked()
    assert actor.log == []
    clock.advance(1)
    await wait_all_tasks_blocked()
    clock.advance(10)
    await wait_all_tasks_blocked()
    assert actor.log == ["wake", "wake"]


async def test_what_is_due_goes_before_what_is_queued(countdown, clock):
    mailbox, actor = countdown
    mailbox.send(Echo(1))
    clock.advance(10)
    await wait_all_tasks_blocked()
    assert actor.log == ["wake", "message 1"]


async def test_a_timed_actor_answers_while_it_waits_for_its_time(countdown, clock):
    mailbox, actor = countdown
    assert await ask(mailbox, Echo(1), math.inf) == 1
    clock.advance(10)
    await wait_all_tasks_blocked()
    assert actor.log == ["message 1", "wake"]


async def test_a_handler_can_turn_its_timer_off(countdown, clock):
    mailbox, actor = countdown
    assert await ask(mailbox, Echo(-1), math.inf) == -1
    clock.advance(1_000)
    await wait_all_tasks_blocked()
    assert actor.log == ["message -1"]


async def test_a_timed_actor_ends_with_its_mailbox_and_when_it_leaves(clock):
    for end in (Mailbox.close, Mailbox.leave):
        mailbox: Mailbox[Echo] = Mailbox(4)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_timed, mailbox, Countdown(clock), clock)
            await wait_all_tasks_blocked()
            assert mailbox.idle
            end(mailbox)
        assert not mailbox.idle


async def test_a_message_is_not_lost_when_it_comes_with_the_time_or_a_cancellation(clock):
    mailbox: Mailbox[Echo] = Mailbox(4)
    actor = Countdown(clock)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_timed, mailbox, actor, clock)
        await wait_all_tasks_blocked()
        mailbox.send(Echo(1))
        nursery.cancel_scope.cancel()
    assert len(mailbox) + len(actor.log) == 1
