"""Messages to people: one Messenger for the whole process, over e-mail, SMS and WhatsApp.

The app makes it, `run` is supervised and delivers what was posted; `send` works as long as the
channels' HTTP clients are open. It protects what outlives one call: how many deliveries a
channel has under way, how many callers wait for it, and the notices not yet delivered.
Texts and codes are secrets: they are in no log line and in no repr.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from random import random
from typing import Protocol

import structlog
import trio

log = structlog.get_logger(__name__)


class Again(Enum):
    """Whether trying a refused message again can help."""

    NEVER = "never"  # the message, the address or the credentials are at fault
    LATER = "later"  # the provider answered that it cannot at present
    NOW = "now"  # nothing reached the provider


@dataclass(frozen=True, slots=True)
class Sent:
    """The provider took the message and calls it `message_id`."""

    message_id: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was sent. `reason` is for operators: it holds no text, code or address."""

    reason: str
    again: Again = Again.NEVER


@dataclass(frozen=True, slots=True)
class Unknown:
    """The message left us and no verdict came back: it may arrive, so it is not sent again."""

    reason: str = "no answer"


Outcome = Sent | Refused | Unknown


class Channel(Protocol):
    """One way to reach a person; implemented by the providers."""

    async def deliver(
        self, to: str, text: str, *, subject: str | None, code: str | None
    ) -> Outcome:
        """Try once. `to` is an e-mail address, or a phone number with or without "+".

        `code` is the one-time code that `text` carries, for channels which need it apart.
        Failures of the network are outcomes; an exception is a defect.
        """
        ...


@dataclass(frozen=True, slots=True)
class Limits:
    """What the messenger allows itself, per channel; seconds are real time."""

    under_way: int = 8  # more at once gain nothing at one provider and look like abuse
    waiting: int = 64  # eight rounds of callers; who comes later is told at once
    deadline_seconds: float = 15.0  # a caller with a person in front of it
    attempts: int = 3
    pause_seconds: float = 0.2  # before the second attempt, doubled before each further one
    notices: int = 1_000  # posted and not yet delivered
    couriers: int = 2  # deliver notices, beside and never instead of awaited messages
    notice_pause_seconds: float = 5.0  # as pause_seconds, when the provider said "later"


@dataclass(frozen=True, slots=True)
class _Message:
    to: str = field(repr=False)
    text: str = field(repr=False)
    subject: str | None = field(repr=False)
    code: str | None = field(repr=False)


class _Lane:
    """One channel with its bounds."""

    def __init__(self, name: str, channel: Channel, limits: Limits) -> None:
        self.name = name
        self.channel = channel
        self.slots = trio.CapacityLimiter(limits.under_way)
        self.post, self.posted = trio.open_memory_channel[_Message](limits.notices)


class _Flight:
    """Whether a message is on its way at this moment; read when the deadline cuts it off."""

    def __init__(self) -> None:
        self.under_way = False


class Messenger:
    """Delivers by channel name ("email", "sms", "whatsapp"); one that is not configured refuses."""

    def __init__(
        self,
        channels: Mapping[str, Channel],
        limits: Limits | None = None,
        jitter: Callable[[], float] = random,
    ) -> None:
        self._limits = limits or Limits()
        self._jitter = jitter
        self._lanes = {name: _Lane(name, c, self._limits) for name, c in channels.items()}

    async def send(
        self,
        channel: str,
        to: str,
        text: str,
        subject: str | None = None,
        code: str | None = None,
    ) -> Outcome:
        """Deliver and say how it went, within the deadline.

        For one-time codes: only Sent lets the caller say that a code was sent. Tried again only
        while nothing reached the provider.
        """
        lane = self._lanes.get(channel)
        if lane is None:
            return Refused("channel not configured")
        if lane.slots.statistics().tasks_waiting >= self._limits.waiting:
            return self._report(lane, Refused("overloaded", Again.LATER))
        flight = _Flight()
        outcome: Outcome | None = None
        with trio.move_on_after(self._limits.deadline_seconds):
            async with lane.slots:
                message = _Message(to, text, subject, code)
                outcome = await self._attempts(lane, message, flight, patient=False)
        if outcome is None:
            outcome = Unknown("deadline") if flight.under_way else Refused("deadline", Again.LATER)
        return self._report(lane, outcome)

    def post(self, channel: str, to: str, text: str, subject: str | None = None) -> bool:
        """Queue a notice that nobody waits for; False if it was dropped.

        Notices carry no money and no code, so a full queue drops the new one (and says so).
        """
        lane = self._lanes.get(channel)
        if lane is None:
            return False
        try:
            lane.post.send_nowait(_Message(to, text, subject, None))
        except trio.WouldBlock:
            log.warning("message.dropped", channel=channel, queued=self._limits.notices)
            return False
        return True

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver notices until cancelled; may be run again after a failure."""
        try:
            async with trio.open_nursery() as nursery:
                for lane in self._lanes.values():
                    for _ in range(self._limits.couriers):
                        nursery.start_soon(self._courier, lane)
                task_status.started()
        finally:
            for lane in self._lanes.values():
                left = lane.posted.statistics().current_buffer_used
                if left:
                    log.warning("message.undelivered", channel=lane.name, notices=left)

    async def _courier(self, lane: _Lane) -> None:
        while True:
            message = await lane.posted.receive()
            flight = _Flight()
            self._report(lane, await self._attempts(lane, message, flight, patient=True))

    async def _attempts(
        self, lane: _Lane, message: _Message, flight: _Flight, *, patient: bool
    ) -> Outcome:
        """Bounded attempts; a patient caller also waits out a provider that said "later"."""
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._attempt(lane, message, flight)
            if not isinstance(outcome, Refused) or attempt >= self._limits.attempts:
                return outcome
            if outcome.again is Again.NOW:
                pause = self._limits.pause_seconds
            elif outcome.again is Again.LATER and patient:
                pause = self._limits.notice_pause_seconds
            else:
                return outcome
            await trio.sleep(pause * 2 ** (attempt - 1) * (0.5 + self._jitter()))

    async def _attempt(self, lane: _Lane, message: _Message, flight: _Flight) -> Outcome:
        """One delivery; a cancelled one stays under way, for its fate is not known."""
        flight.under_way = True
        outcome: Outcome = Unknown("deadline")
        with trio.move_on_after(self._limits.deadline_seconds):
            outcome = await lane.channel.deliver(
                message.to, message.text, subject=message.subject, code=message.code
            )
        flight.under_way = False
        return outcome

    @staticmethod
    def _report(lane: _Lane, outcome: Outcome) -> Outcome:
        match outcome:
            case Sent(message_id):
                log.debug("message.sent", channel=lane.name, message_id=message_id)
            case Refused(reason):
                log.warning("message.refused", channel=lane.name, reason=reason)
            case Unknown(reason):
                log.warning("message.unknown", channel=lane.name, reason=reason)
        return outcome
