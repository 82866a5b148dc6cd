"""Every message of the socket as documents describe it (document 002, "WebSocket Updates")."""

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from protocols.described import Said, narrowed
from protocols.nexuspay.wire.base import Wire
from protocols.nexuspay.wire.socket import Frame, Incoming, Problem, Update, Who


class SocketQuery(Wire, frozen=True, kw_only=True):
    """`resume_from` is the offset of the last update seen (X-C28)."""

    resume_from: int | UnsetType = msgspec.field(default=UNSET, name="resume_from")


def _told(kind: str, data: Any, text: str) -> Said:
    name = f"{kind.title().replace('_', '')}Frame"
    return Said(kind, narrowed(name, Frame, text, type=Literal[kind], data=data), text)


_AUTH: Final = narrowed(
    "AuthFrame",
    Incoming,
    "Who the client is; again for a fresh token.",
    type=Literal["auth"],
    token=str,
)
_PING: Final = narrowed("PingFrame", Incoming, "Answered by a pong.", type=Literal["ping"])
ASKED: Final = (
    Said("auth", _AUTH, "Within 10 s of the upgrade", answers=("auth_success", "auth_error")),
    Said("ping", _PING, "Whether the server is there", answers=("pong",)),
)
TOLD: Final = (
    _told("auth_success", Who, "The socket is this person's"),
    _told("auth_error", Problem, "The token is no good; the socket is closed (4401)"),
    _told("pong", UnsetType, "The server is there"),
    _told("transaction_update", Update, "A transaction reached a status"),
    _told("mpesa_update", Update, "An M-Pesa transaction reached a status"),
    _told("reload_required", Problem, "What was missed is not kept any more (X-C28)"),
)
