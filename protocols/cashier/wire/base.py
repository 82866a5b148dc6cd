"""The envelopes of the cashier's wire, and what an amount is there."""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from protocols.described import Anything, Number

# The text of one JSON number (read), or of a number already in its documented notation (written).
Amount = Number
_EMPTY: Final = Raw(b"{}")


class Wire(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of everything that is read or written here; acyclic, so the collector skips it."""


class Envelope(Wire, frozen=True, kw_only=True):
    """What every client frame is; `data` stays undecoded until its `type` is known."""

    type: str
    data: Raw = _EMPTY
    request_id: Anything | UnsetType = UNSET  # additive: echoed as it came (CASH-C03)


class Success(Wire, frozen=True, kw_only=True):
    """`data` of a success reply."""

    message: str
    data: Wire


class Failure(Wire, frozen=True, kw_only=True):
    """`data` of an error reply: the text and nothing else (CASH-023)."""

    message: str


class Reply(Wire, frozen=True, kw_only=True):
    """What answers one request; `timestamp` is the server's time in Unix seconds."""

    type: Literal["success", "error"]
    data: Success | Failure | Raw  # Raw: saved under an idempotency key
    timestamp: int
    request_id: Anything | UnsetType = UNSET


class Push(Wire, frozen=True, kw_only=True):
    """A server-initiated frame; `offset` only for clients that resume (X-C28)."""

    type: str
    data: Wire
    timestamp: int
    offset: int | UnsetType = UNSET
