"""`POST /ops/reversals` and `POST /ops/float`: an operator's business with M-Pesa."""

from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from msgspec import Raw

from actors.audit import AuditEntry, AuditLog
from actors.clock import Clock
from actors.floats import FLOAT, Floats
from actors.identity_store import StoreUnavailable
from actors.people import Authenticated
from actors.rails import BalanceResult, Refused
from actors.reversals import NotOrdered, Reversals
from domain.money import plain
from domain.payments import Payment
from protocols.http import Request, Response, json_response
from protocols.ops import wire
from protocols.ops.surface import LONGEST_NOTE
from protocols.web import Route

log = structlog.get_logger(__name__)

_LONGEST_RECEIPT: Final = 64
_STATUS: Final = {
    NotOrdered.UNKNOWN: 404,
    NotOrdered.UNAVAILABLE: 503,
}
_CONFLICT: Final = 409  # what the books do not allow, now or ever

Booked = Callable[[], Awaitable[int]]


def money_routes(
    reversals: Reversals, floats: Floats, booked: Booked, audit: AuditLog, clock: Clock
) -> tuple[Route, ...]:
    """For administrators, by the surface's own check. `booked` reads the units of cash that the
    books say are at the provider."""
    counter = Counter(reversals, floats, booked, audit, clock)
    return (
        Route(
            "POST",
            "/reversals",
            counter.reverse,
            request=wire.ReversalRequest,
            response=wire.ReversalResponse,
            summary="Give cash in suspense back to its payer",
        ),
        Route(
            "POST",
            "/float",
            counter.float_,
            response=wire.FloatResponse,
            summary="Ask M-Pesa for our balances there",
        ),
    )


class Counter:
    """Handlers; both are audited."""

    def __init__(
        self, reversals: Reversals, floats: Floats, booked: Booked, audit: AuditLog, clock: Clock
    ) -> None:
        self._reversals = reversals
        self._floats = floats
        self._booked = booked
        self._audit = audit
        self._clock = clock

    async def reverse(
        self, request: Request, body: wire.ReversalRequest
    ) -> wire.ReversalResponse | Response:
        """`POST /ops/reversals`: answers once it has ended, or when that takes too long."""
        receipt = body.receipt
        if not (receipt.isascii() and receipt.isalnum() and len(receipt) <= _LONGEST_RECEIPT):
            return _error(400, "receipt must be an M-Pesa receipt")
        if len(body.note) > LONGEST_NOTE or "\0" in body.note:
            return _error(400, f"note must be a text of at most {LONGEST_NOTE} characters")
        entry = self._entry(request, "reverse receipt", receipt, body.note)
        try:
            made = await self._reversals.order(receipt, entry)
        except StoreUnavailable:
            made = NotOrdered.UNAVAILABLE
        if isinstance(made, NotOrdered):
            return _error(_STATUS.get(made, _CONFLICT), made.value)
        log.warning("ops.reversal", reference=made.ref, state=made.state, by=entry.operator_id)
        return _shown(made, entry)

    async def float_(self, request: Request) -> wire.FloatResponse | Response:
        """`POST /ops/float`."""
        entry = self._entry(request, "ask for balances", FLOAT, "")
        try:
            await self._audit.write(entry)
            booked = await self._booked()
        except StoreUnavailable:
            return _error(503, NotOrdered.UNAVAILABLE.value)
        said = await self._floats.ask()
        if not isinstance(said, BalanceResult):
            return _error(502 if isinstance(said, Refused) else 504, said.message or "no answer")
        return wire.FloatResponse(
            accounts=[
                wire.FloatAccount(
                    account=one.account,
                    currency=one.currency,
                    available=Raw(plain(one.available_units, 2)),
                )
                for one in said.balances
            ],
            booked=Raw(plain(booked, 2)),
        )

    def _entry(self, request: Request, action: str, subject: str, note: str) -> AuditEntry:
        who = request.principal
        assert isinstance(who, Authenticated)
        return AuditEntry(
            at_us=self._clock.now_us(),
            operator_id=who.user_id,
            how=",".join(who.amr),
            action=action,
            subject=subject,
            note=note,
        )


def _shown(payment: Payment, entry: AuditEntry) -> wire.ReversalResponse:
    return wire.ReversalResponse(
        reference=payment.ref,
        receipt=payment.bill,
        amount=Raw(plain(payment.amount, 2)),
        currency=payment.asset,
        status=payment.state.value,
        message=payment.reason,
        note=entry.note,
        decided_by=str(entry.operator_id),
    )


def _error(status: int, text: str) -> Response:
    return json_response(wire.ErrorBody(error=text), status)
