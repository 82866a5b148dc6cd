"""Any sequence of operations on a mailbox, against a model made of plain lists."""

from dataclasses import dataclass, field

import trio
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.runtime.ask import Envelope
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Full, Mailbox

CAPACITY = 3

operations = st.lists(
    st.one_of(
        st.tuples(st.just("post"), st.integers(0, 4)),
        st.tuples(st.just("receive"), st.none()),
        st.tuples(st.just("drain"), st.integers(1, 4)),
        st.tuples(st.just("cancelled receive"), st.none()),
        st.tuples(st.sampled_from(["leave", "answer all", "close"]), st.none()),
    ),
    max_size=40,
)


@dataclass
class Model:
    """What a mailbox should do, said as simply as possible. A message is (number, key)."""

    full: Full
    queue: list[tuple[int, int]] = field(default_factory=list)
    answers: dict[int, Failure] = field(default_factory=dict)
    closed: Failure | None = None
    leaving: bool = False
    overflows: int = 0

    def post(self, number: int, key: int) -> Failure | None:
        if self.closed:
            return self.closed
        if self.full is Full.COALESCE:
            for place, (older, older_key) in enumerate(self.queue):
                if older_key == key:
                    self.answers[older] = Failure.SUPERSEDED
                    self.queue[place] = (number, key)
                    return None
        if len(self.queue) == CAPACITY:
            if self.full is Full.DISCONNECT:
                self.overflows += 1
                self.close(Failure.OVERLOADED)
            return Failure.OVERLOADED
        self.queue.append((number, key))
        return None

    def take(self, limit: int) -> list[int] | None:
        """Numbers taken, or None where a reader would have to wait."""
        if self.leaving or self.closed:
            self.leaving = False
            return []
        if not self.queue:
            return None
        taken, self.queue = self.queue[:limit], self.queue[limit:]
        return [number for number, _ in taken]

    def answer_all(self, failure: Failure) -> None:
        self.answers |= {number: failure for number, _ in self.queue}
        self.queue = []

    def close(self, failure: Failure) -> None:
        self.closed = self.closed or failure
        self.answer_all(failure)


class Pair:
    """The mailbox and its model, doing the same things."""

    def __init__(self, full: Full) -> None:
        self.model = Model(full)
        self.overflows = 0
        self.mailbox: Mailbox[tuple[int, int]] = Mailbox(
            CAPACITY,
            full,
            key=(lambda m: m[1]) if full is Full.COALESCE else None,
            on_overflow=self.overflow if full is Full.DISCONNECT else None,
        )
        self.envelopes: list[Envelope[tuple[int, int]]] = []

    def overflow(self) -> None:
        self.overflows += 1

    async def apply(self, operation: str, argument: int) -> None:
        model, mailbox = self.model, self.mailbox
        match operation:
            case "post":
                envelope = Envelope((len(self.envelopes), argument))
                self.envelopes.append(envelope)
                assert mailbox.post(envelope) is model.post(*envelope.message)
            case "receive":
                await self.compare_taken(1, self.receive_one)
            case "drain":
                await self.compare_taken(argument, lambda: mailbox.drain(argument))
            case "cancelled receive":
                with trio.CancelScope() as scope:
                    scope.cancel()
                    await mailbox.receive()
                assert scope.cancelled_caught
            case "leave":
                model.leaving = True
                mailbox.leave()
            case "answer all":
                model.answer_all(Failure.UNAVAILABLE)
                mailbox.answer_all(Failure.UNAVAILABLE)
            case "close":
                model.close(Failure.STOPPED)
                mailbox.close()

    async def receive_one(self) -> list[Envelope[tuple[int, int]]]:
        envelope = await self.mailbox.receive()
        return [] if envelope is None else [envelope]

    async def compare_taken(self, limit, take) -> None:
        expected = self.model.take(limit)
        with trio.move_on_after(0 if expected is None else 60) as scope:
            taken = await take()
            assert [e.message[0] for e in taken] == expected
        assert scope.cancelled_caught == (expected is None)

    async def compare_state(self) -> None:
        assert len(self.mailbox) == len(self.model.queue)
        assert self.mailbox.closed is self.model.closed
        assert self.overflows == self.model.overflows
        answers = {n: await e.wait() for n, e in enumerate(self.envelopes) if not e.is_open}
        assert answers == self.model.answers


@given(full=st.sampled_from(Full), sequence=operations)
@settings(max_examples=200)
async def test_a_mailbox_behaves_as_its_model(full, sequence):
    pair = Pair(full)
    for operation, argument in sequence:
        await pair.apply(operation, argument)
        await pair.compare_state()
