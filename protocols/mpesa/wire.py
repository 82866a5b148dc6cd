"""The vocabulary of the M-Pesa surface (document 001; MPWS-C01, MPWS-C05), and Daraja's nod."""

from typing import Final

import msgspec
from msgspec import UNSET, Raw, UnsetType

from protocols.described import Anything, Number, narrowed

# What Daraja is told of every callback once its raw body is stored, and of one that is not taken.
ACCEPTED: Final = b'{"ResultCode":0,"ResultDesc":"Accepted"}'
REJECTED: Final = b'{"ResultCode":1,"ResultDesc":"Rejected"}'


class Wire(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of everything that is read or written here; acyclic, so the collector skips it."""


class Envelope(Wire, frozen=True, kw_only=True):
    """What every client message is; members stay undecoded until the kind is known."""

    kind: Anything = Raw(b"null")
    payload: Anything | UnsetType = UNSET


class Order(Wire, frozen=True, kw_only=True):
    """Payload of `push` and `withdraw`, and body of their HTTP forms.

    `amount` is the text of a JSON number. Additive: `idempotency_key` (X-C29), `hash` (the HTTP
    push alone).
    """

    phone: str
    amount: Number
    description: str | None = None
    idempotency_key: str | None = None
    hash: str | None = None


class BesidePayload(Wire, frozen=True, kw_only=True):
    """What an HTTP body may name beside its `payload`."""

    hash: str | None = None


class Inquiry(Wire, frozen=True, kw_only=True):
    """Payload of `status`."""

    checkout: str


class Pushed(Wire, frozen=True, kw_only=True):
    """`push` accepted: the prompt is on its way to the handset."""

    checkout: str
    merchant: str
    phone: str
    amount: int
    description: str
    status: str


class PushStatus(Wire, frozen=True, kw_only=True):
    """`status`, asked for or not. `status`: pending, completed, failed, cancelled, timeout, and
    the additive under_review (contract.md, "Money")."""

    checkout: str
    status: str
    code: int
    message: str
    phone: str
    amount: int
    receipt: str | None


class Withdrawal(Wire, frozen=True, kw_only=True):
    """`withdraw`, accepted or moved on. `status`: queued, processing, completed, failed. The
    last two members are additive and only in the reply: the account once the money was held."""

    conversation: str
    phone: str
    amount: int
    description: str
    status: str
    code: int
    message: str
    receipt: str | None
    balance_after: Number | UnsetType = UNSET
    sequence: int | UnsetType = UNSET


class ErrorPayload(Wire, frozen=True, kw_only=True):
    """`error`. `request` is the kind that failed, None where there was none."""

    request: str | None
    code: str
    message: str
    field: str | UnsetType = UNSET


class ReloadRequired(Wire, frozen=True, kw_only=True):
    """The additive `reload_required`: what was missed is not kept any more (X-C28)."""

    reason: str


class Message(Wire, frozen=True, kw_only=True):
    """What every server message is; `offset` only for clients that resume (X-C28)."""

    kind: str
    payload: Pushed | PushStatus | Withdrawal | ErrorPayload | ReloadRequired
    offset: int | UnsetType = UNSET


class Nod(Wire, frozen=True, kw_only=True, rename="pascal"):
    """What Daraja is told of a callback: code 0 once it is stored, 1 when it is not taken."""

    result_code: int
    result_desc: str


class CallbackQuery(Wire, frozen=True, kw_only=True):
    """Query of a callback: the payment's own secret; without it nothing is moved."""

    key: str | UnsetType = UNSET


class TokenQuery(Wire, frozen=True, kw_only=True):
    """Query of a client's call, where there is no Authorization header."""

    token: str | UnsetType = UNSET


class QueueQuery(TokenQuery, frozen=True, kw_only=True):
    """The same path takes the provider's notices, told apart by `key` or by their body."""

    key: str | UnsetType = UNSET


class PushData(Wire, frozen=True, kw_only=True):
    """`data` of the HTTP push; the additive `hash` where the server chose it."""

    checkout: str
    merchant: str
    status: str
    hash: str | UnsetType = UNSET


class QueueData(Wire, frozen=True, kw_only=True):
    """`data` of the HTTP withdrawal."""

    conversation: str
    status: str


class Done(Wire, frozen=True, kw_only=True):
    """Success over HTTP."""

    success: bool = True
    data: PushData | QueueData


class ErrorBody(Wire, frozen=True, kw_only=True):
    """`error` of a failure over HTTP; `field` as on the sockets."""

    code: str
    message: str
    field: str | UnsetType = UNSET


class Failed(Wire, frozen=True, kw_only=True):
    """Failure over HTTP."""

    success: bool = False
    error: ErrorBody


# What documents say of the envelopes' members.
PushDone: Final = narrowed("PushDone", Done, "The prompt is on its way.", data=PushData)
QueueDone: Final = narrowed("QueueDone", Done, "The withdrawal is queued.", data=QueueData)
