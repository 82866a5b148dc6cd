"""Document 002, "WebSocket Updates"; `offset` is additive, for clients that resume (X-C28)."""

from typing import Any

from msgspec import UNSET, UnsetType

from protocols.nexuspay.wire.base import Wire


class Incoming(Wire, frozen=True, kw_only=True):
    """What a client may send: `auth` with its token, `ping`; anything else is ignored.

    The members are checked by hand: a client's other messages must not end its socket.
    """

    type: Any = None
    token: Any = None


class Update(Wire, frozen=True, kw_only=True):
    """A transaction reached a status."""

    transaction_id: str
    status: str
    timestamp: str


class Who(Wire, frozen=True, kw_only=True):
    user_id: str


class Problem(Wire, frozen=True, kw_only=True):
    message: str


class Frame(Wire, frozen=True, kw_only=True):
    """Every frame we send: `transaction_update`, `mpesa_update`, `auth_success`, `auth_error`,
    `reload_required`, `pong`."""

    type: str
    data: Update | Who | Problem | UnsetType = UNSET
    offset: int | UnsetType = UNSET
