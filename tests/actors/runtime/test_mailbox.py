"""One mailbox: order, bounds, policies, closing, readers."""

import pytest
import trio
from trio.testing import wait_all_tasks_blocked

from actors.runtime.ask import Envelope
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Full, Mailbox


async def test_messages_arrive_in_the_order_they_were_sent():
    mailbox = Mailbox(3)
    assert [mailbox.send(n) for n in range(3)] == [None, None, None]
    assert [(await mailbox.receive()).message for _ in range(3)] == [0, 1, 2]
    assert mailbox.taken == 3


async def test_a_waiting_reader_is_woken_by_a_message():
    mailbox = Mailbox(1)
    received = []

    async def reader():
        received.append((await mailbox.receive()).message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await wait_all_tasks_blocked()
        assert mailbox.idle
        mailbox.send("hello")
        assert not mailbox.idle
    assert received == ["hello"]


async def test_a_full_mailbox_that_refuses_says_overloaded_and_keeps_what_it_has():
    mailbox = Mailbox(2)
    mailbox.send(1)
    mailbox.send(2)
    assert mailbox.send(3) is Failure.OVERLOADED
    assert mailbox.closed is None
    assert [e.message for e in await mailbox.drain(9)] == [1, 2]
    assert mailbox.send(4) is None


async def test_a_coalescing_mailbox_keeps_the_newest_snapshot_of_each_key_in_its_place():
    mailbox = Mailbox(2, Full.COALESCE, key=lambda m: m[0])
    mailbox.send(("btc", 1))
    mailbox.send(("eth", 1))
    mailbox.send(("btc", 2))
    assert len(mailbox) == 2
    assert mailbox.send(("trx", 1)) is Failure.OVERLOADED
    assert mailbox.send(("eth", 2)) is None
    assert [e.message for e in await mailbox.drain(9)] == [("btc", 2), ("eth", 2)]
    assert mailbox.send(("btc", 3)) is None
    assert (await mailbox.receive()).message == ("btc", 3)


async def test_the_asker_of_a_replaced_snapshot_is_told_so():
    mailbox = Mailbox(1, Full.COALESCE, key=lambda _: "one")
    older = Envelope(1)
    mailbox.post(older)
    mailbox.send(2)
    assert await older.wait() is Failure.SUPERSEDED


async def test_a_mailbox_that_never_drops_closes_on_overflow_and_tells_its_owner_once():
    told = []
    mailbox = Mailbox(2, Full.DISCONNECT, on_overflow=lambda: told.append("overflow"))
    first = Envelope("event 1")
    mailbox.post(first)
    mailbox.send("event 2")
    assert mailbox.send("event 3") is Failure.OVERLOADED
    assert mailbox.send("event 4") is Failure.OVERLOADED
    assert told == ["overflow"]
    assert mailbox.closed is Failure.OVERLOADED
    assert await first.wait() is Failure.OVERLOADED
    assert await mailbox.receive() is None


async def test_closing_answers_everything_queued_and_everything_later():
    mailbox = Mailbox(5)
    queued = [Envelope(n) for n in range(3)]
    for envelope in queued:
        mailbox.post(envelope)
    mailbox.close()
    mailbox.close(Failure.QUARANTINED)  # the first reason stays
    assert [await e.wait() for e in queued] == [Failure.STOPPED] * 3
    assert mailbox.send(4) is Failure.STOPPED
    assert await mailbox.receive() is None
    assert await mailbox.drain(5) == []


async def test_closing_ends_a_reader_that_waits():
    mailbox = Mailbox(1)
    ended = []

    async def reader():
        ended.append(await mailbox.receive())

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await wait_all_tasks_blocked()
        mailbox.close()
    assert ended == [None]


async def test_leaving_ends_one_reader_and_keeps_the_messages_for_the_next():
    mailbox = Mailbox(3)
    mailbox.send(1)
    mailbox.leave()
    mailbox.send(2)
    assert await mailbox.receive() is None
    assert [e.message for e in await mailbox.drain(9)] == [1, 2]


async def test_a_new_reader_is_not_sent_away_by_a_leave_meant_for_the_one_before():
    mailbox = Mailbox(3)
    mailbox.send(1)
    mailbox.leave()
    mailbox.stay()
    assert (await mailbox.receive()).message == 1


async def test_draining_takes_a_batch_at_once_up_to_its_limit_and_waits_for_the_first():
    mailbox = Mailbox(10)
    batches = []

    async def reader():
        while batch := await mailbox.drain(4):
            batches.append([e.message for e in batch])

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await wait_all_tasks_blocked()
        for number in range(6):
            mailbox.send(number)
        await wait_all_tasks_blocked()
        mailbox.close()
    assert batches == [[0, 1, 2, 3], [4, 5]]


async def test_a_cancelled_reader_takes_nothing_with_it():
    mailbox = Mailbox(2)
    with trio.CancelScope() as scope:
        scope.cancel()
        mailbox.send(1)
        await mailbox.receive()
    assert scope.cancelled_caught
    with trio.move_on_after(0):
        await Mailbox(1).receive()
    assert not mailbox.idle
    assert (await mailbox.receive()).message == 1


async def test_a_message_that_wakes_a_reader_cancelled_in_the_same_moment_is_not_lost():
    mailbox = Mailbox(2)
    received = []

    async def reader():
        received.append((await mailbox.receive()).message)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(reader)
        await wait_all_tasks_blocked()
        mailbox.send("kept")
        nursery.cancel_scope.cancel()
    left = [e.message for e in [await mailbox.receive()]] if len(mailbox) else []
    assert received + left == ["kept"]


async def test_a_second_reader_is_refused():
    mailbox = Mailbox(1)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(mailbox.receive)
        await wait_all_tasks_blocked()
        with pytest.raises(trio.BusyResourceError):
            await mailbox.receive()
        mailbox.close()


async def test_receiving_lets_other_tasks_run_even_when_messages_are_always_there():
    mailbox = Mailbox(1)
    others = 0

    async def other():
        nonlocal others
        for _ in range(5):
            await trio.lowlevel.checkpoint()
            others += 1

    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        for _ in range(10):
            mailbox.send(0)
            await mailbox.receive()
        assert others == 5


@pytest.mark.parametrize(
    "arguments",
    [
        {"full": Full.COALESCE},
        {"full": Full.DISCONNECT},
        {"full": Full.REFUSE, "key": str},
        {"full": Full.REFUSE, "on_overflow": print},
    ],
)
def test_a_policy_without_what_it_needs_is_a_programming_error(arguments):
    with pytest.raises(AssertionError):
        Mailbox(1, **arguments)
