"""Orders with an idempotency key: carried out once, answered alike ever after (X-C29)."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final, NamedTuple

import msgspec

from actors.idempotency import Repeat
from domain.ledger import Refusal, Ticket
from protocols.mpesa.admission import Caller
from protocols.mpesa.errors import Code, Refused, of_refusal
from protocols.mpesa.service import Mpesa
from protocols.mpesa.wire import Wire


class Kept(Wire, frozen=True, kw_only=True):
    """What is kept under a key: the text that finds or is the answer, or a refusal."""

    result: str = ""
    code: Code | None = None
    message: str = ""
    field: str | None = None
    status: int = 0


class Outcome(NamedTuple):
    """What an order came to, now or the first time."""

    result: str
    is_repeat: bool


_decode: Final = msgspec.json.Decoder(Kept).decode
_encode: Final = msgspec.json.Encoder().encode


def kept(result: str) -> bytes:
    """The bytes to be committed with the payment."""
    return _encode(Kept(result=result))


async def once(
    mpesa: Mpesa,
    caller: Caller,
    key: str | None,
    fingerprint: bytes,
    operation: Callable[[Ticket | None], Awaitable[str]],
) -> Outcome:
    """Carry `operation` out unless its key was used before.

    It must commit `kept(result)` under the ticket it is given. A refusal is remembered too,
    unless it may pass. Raises Refused.
    """
    if key is None:
        return Outcome(await operation(None), is_repeat=False)

    async def carry_out(ticket: Ticket) -> tuple[bytes, bool]:
        try:
            return kept(await operation(ticket)), False
        except Refused as refused:
            if refused.passing:
                raise
            return _refusal(refused), True

    outcome = await mpesa.idempotency.once(caller.scope, key, fingerprint, carry_out)
    if isinstance(outcome, Refusal):
        raise of_refusal(outcome)
    found = _decode(outcome)
    if found.code is not None:
        status = HTTPStatus(found.status)
        raise Refused(found.code, found.message, found.field, status=status)
    return Outcome(found.result, is_repeat=isinstance(outcome, Repeat))


def _refusal(refused: Refused) -> bytes:
    return _encode(
        Kept(
            code=refused.code,
            message=refused.message,
            field=refused.field,
            status=int(refused.status),
        )
    )
