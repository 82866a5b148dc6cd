"""Handlers as routes want them, and requests with an Idempotency-Key (X-C29)."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import msgspec
from msgspec import Raw

from actors.idempotency import Repeat
from domain.ledger import Refusal, Ticket
from protocols.amarktai.codec import encode
from protocols.amarktai.errors import PASSING, Problem, Refused, invalid, of_refusal
from protocols.amarktai.service import Amarktai
from protocols.http import JSON, Request, Response
from protocols.keyed import BadKey, Call, key_of, replayed
from protocols.web import Handler

_NUL: Final = b"\\u0000"  # PostgreSQL's text cannot hold it, so no request may


class _Saved(msgspec.Struct, frozen=True):
    """An answer as it is kept."""

    status: int
    body: Raw


_load: Final = msgspec.json.Decoder(_Saved).decode
Operation = Callable[..., Awaitable[Response]]


def respond(value: Any, status: int = 200) -> Response:
    """A value as a JSON response."""
    return Response(status, encode(value), JSON)


def save(response: Response) -> bytes:
    """The whole answer, for a repeat of its key."""
    return encode(_Saved(response.status, Raw(response.body)))


def guarded(amarktai: Amarktai, operation: Callable[..., Awaitable[Any]]) -> Handler:
    """A route's handler: refusals and storage that is away become the surface's errors."""

    async def handler(request: Request, *body: Any) -> Any:
        try:
            if _NUL in request.body:
                raise invalid("a text contains a NUL character")
            return await operation(request, *body)
        except Refused as refused:
            return refused.response(amarktai.clock)
        except amarktai.unavailable:
            return Refused(Problem.SERVICE_UNAVAILABLE).response(amarktai.clock)

    return handler


def simple(operation: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    """An operation that takes a Call, for routes without idempotency keys."""

    async def handler(request: Request, *body: Any) -> Any:
        return await operation(Call(request), *body)

    return handler


def once(amarktai: Amarktai, name: str, operation: Operation) -> Callable[..., Awaitable[Response]]:
    """`operation` as a handler that honours the key; `name` tells endpoints apart.

    Refusals are remembered too, except those that say "not now".
    """

    async def handler(request: Request, *body: Any) -> Response:
        try:
            key = key_of(request)
        except BadKey as error:
            raise invalid(str(error)) from error
        call = Call(request)
        if key is None:
            return await operation(call, *body)
        made: list[Response] = []

        async def carry_out(ticket: Ticket) -> tuple[bytes, bool]:
            call.ticket = ticket
            try:
                response = await operation(call, *body)
            except Refused as refused:
                if refused.problem in PASSING:
                    raise
                response = refused.response(amarktai.clock)
            made[:] = [response]
            return save(response), not call.journaled

        fingerprint = b"amarktai %s\n%s" % (name.encode(), encode(body))
        outcome = await amarktai.idempotency.once(
            f"user:{call.user_id}", key, fingerprint, carry_out
        )
        if isinstance(outcome, Refusal):
            raise of_refusal(outcome)
        if not isinstance(outcome, Repeat):
            return made[0]
        saved = _load(outcome)
        return replayed(Response(saved.status, bytes(saved.body), JSON))

    return handler
