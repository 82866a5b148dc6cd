"""The loop of an actor: take a message, handle it, answer it."""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeVar

import trio

from actors.clock import Clock
from actors.runtime.ask import Envelope
from actors.runtime.failures import Failure
from actors.runtime.mailbox import Mailbox

M = TypeVar("M")
M_contra = TypeVar("M_contra", contravariant=True)

LATER: Final = object()  # returned by a handler that keeps the envelope and answers it later

Handle = Callable[[Envelope[M]], Awaitable[object]]


class Timed(Protocol[M_contra]):
    """An actor with a time of its own: what `serve_timed` drives."""

    @property
    def wake_at_us(self) -> int | None:
        """When wake() is due, in microseconds of the application clock; None for never."""
        ...

    async def wake(self) -> None:
        """That time has come. Must move `wake_at_us` on, or it is due again at once."""
        ...

    async def handle(self, envelope: Envelope[M_contra]) -> object:
        """Handle one message; what it returns is the answer, unless it is LATER."""
        ...


async def serve(mailbox: Mailbox[M], handle: Handle[M]) -> None:
    """Handle messages one by one until the mailbox ends this reader.

    `handle` returns the answer, or LATER. If it raises or is cancelled, its asker gets
    INTERRUPTED and the exception goes on to the supervisor. So do envelopes that were kept and
    are unanswered when the actor ends. An actor ends itself with `mailbox.leave()`.
    """
    kept: list[Envelope[Any]] = []
    try:
        while (envelope := await mailbox.receive()) is not None:
            await _handle(envelope, handle, kept)
    finally:
        _interrupt(kept)


async def serve_timed(mailbox: Mailbox[M], actor: Timed[M], clock: Clock) -> None:
    """As serve(), and call `actor.wake()` whenever its `wake_at_us` has come.

    What is due goes before what is queued. The time is read afresh before every message, so it
    can be derived from the state and survives a restart with it.
    """
    kept: list[Envelope[Any]] = []
    try:
        while True:
            due_us = actor.wake_at_us
            if due_us is not None and not await _message_before(due_us, mailbox, clock):
                await actor.wake()
                continue
            envelope = await mailbox.receive()
            if envelope is None:
                return
            await _handle(envelope, actor.handle, kept)
    finally:
        _interrupt(kept)


async def _handle(envelope: Envelope[M], handle: Handle[M], kept: list[Envelope[Any]]) -> None:
    try:
        answer = await handle(envelope)
    except BaseException:
        envelope.answer(Failure.INTERRUPTED)
        raise
    if answer is not LATER:
        envelope.answer(answer)
        return
    kept[:] = [e for e in kept if e.is_open]
    kept.append(envelope)


def _interrupt(kept: list[Envelope[Any]]) -> None:
    for envelope in kept:
        envelope.answer(Failure.INTERRUPTED)


async def _message_before(due_us: int, mailbox: Mailbox[M], clock: Clock) -> bool:
    """Wait for the mailbox or for the time; False when the time has come."""
    if clock.now_us() < due_us:
        async with trio.open_nursery() as nursery:
            cancel = nursery.cancel_scope.cancel

            async def alarm() -> None:
                await clock.sleep_until_us(due_us)
                cancel()

            nursery.start_soon(alarm)
            await mailbox.wait()
            cancel()
    else:
        await trio.lowlevel.checkpoint()
    return clock.now_us() < due_us
