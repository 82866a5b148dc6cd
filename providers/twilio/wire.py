"""Twilio Messages, API 2010-04-01: what it answers. Names are theirs."""

import msgspec


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A message resource, HTTP 201."""

    sid: str
    status: str
    error_code: int | None = None


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """An error, HTTP 4xx or 5xx; `code` is Twilio's own number (21211: invalid "To")."""

    code: int
    message: str = ""
    status: int = 0
