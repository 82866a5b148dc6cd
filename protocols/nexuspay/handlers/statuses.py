"""Administrators decide about a transaction (document 002, "Update Transaction Status").

The move itself is its payment's: it settles, releases or begins again, once, with its audit in
the same commit (NXPY-C57).
"""

from typing import Final

from actors.audit import AuditEntry
from actors.payments import Payments
from actors.people import Authenticated
from actors.reviews import Decision, NotRuled, Ruled, Ruling
from domain.ledger import Refusal
from domain.nexuspay.transactions import Status, Transaction
from protocols.http import Request, Response
from protocols.nexuspay.calls import respond
from protocols.nexuspay.codec import iso_or_none, text_of
from protocols.nexuspay.errors import Problem, Refused, invalid, of_refusal
from protocols.nexuspay.handlers.admin import find_any
from protocols.nexuspay.service import NexusPay
from protocols.nexuspay.wire import admin as wire
from protocols.nexuspay.wire.base import Reply

_LONGEST_NOTES: Final = 1000
_OPEN: Final = frozenset({Status.PENDING, Status.RESERVED, Status.ERROR})


class Statuses:
    """The endpoint PUT /api/admin/transactions/:id/status."""

    def __init__(self, nexus: NexusPay) -> None:
        self._nexus = nexus

    async def set(self, request: Request, body: wire.SetStatus) -> Response:
        """Complete, fail or retry a transaction; the same status changes nothing."""
        if body.status not in Status._value2member_map_:
            raise invalid(f"status cannot be {text_of(body.status)}")
        if len(body.notes) > _LONGEST_NOTES:
            raise invalid(f"notes must have at most {_LONGEST_NOTES} characters")
        found, wanted = await find_any(self._nexus, request.params["id"]), Status(body.status)
        if found.status is not wanted:
            await self._move(found, wanted, request.principal, body.notes)
            found = await find_any(self._nexus, found.id)
        data = wire.StatusSet(
            transaction_id=found.id,
            status=found.status.value,
            retry_count=found.retries,
            last_retry_at=iso_or_none(found.last_retry_us),
            completed_at=iso_or_none(found.completed_us),
        )
        return respond(Reply(message="Transaction status updated successfully", data=data))

    async def _move(
        self, found: Transaction, wanted: Status, operator: Authenticated, notes: str
    ) -> None:
        payments = self._nexus.orders.payments
        answer: Ruled | NotRuled | Refusal
        if wanted is Status.COMPLETED and found.status in _OPEN:
            answer = await _rule(payments, found, Decision.APPROVE, operator, notes)
        elif wanted is Status.FAILED and found.status in _OPEN:
            answer = await _rule(payments, found, Decision.REJECT, operator, notes)
        elif wanted is Status.PENDING and found.status is Status.FAILED:
            answer = await payments.begin_again(
                found.payment_id, self._audit(found, operator, notes)
            )
        else:
            answer = NotRuled.DECIDED
        if answer is NotRuled.UNAVAILABLE:
            raise of_refusal(Refusal.UNAVAILABLE)
        if isinstance(answer, Refusal):
            raise of_refusal(answer)
        if not isinstance(answer, Ruled):
            details = f"{found.status.value} cannot become {wanted.value}"
            raise Refused(Problem.VALIDATION_ERROR, "Status cannot be changed", details)

    def _audit(self, found: Transaction, operator: Authenticated, notes: str) -> AuditEntry:
        return AuditEntry(
            at_us=self._nexus.clock.now_us(),
            operator_id=operator.user_id,
            how=",".join(operator.amr),
            action="retry payment",
            subject=found.id,
            note=notes,
        )


async def _rule(
    payments: Payments,
    found: Transaction,
    decision: Decision,
    operator: Authenticated,
    notes: str,
) -> Ruled | NotRuled:
    ruling = Ruling(
        decision=decision,
        operator_id=operator.user_id,
        how=",".join(operator.amr),
        note=notes,
    )
    return await payments.rule(found.id, ruling)
