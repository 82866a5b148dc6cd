"""One call of a handler, and what is saved of it under an idempotency key."""

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from protocols.http import JSON, Response
from protocols.nexuspay.codec import encode

Render = Callable[[Any], Any]


class Saved(msgspec.Struct, frozen=True):
    """An answer as it is kept: its status and body, or the payment it is made from again."""

    status: int = 200
    body: Raw = Raw(b"null")
    payment: str = ""


_load = msgspec.json.Decoder(Saved).decode


def respond(value: Any, status: int = 200) -> Response:
    """A value as a JSON response."""
    return Response(status, encode(value), JSON)


def save(response: Response) -> bytes:
    """The whole answer."""
    return encode(Saved(response.status, Raw(response.body)))


def save_payment(ref: str) -> bytes:
    """An answer that is made again from its payment."""
    return encode(Saved(payment=ref))


def load(outcome: bytes) -> Saved:
    """What `save` or `save_payment` kept."""
    return _load(outcome)
