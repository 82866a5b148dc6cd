"""The envelopes of the surface's wire (document 002, "Error Responses" and every answer)."""

from typing import Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

# The text of one JSON value: an amount as it came (a number or a string, X-C12), or a number
# already in its documented notation.
Amount = Raw
ABSENT: Final = Raw(b"null")
T = TypeVar("T")


class Wire(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Base of everything that is read or written here."""


class Reply(Wire, Generic[T], frozen=True, kw_only=True):
    """An answer that is not an error; `message` and `data` where the document shows them."""

    success: Literal[True] = True
    message: str | UnsetType = UNSET
    data: T | UnsetType = UNSET


class ErrorDetail(Wire, frozen=True, kw_only=True):
    """Why: a code in upper case, and what the client may look at."""

    code: str
    details: str


class ErrorReply(Wire, frozen=True, kw_only=True):
    """The standard error body."""

    success: Literal[False] = False
    message: str
    error: ErrorDetail
    timestamp: str


class SpecialDetail(Wire, frozen=True, kw_only=True):
    """As pay-with-crypto says why."""

    code: str
    message: str


class SpecialError(Wire, frozen=True, kw_only=True):
    """The two errors of pay-with-crypto that have a body of their own (NXPY-C41)."""

    success: Literal[False] = False
    message: str
    data: Any
    error: SpecialDetail


class Pagination(Wire, frozen=True, kw_only=True):
    """`total` items over all `pages` (document, "Pagination")."""

    total: int
    page: int
    limit: int
    pages: int


class Moved(Wire, frozen=True, kw_only=True):
    """Additive members of every answer to a money mutation (decisions, "Overrides")."""

    balance_after: Raw | UnsetType = msgspec.field(default=UNSET, name="balance_after")
    sequence: int | UnsetType = UNSET
