"""The messenger against fake channels, in Trio's mock time."""

from collections.abc import Awaitable, Callable

import trio
from trio.testing import MockClock

from actors.messenger import Again, Limits, Messenger, Outcome, Refused, Sent, Unknown


class FakeChannel:
    """Answers from a script; its last line is repeated."""

    def __init__(self, *script: Callable[[], Awaitable[Outcome]] | Outcome) -> None:
        self._script = list(script)
        self.delivered: list[tuple[str, str, str | None, str | None]] = []
        self.under_way = self.peak = 0

    async def deliver(
        self, to: str, text: str, *, subject: str | None, code: str | None
    ) -> Outcome:
        self.delivered.append((to, text, subject, code))
        self.under_way += 1
        self.peak = max(self.peak, self.under_way)
        try:
            step = self._script.pop(0) if len(self._script) > 1 else self._script[0]
            await trio.lowlevel.checkpoint()
            return await step() if callable(step) else step
        finally:
            self.under_way -= 1


async def _never() -> Outcome:
    await trio.sleep_forever()
    raise AssertionError


def _slow(seconds: float) -> Callable[[], Awaitable[Outcome]]:
    async def answer() -> Outcome:
        await trio.sleep(seconds)
        return Sent("late")

    return answer


async def test_a_message_goes_out_over_the_channel_it_names() -> None:
    mail, sms = FakeChannel(Sent("m1")), FakeChannel(Sent("s1"))
    messenger = Messenger({"email": mail, "sms": sms})
    assert await messenger.send("email", "a@b.co", "Hello", "Subject", "123456") == Sent("m1")
    assert mail.delivered == [("a@b.co", "Hello", "Subject", "123456")]
    assert sms.delivered == []


async def test_a_channel_that_is_not_configured_refuses_and_drops() -> None:
    messenger = Messenger({"email": FakeChannel(Sent("m"))})
    assert await messenger.send("whatsapp", "254712345678", "x") == Refused(
        "channel not configured"
    )
    assert messenger.post("sms", "254712345678", "x") is False


async def test_what_never_reached_the_provider_is_tried_again(autojump_clock: MockClock) -> None:
    channel = FakeChannel(Refused("no connection", Again.NOW), Sent("second"))
    assert await Messenger({"sms": channel}).send("sms", "1", "x") == Sent("second")
    assert len(channel.delivered) == 2


async def test_attempts_are_bounded_and_the_last_refusal_is_the_answer(
    autojump_clock: MockClock,
) -> None:
    refusal = Refused("no connection", Again.NOW)
    channel = FakeChannel(refusal)
    assert await Messenger({"sms": channel}, Limits(attempts=3)).send("sms", "1", "x") == refusal
    assert len(channel.delivered) == 3


async def test_a_refusal_an_unknown_and_a_busy_provider_are_answered_after_one_attempt() -> None:
    """A person waits for the code: "later" is of no use to them, and unknown may have arrived."""
    for outcome in (Refused("bad number"), Unknown(), Refused("busy", Again.LATER)):
        channel = FakeChannel(outcome)
        assert await Messenger({"sms": channel}).send("sms", "1", "x") == outcome
        assert len(channel.delivered) == 1


async def test_a_deadline_during_delivery_leaves_the_outcome_unknown(
    autojump_clock: MockClock,
) -> None:
    messenger = Messenger({"email": FakeChannel(_never)}, Limits(deadline_seconds=3))
    started = trio.current_time()
    assert isinstance(await messenger.send("email", "a@b.co", "x"), Unknown)
    assert trio.current_time() - started == 3


async def test_a_deadline_before_delivery_means_nothing_was_sent(
    autojump_clock: MockClock,
) -> None:
    async def stubborn() -> Outcome:
        with trio.CancelScope(shield=True):
            await trio.sleep(10)
        return Sent("at last")

    channel = FakeChannel(stubborn)
    messenger = Messenger({"email": channel}, Limits(under_way=1, deadline_seconds=3))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(messenger.send, "email", "first@b.co", "x")
        await trio.sleep(1)
        waited = await messenger.send("email", "second@b.co", "x")
    assert waited == Refused("deadline", Again.LATER)
    assert [to for to, *_ in channel.delivered] == ["first@b.co"]


async def test_no_more_than_the_limit_are_under_way_and_no_more_than_the_limit_wait(
    autojump_clock: MockClock,
) -> None:
    channel = FakeChannel(_slow(1))
    messenger = Messenger({"sms": channel}, Limits(under_way=2, waiting=3))
    outcomes: list[Outcome] = []

    async def one() -> None:
        outcomes.append(await messenger.send("sms", "1", "x"))

    async with trio.open_nursery() as nursery:
        for _ in range(8):
            nursery.start_soon(one)
    assert channel.peak == 2
    assert outcomes.count(Refused("overloaded", Again.LATER)) == 3
    assert outcomes.count(Sent("late")) == 5


async def test_one_hung_channel_does_not_hold_up_another(autojump_clock: MockClock) -> None:
    messenger = Messenger(
        {"email": FakeChannel(_never), "sms": FakeChannel(Sent("s"))}, Limits(under_way=1)
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(messenger.send, "email", "a@b.co", "x")
        await trio.sleep(1)
        assert await messenger.send("sms", "1", "x") == Sent("s")
        nursery.cancel_scope.cancel()


async def test_posted_notices_are_delivered_by_the_running_messenger(
    autojump_clock: MockClock,
) -> None:
    channel = FakeChannel(Refused("busy", Again.LATER), Sent("n"))
    messenger = Messenger({"email": channel})
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: messenger.run(task_status=task_status))
        assert messenger.post("email", "a@b.co", "Paid", "Receipt")
        await trio.sleep(60)
        assert channel.delivered == [("a@b.co", "Paid", "Receipt", None)] * 2
        nursery.cancel_scope.cancel()


async def test_a_notice_that_hangs_is_given_up_and_the_next_one_follows(
    autojump_clock: MockClock,
) -> None:
    channel = FakeChannel(_never, Sent("n"))
    messenger = Messenger({"email": channel}, Limits(couriers=1, deadline_seconds=5))
    async with trio.open_nursery() as nursery:
        await nursery.start(lambda task_status: messenger.run(task_status=task_status))
        messenger.post("email", "a@b.co", "one")
        messenger.post("email", "a@b.co", "two")
        await trio.sleep(6)
        assert [text for _, text, _, _ in channel.delivered] == ["one", "two"]
        nursery.cancel_scope.cancel()


async def test_a_full_queue_drops_the_new_notice_and_says_so() -> None:
    messenger = Messenger({"email": FakeChannel(Sent("n"))}, Limits(notices=1))
    assert messenger.post("email", "a@b.co", "one")
    assert not messenger.post("email", "a@b.co", "two")


async def test_neither_code_nor_text_nor_address_is_ever_logged(
    caplog, autojump_clock: MockClock
) -> None:
    """WOTP-C23."""
    caplog.set_level("DEBUG")
    for outcome in (Sent("id-1"), Refused("busy"), Unknown()):
        messenger = Messenger({"email": FakeChannel(outcome)}, Limits(notices=1))
        await messenger.send("email", "secret@b.co", "Your code is 918273", code="918273")
        messenger.post("email", "secret@b.co", "918273")
        messenger.post("email", "secret@b.co", "918273")
    for event in ("message.sent", "message.refused", "message.unknown", "message.dropped"):
        assert event in caplog.text
    assert "918273" not in caplog.text
    assert "secret@b.co" not in caplog.text
