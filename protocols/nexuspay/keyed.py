"""Requests with an Idempotency-Key: carried out once, answered alike ever after (X-C29)."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from actors.idempotency import Repeat
from domain.ledger import Refusal, Ticket
from protocols.http import JSON, Request, Response
from protocols.keyed import BadKey, Call, key_of, replayed
from protocols.nexuspay.calls import Saved, load, save
from protocols.nexuspay.codec import encode
from protocols.nexuspay.errors import PASSING, Refused, invalid, of_refusal
from protocols.nexuspay.service import NexusPay
from protocols.web import Handler

_JSON: Final = "application/json"
_NUL: Final = b"\\u0000"

Operation = Callable[..., Awaitable[Response]]
Replay = Callable[[Call, str], Awaitable[Response]]
"""Makes the answer about a payment again: (call, the payment's reference)."""


def guarded(nexus: NexusPay, operation: Callable[..., Awaitable[Any]]) -> Handler:
    """A route's handler: refusals and storage that is away become the surface's errors."""

    async def handler(request: Request, *body: Any) -> Any:
        try:
            _check_body(request)
            return await operation(request, *body)
        except Refused as refused:
            return refused.response(nexus.clock)
        except nexus.unavailable:
            return of_refusal(Refusal.UNAVAILABLE).response(nexus.clock)

    return handler


def _check_body(request: Request) -> None:
    """Refuse what the decoder lets pass: a body that is called something else than JSON, and NUL,
    which storage cannot keep."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if request.body and kind and kind != _JSON and not kind.endswith("+json"):
        raise invalid(f"Content-Type must be {_JSON}")
    if _NUL in request.body:
        raise invalid("a text contains a NUL character")


def once(
    nexus: NexusPay, name: str, operation: Operation, replay: Replay | None = None
) -> Callable[..., Awaitable[Response]]:
    """`operation` as a handler that honours the key; `name` tells endpoints apart.

    Refusals are remembered too, except those that say "not now".
    """

    async def handler(request: Request, *body: Any) -> Response:
        try:
            key = key_of(request)
        except BadKey as error:
            raise invalid(str(error)) from error
        if key is None:
            return await operation(Call(request), *body)
        fingerprint = b"nexuspay %s\n%s" % (name.encode(), encode(body))
        return await _once(nexus, Call(request), key, fingerprint, body, operation, replay)

    return handler


async def _once(
    nexus: NexusPay,
    call: Call,
    key: str,
    fingerprint: bytes,
    body: tuple[Any, ...],
    operation: Operation,
    replay: Replay | None,
) -> Response:
    made: list[Response] = []

    async def carry_out(ticket: Ticket) -> tuple[bytes, bool]:
        call.ticket = ticket
        try:
            response = await operation(call, *body)
        except Refused as refused:
            if refused.problem in PASSING and not call.journaled:
                raise
            response = refused.response(nexus.clock)
        made[:] = [response]
        return save(response), not call.journaled

    outcome = await nexus.idempotency.once(f"user:{call.user_id}", key, fingerprint, carry_out)
    if isinstance(outcome, Refusal):
        raise of_refusal(outcome)
    if not isinstance(outcome, Repeat):
        return made[0]
    try:
        response = await _again(call, load(outcome), replay)
    except Refused as refused:
        response = refused.response(nexus.clock)
    return replayed(response)


async def _again(call: Call, saved: Saved, replay: Replay | None) -> Response:
    if saved.payment:
        assert replay is not None, "only what has a replay saves a payment"
        return await replay(call, saved.payment)
    return Response(saved.status, bytes(saved.body), JSON)
