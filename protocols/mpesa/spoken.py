"""Every message of the two sockets as documents describe it (MPWS-C01)."""

from typing import Any, Final, Literal

import msgspec
from msgspec import UNSET, UnsetType

from protocols.described import Said, narrowed
from protocols.mpesa.wire import (
    Envelope,
    ErrorPayload,
    Inquiry,
    Message,
    Order,
    Pushed,
    PushStatus,
    ReloadRequired,
    Withdrawal,
)

_ERROR: Final = "error"


class SocketQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Query of both sockets: `token` where there is no Authorization header; `resume_from`, the
    offset of the last update seen (X-C28)."""

    token: str | UnsetType = UNSET
    resume_from: int | UnsetType = UNSET


def _asked(kind: str, payload: Any, text: str) -> Said:
    frame = narrowed(
        f"{kind.capitalize()}Request", Envelope, text, kind=Literal[kind], payload=payload
    )
    return Said(kind, frame, text, answers=(kind, _ERROR))


def _told(kind: str, payload: Any, text: str) -> Said:
    name = f"{kind.title().replace('_', '')}Message"
    return Said(kind, narrowed(name, Message, text, kind=Literal[kind], payload=payload), text)


_OTHERS: Final = (
    _told(_ERROR, ErrorPayload, "A request was refused; the socket stays open (MPWS-C02)"),
    _told("reload_required", ReloadRequired, "What was missed is not kept any more (X-C28)"),
)
PUSHES_ASKED: Final = (
    _asked("push", Order, "Prompt a payer's handset"),
    _asked("status", Inquiry, "Ask how a push stands"),
)
PUSHES_TOLD: Final = (
    _told("push", Pushed, "The prompt is on its way"),
    _told("status", PushStatus, "How a push stands, asked for or not"),
    *_OTHERS,
)
PAYOUTS_ASKED: Final = (_asked("withdraw", Order, "Pay out to a handset"),)
PAYOUTS_TOLD: Final = (
    _told("withdraw", Withdrawal, "A withdrawal was queued, or moved on"),
    *_OTHERS,
)
