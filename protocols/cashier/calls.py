"""One request being carried out, and how its result is recorded with the money."""

from abc import abstractmethod
from typing import Any, Final, Literal

import msgspec
from msgspec import Raw

from actors.batch import Result
from actors.ledger import Ledger
from domain.events import Event
from domain.ledger import AccountKey, Effects, Intent, Recorded, Refusal, Ticket
from protocols.cashier.codec import encode
from protocols.cashier.errors import Problem, Refused, of_refusal
from protocols.cashier.wire.base import Failure, Success, Wire


class Saved(Wire, frozen=True, kw_only=True):
    """What is kept under an idempotency key: a reply without its time and its request's id."""

    type: Literal["success", "error"]
    data: Raw


_saved: Final = msgspec.json.Decoder(Saved).decode


def save(body: Success | Failure) -> bytes:
    """The bytes kept for a repeat."""
    data = Raw(encode(body))
    return encode(Saved(type="success" if isinstance(body, Success) else "error", data=data))


def load(outcome: bytes) -> Saved:
    """What was kept."""
    return _saved(outcome)


class Call(msgspec.Struct, eq=False, gc=False):
    """Who asks, by which idempotency key if any, and whether the journal has kept the outcome."""

    user_id: int
    ticket: Ticket | None = None
    journaled: bool = False

    async def record(self, ledger: Ledger, intent: Intent, recording: "Recording") -> Success:
        """Record `intent`, whose `effects` are the recording's, and return the reply.

        Raises Refused; what storage raises passes through.
        """
        return self.outcome(await ledger.record(intent), recording)

    def outcome(self, result: Result, recording: "Recording") -> Success:
        """The reply to what the journal made of the recording's intent. Raises like `record`."""
        if isinstance(result, Recorded):
            self.journaled = self.ticket is not None
            return recording.reply()
        if isinstance(result, Exception):
            raise result
        if result is Refusal.CONFLICT:
            raise Refused(self._conflict(recording.on_conflict))
        raise Refused(of_refusal(result))

    def _conflict(self, named: Problem) -> Problem:
        """With a key and no other row to conflict, an earlier try of the same key was under way:
        whoever asked was cut off while it was being committed."""
        if named is Problem.CONFLICT and self.ticket is not None:
            return Problem.IN_PROGRESS
        return named


class Recording(msgspec.Struct, eq=False, gc=False):
    """What goes into the journal's transaction beside the postings, and the reply to come of it.

    Handlers derive from it what they have to tell. `changes` must each find their row, else the
    request is refused with `on_conflict`.
    """

    call: Call
    changes: tuple[Any, ...] = ()
    on_conflict: Problem = Problem.CONFLICT
    rendered: Success | None = None

    @abstractmethod
    def render(self, recorded: Recorded) -> Success:
        """The reply, from the numbers the journal got."""

    def events(self, recorded: Recorded) -> tuple[Event, ...]:
        """What people are told."""
        return ()

    def effects(self, recorded: Recorded) -> Effects:
        """For Intent.effects; called again when the journal numbers its batch anew."""
        reply = self.rendered = self.render(recorded)
        return Effects(
            events=self.events(recorded),
            changes=self.changes,
            outcome=save(reply) if self.call.ticket is not None else b"",
        )

    def reply(self) -> Success:
        """The reply of the journal as it was committed."""
        assert self.rendered is not None, "effects run before a commit is answered"
        return self.rendered


class Missing(msgspec.Struct, frozen=True, gc=False):
    """What must be in memory before a request can be drafted."""

    user_id: int
    account: AccountKey


class Draft(msgspec.Struct, frozen=True, gc=False):
    """A request that has passed its checks, ready for the journal."""

    intent: Intent
    recording: Recording

    async def record(self, ledger: Ledger) -> Success:
        """Record it and return the reply. Raises Refused; what storage raises passes through."""
        return self.outcome(await ledger.record(self.intent))

    def outcome(self, result: Result) -> Success:
        """The reply to what the journal made of it. Raises like `record`."""
        return self.recording.call.outcome(result, self.recording)
