"""What surfaces over HTTP have in common about requests that are carried out once (X-C29)."""

from typing import Final

from actors.people import Authenticated
from domain.identity import Profile
from domain.ledger import Ticket
from protocols.http import Request, Response

_LONGEST: Final = 255  # characters
_HEADER: Final = "idempotency-key"
_REPLAYED: Final = ("Idempotent-Replayed", "true")


class BadKey(Exception):
    """The Idempotency-Key is none; the text says what one is."""


def key_of(request: Request) -> str | None:
    """The request's Idempotency-Key, None without one. Raises BadKey."""
    key = request.headers.get(_HEADER)
    if key is None or (0 < len(key) <= _LONGEST and key.isascii() and key.isprintable()):
        return key
    raise BadKey(f"Idempotency-Key must have 1 to {_LONGEST} printable ASCII characters")


def replayed(response: Response) -> Response:
    """An answer that was given before."""
    return response.with_headers(_REPLAYED)


class Call:
    """Who calls, and the ticket of the idempotency key, if one came.

    A handler that had its outcome committed with its journal sets `journaled`.
    """

    __slots__ = ("journaled", "request", "ticket", "who")

    def __init__(self, request: Request, ticket: Ticket | None = None) -> None:
        self.request = request
        self.who: Authenticated = request.principal
        self.ticket = ticket
        self.journaled = False

    @property
    def user_id(self) -> int:
        """The caller."""
        return self.who.user_id

    @property
    def profile(self) -> Profile:
        """The caller, as committed when the request came."""
        return self.who.profile
