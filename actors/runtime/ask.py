"""Questions to actors: the reply slot, the envelope that carries it, and `ask()`."""

import math
from typing import Any, Final, Generic, Protocol, TypeVar

import trio
from trio.lowlevel import Abort

from actors.runtime.failures import Failure

R = TypeVar("R")
M_co = TypeVar("M_co", covariant=True)
M_contra = TypeVar("M_contra", contravariant=True)

_OPEN: Final = object()


class Asks(Generic[R]):
    """Marks a message class with the type of its answer: `class Confirm(Asks[bool], Struct)`."""

    __slots__ = ()


class Reply(Generic[R]):
    """One answer on its way to one asker.

    Whoever asks makes it and ends it by waiting; whoever holds it may answer. The first answer
    counts, every later one is ignored, and so is one for an asker that has gone.
    """

    __slots__ = ("_answer", "_asker")

    def __init__(self) -> None:
        self._answer: Any = _OPEN
        self._asker: trio.lowlevel.Task | None = None

    @property
    def is_open(self) -> bool:
        """Whether an answer would still count."""
        return self._answer is _OPEN

    def answer(self, value: R | Failure) -> bool:
        """Give the answer, without waiting; False when it came too late to count."""
        if self._answer is not _OPEN:
            return False
        self._answer = value
        if self._asker is not None:
            trio.lowlevel.reschedule(self._asker)
            self._asker = None
        return True

    async def wait(self, deadline: float = math.inf) -> R | Failure:
        """The answer, or TIMED_OUT once Trio's clock (seconds) reaches `deadline`.

        Call it once. An infinite deadline costs no cancel scope: it is for askers whose whole
        request has a deadline already, and for actors that always answer.
        """
        if self._answer is not _OPEN:
            await trio.lowlevel.cancel_shielded_checkpoint()
        elif deadline == math.inf:
            await self._park()
        else:
            with trio.CancelScope(deadline=deadline):
                await self._park()
        answer: R | Failure = self._answer
        return answer

    async def _park(self) -> None:
        self._asker = trio.lowlevel.current_task()
        await trio.lowlevel.wait_task_rescheduled(self._abandon)

    def _abandon(self, _raise_cancel: object) -> Abort:
        # Deadline or cancellation. Trio does not call this once answer() has rescheduled us, so
        # an answer that was given is an answer that arrives.
        self._asker = None
        self._answer = Failure.TIMED_OUT
        return Abort.SUCCEEDED


class Envelope(Reply[Any], Generic[M_co]):
    """One message on its way to an actor, and the slot for its answer.

    Made by whoever sends. A handler answers it by what it returns (see `serve`), or keeps it and
    calls `answer` later. Nobody waits on an envelope that was sent with `send()`.
    """

    __slots__ = ("message",)

    def __init__(self, message: M_co) -> None:
        super().__init__()
        self.message = message


class Address(Protocol[M_contra]):
    """Where envelopes can be posted: a `Mailbox`, or a registry's `Ref`."""

    def post(self, envelope: Envelope[M_contra]) -> Failure | None:
        """Accept the envelope (None) or refuse it, at once."""
        ...


async def ask(address: Address[Any], message: Asks[R], deadline: float) -> R | Failure:
    """Post the message and wait for its answer until `deadline` (seconds on Trio's clock).

    Cancelled before the message is accepted, nothing has happened; cancelled later, the message
    is handled all the same and only its answer is dropped. `failure.outcome_unknown` says
    whether a failed ask may have had an effect.
    """
    await trio.lowlevel.checkpoint_if_cancelled()
    envelope = Envelope(message)
    refused = address.post(envelope)
    if refused is not None:
        # A caller that asks in a loop must let the actor run.
        await trio.lowlevel.cancel_shielded_checkpoint()
        return refused
    return await envelope.wait(deadline)
