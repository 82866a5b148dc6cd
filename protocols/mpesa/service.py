"""The surface's parts, as app.py puts them together; handlers and sessions work with these."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from actors.clock import Clock
from actors.feed import EventStore, Feeds
from actors.idempotency import Idempotency
from actors.mpesa_hashes import Hashes
from actors.payments import Payments
from actors.people import People
from domain.money import units_of
from protocols.mpesa.sockets import OpenSockets

# A push is answered when the provider has answered, which may take it so long (its client's own
# deadlines are shorter); then the reply says that nobody knows.
ANSWER_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What configuration may change (docs/configuration.md).

    `allow_anonymous`: whether a hash that is nobody's may pay out what it was paid (MPWS-C03).
    `largest`: units one order may move (MPWS-C09).
    """

    allow_anonymous: bool = False
    largest: int = units_of("250000")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mpesa:
    """Everything a request may need.

    `unavailable`: the exceptions by which storage says that it is away; nothing was moved then.
    """

    clock: Clock
    people: People
    payments: Payments
    hashes: Hashes
    idempotency: Idempotency
    feeds: Feeds
    events: EventStore
    sockets: OpenSockets
    random_bytes: Callable[[int], bytes]
    unavailable: tuple[type[Exception], ...]
    settings: Settings = Settings()
