"""One key space for repeats, over sockets, HTTP and provider callbacks (X-C29).

A key belongs to its caller (`scope`) and to one request (`fingerprint`). The outcome of a request
that moved money is committed with its journal; a refusal is remembered as well, so that a repeat
is answered alike.
"""

from collections.abc import Awaitable, Callable, Container
from hashlib import sha256
from typing import Protocol

from actors.clock import Clock
from domain.ledger import Refusal, Ticket


class OutcomeStore(Protocol):
    """Saved outcomes; implemented by storage.idempotency."""

    async def find(self, scope: str, key: str) -> tuple[bytes, bytes] | None:
        """Fingerprint and outcome of a finished request, None when the key is new."""
        ...

    async def remember(
        self, ticket: Ticket, outcome: bytes, at_us: int
    ) -> tuple[bytes, bytes] | None:
        """Save the outcome of a request that recorded nothing, unless the key has one: then that
        one stays, and is returned as `find` does."""
        ...


class Repeat(bytes):
    """An outcome that was saved before, not made now."""


class Idempotency:
    """Keys in flight, in front of the saved ones.

    `recording` are the keys of intents the journal has accepted: their askers may have gone away
    since, which ends the request here but not there.
    """

    def __init__(
        self, store: OutcomeStore, clock: Clock, recording: Container[tuple[str, str]] = ()
    ) -> None:
        self._store = store
        self._clock = clock
        self._recording = recording
        self._in_flight: set[tuple[str, str]] = set()

    async def once(
        self,
        scope: str,
        key: str,
        request: bytes,
        operation: Callable[[Ticket], Awaitable[tuple[bytes, bool]]],
    ) -> bytes | Refusal:
        """Carry out `operation` unless this key was used before.

        `operation` gets the ticket for its intent and answers (outcome, remember): `remember` is
        True for refusals, which the journal has not saved. A saved outcome comes back as `Repeat`;
        KEY_REUSED when the key belongs to another request, IN_PROGRESS while it is being carried
        out.
        """
        ticket = Ticket(scope, key, sha256(request).digest())
        if (scope, key) in self._in_flight or (scope, key) in self._recording:
            return Refusal.IN_PROGRESS
        self._in_flight.add((scope, key))
        try:
            if (saved := await self._store.find(scope, key)) is not None:
                return _again(saved, ticket)
            outcome, remember = await operation(ticket)
            if remember:
                saved = await self._store.remember(ticket, outcome, self._clock.now_us())
                # Recorded after all, by a request that never heard so (UNKNOWN, then a repeat).
                if saved is not None:
                    return _again(saved, ticket)
            return outcome
        finally:
            self._in_flight.discard((scope, key))


def _again(saved: tuple[bytes, bytes], ticket: Ticket) -> Repeat | Refusal:
    fingerprint, outcome = saved
    return Repeat(outcome) if fingerprint == ticket.fingerprint else Refusal.KEY_REUSED
