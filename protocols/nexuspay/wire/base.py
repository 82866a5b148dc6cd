"""The envelopes of the surface's wire (document 002, "Error Responses" and every answer)."""

from typing import Annotated, Any, Final, Generic, Literal, TypeVar

import msgspec
from msgspec import UNSET, Raw, UnsetType

from domain.nexuspay.paging import DEFAULT_LIMIT
from protocols.described import Number, NumberOrText

# The text of one JSON value: an amount as it came, a number or a string (X-C12).
Amount = NumberOrText
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


class PageQuery(Wire, frozen=True, kw_only=True):
    """Which part of a list, by the query (NXPY-C39); a limit above 100 counts as 100."""

    page: Annotated[int, msgspec.Meta(ge=1)] = 1
    limit: Annotated[int, msgspec.Meta(ge=1)] = DEFAULT_LIMIT


class Moved(Wire, frozen=True, kw_only=True):
    """Additive members of every answer to a money mutation (decisions, "Overrides")."""

    balance_after: Number | UnsetType = msgspec.field(default=UNSET, name="balance_after")
    sequence: int | UnsetType = UNSET
