"""Cash that changes hands between a person and an agent, as the payment's move."""

from actors.payment_book import Deed, PaymentBook
from actors.payment_messages import Fulfil
from actors.payment_parts import completed_fact
from domain.ledger import Recorded
from domain.payments import HANDOVERS, Kind, Move, Payment, State, after
from domain.settlement import cashed, fulfilled


async def handed_over(book: PaymentBook, message: Fulfil) -> Payment | tuple[Payment, Recorded]:
    """The payment with its journal; alone when it was not waiting. Raises NotRecorded."""
    payment = book.payment
    waiting = after(payment.kind, payment.state, Move.PAID) is not None
    if payment.kind not in HANDOVERS or not waiting:
        return payment
    is_deposit = payment.kind is Kind.AGENT_DEPOSIT
    if is_deposit:
        postings = fulfilled(payment, message.agent, message.commission)
    else:
        postings = cashed(payment, message.agent)
    deed = Deed(
        postings=postings,
        fact=completed_fact,
        settles=True,
        closes=payment.hold is not None,
        # A transfer like any other (CASH-C31); the cash of a withdrawal has changed hands already.
        strict=is_deposit,
        changes=message.changes,
        ticket=message.ticket,
        outcome=message.outcome,
    )
    recorded = await book.record(book.next(State.COMPLETED), deed)
    return book.payment, recorded
