"""Requests with an idempotency key: carried out once, answered alike ever after (X-C29)."""

from collections.abc import Awaitable, Callable
from typing import Final

from actors.idempotency import Idempotency
from domain.ledger import Refusal, Ticket
from protocols.cashier.calls import Call, Saved, load, save
from protocols.cashier.codec import encode
from protocols.cashier.errors import Problem, Refused, of_refusal
from protocols.cashier.wire.base import Failure, Success, Wire

# Answers that say "not now": a repeat must be tried again, not answered with them.
PASSING: Final = frozenset(
    {Problem.UNAVAILABLE, Problem.UNKNOWN_OUTCOME, Problem.IN_PROGRESS, Problem.CONFLICT}
)


def key_of(request: Wire) -> str | None:
    """The request's idempotency key, for those messages that have one."""
    key: str | None = getattr(request, "idempotency_key", None)
    return key


def fingerprint(kind: str, request: Wire) -> bytes:
    """What makes two requests the same: message type and members."""
    return kind.encode() + b"\n" + encode(request)


async def once(
    idempotency: Idempotency,
    user_id: int,
    key: str,
    request: bytes,
    handle: Callable[[Call], Awaitable[Success]],
) -> Saved:
    """Carry a request (its fingerprint) out unless its key was used before.

    A refusal is remembered too. Raises Refused for a key in flight or of another request, and
    for what passes.
    """

    async def operation(ticket: Ticket) -> tuple[bytes, bool]:
        call = Call(user_id, ticket)
        try:
            body: Success | Failure = await handle(call)
        except Refused as refused:
            if refused.text in PASSING:
                raise
            body = Failure(message=refused.text)
        return save(body), not call.journaled

    outcome = await idempotency.once(f"user:{user_id}", key, request, operation)
    if isinstance(outcome, Refusal):
        raise Refused(of_refusal(outcome))
    return load(outcome)
