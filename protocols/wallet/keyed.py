"""Requests with an Idempotency-Key: carried out once, answered alike ever after (X-C29)."""

from collections.abc import Awaitable, Callable
from typing import Any

from actors.idempotency import Repeat
from domain.ledger import Refusal, Ticket
from protocols.http import JSON, Request, Response
from protocols.keyed import BadKey, key_of, replayed
from protocols.wallet.codec import Answer, encode, load, save
from protocols.wallet.errors import RETRY_AFTER_S, Problem, of_key, refused
from protocols.wallet.service import Wallet

Operation = Callable[[Ticket | None], Awaitable[Answer]]


async def once(wallet: Wallet, request: Request, name: str, body: Any, do: Operation) -> Response:
    """Answer `request` by `do`, unless it carries a key that its caller used before.

    `name` and `body` tell one request from another, so that the two verify paths are one. `do`
    gets the ticket for what it records. What says "not now" is not remembered.
    """
    try:
        key = key_of(request)
    except BadKey:
        return refused(Problem.BAD_KEY)
    if key is None:
        return respond(await do(None))

    async def operation(ticket: Ticket) -> tuple[bytes, bool]:
        made = await do(ticket)
        return save(made), made.lasting and not made.kept

    scope = f"user:{request.principal.user_id}"
    fingerprint = f"wallet {name}\n".encode() + encode(body)
    try:
        outcome = await wallet.idempotency.once(scope, key, fingerprint, operation)
    except wallet.unavailable:
        return refused(Problem.UNAVAILABLE)
    if isinstance(outcome, Refusal):
        return refused(of_key(outcome))
    response = respond(load(outcome))
    return replayed(response) if isinstance(outcome, Repeat) else response


def respond(made: Answer) -> Response:
    """An answer as it leaves."""
    headers = (("Retry-After", str(RETRY_AFTER_S)),) if made.status >= 500 else ()
    return Response(made.status, bytes(made.body), JSON, headers)
