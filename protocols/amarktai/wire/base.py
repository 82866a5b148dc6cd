"""What every message of the surface has in common (document 004, "Error Schema")."""

from typing import Annotated, Final, Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from protocols.described import meta

# The text of one JSON number, as it came or already in its documented notation.
Amount = Annotated[Raw, meta(wanted=True, type="number")]
ABSENT: Final = Raw(b"null")


def absent() -> Raw:
    """What stands for an amount that was left out."""
    return ABSENT


class Wire(msgspec.Struct, frozen=True, kw_only=True):
    """Base of everything that is read or written here; unknown members are ignored."""


class NewestQuery(Wire, frozen=True, kw_only=True):
    """How many of the newest."""

    limit: int | UnsetType = UNSET


class PageQuery(NewestQuery, frozen=True, kw_only=True):
    """Which part of a list (AMKT-C22)."""

    offset: int | UnsetType = UNSET


class FollowQuery(Wire, frozen=True, kw_only=True):
    """Query of socket and stream: `token` where there is no Authorization header; `resume_from`,
    the offset of the last event seen."""

    token: str | UnsetType = UNSET
    resume_from: int | UnsetType = UNSET


class Success(Wire, frozen=True, kw_only=True):
    """An answer of an endpoint that says `success`."""

    success: Literal[True] = True


class Done(Success, frozen=True, kw_only=True):
    """Nothing to tell but that it is done."""

    message: str


class ErrorReply(Wire, frozen=True, kw_only=True):
    """The standard error body."""

    success: Literal[False] = False
    error: str
    error_code: str
    timestamp: str
