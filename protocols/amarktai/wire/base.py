"""What every message of the surface has in common (document 004, "Error Schema")."""

from typing import Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

# The text of one JSON number, as it came or already in its documented notation.
Amount = Raw
ABSENT: Final = Raw(b"null")


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that is read or written here; unknown members are ignored."""


class Success(Wire, frozen=True, kw_only=True):
    """An answer of an endpoint that says `success`."""

    success: Literal[True] = True


class Done(Success, frozen=True, kw_only=True):
    """Nothing to tell but that it is done."""

    message: str


class Moved(Success, frozen=True, kw_only=True):
    """Additive members of every answer to a money mutation (decisions, "Overrides")."""

    balance_after: Raw | UnsetType = UNSET
    sequence: int | UnsetType = UNSET


class ErrorReply(Wire, frozen=True, kw_only=True):
    """The standard error body."""

    success: Literal[False] = False
    error: str
    error_code: str
    timestamp: str
