"""What operators decide about payments: deposits under review, payouts nobody has evidence of, and
payouts that were paid after they had failed. The decision, its money, its event and its audit are
one commit."""

from typing import Final

from actors.audit import AuditEntry
from actors.payment_book import Deed, PaymentBook
from actors.payment_parts import completed_fact, failed_fact, label
from actors.payment_verdicts import PAID_CODE
from actors.reviews import Decision, NotRuled, Ruled, Ruling
from domain.ledger import Posting
from domain.money import ASSETS, round_down
from domain.payments import (
    COLLECTIONS,
    SILENCE_US,
    TOKEN_COLLECTIONS,
    Kind,
    Move,
    Payment,
    State,
    after,
)
from domain.settlement import (
    approved,
    as_paid_out,
    banked,
    borne,
    charged,
    collected,
    expected_cash,
    paid_out,
)

KIND: Final = "payment"


async def ruled(book: PaymentBook, now_us: int, ruling: Ruling) -> Ruled | NotRuled:
    """Carry a ruling out; raises NotRecorded when that is not possible now."""
    payment = book.payment
    approve = ruling.decision is Decision.APPROVE
    state = after(payment.kind, payment.state, _move(payment, ruling.decision))
    unpaid = payment.kind in TOKEN_COLLECTIONS and payment.is_open
    if state is None or (approve and not unpaid and not _credit(payment)):
        return NotRuled.DECIDED
    audit = AuditEntry(
        at_us=now_us,
        operator_id=ruling.operator_id,
        how=ruling.how,
        action=f"{ruling.decision.value} {KIND}",
        subject=payment.ref,
        note=ruling.note,
    )
    if payment.contested:
        await (_charge if approve else _bear)(book, audit)
    elif approve:
        await _approve(book, audit)
    else:
        moved = book.next(state, reason="rejected by an operator", asking=False)
        closes = payment.hold is not None
        await book.record(moved, Deed(fact=failed_fact, closes=closes, changes=(audit,)))
    return Ruled(book.payment.state.value)


def _move(payment: Payment, decision: Decision) -> Move:
    if decision is Decision.APPROVE:
        return Move.CHARGE if payment.contested else Move.APPROVE
    return Move.BEAR if payment.contested else Move.REJECT


async def _charge(book: PaymentBook, audit: AuditEntry) -> None:
    """It was paid after its money had been given back: its owner pays now what it would have
    taken then. NotRecorded where the balance does not cover that."""
    due = as_paid_out(book.payment)
    done = book.next(
        State.COMPLETED,
        contested=False,
        amount=due.amount,
        local_amount=due.local_amount,
        usd_amount=due.usd_amount,
        code=PAID_CODE,
        reason="",
    )
    postings = charged(due, label(due))
    deed = Deed(postings=postings, fact=completed_fact, settles=True, changes=(audit,))
    await book.record(done, deed)


async def _bear(book: PaymentBook, audit: AuditEntry) -> None:
    """The same, and the platform pays: for its owner it has failed, as it was told."""
    moved = book.next(contested=False)
    await book.record(moved, Deed(postings=borne(moved), changes=(audit,)))


async def _approve(book: PaymentBook, audit: AuditEntry) -> None:
    """A deposit is credited with the cash that came; of a payout, or at the bank, somebody has
    seen that it was paid, though not its receipt."""
    payment = book.payment
    if payment.kind in TOKEN_COLLECTIONS and payment.is_open:
        # Somebody has seen that it was paid, and nobody has said its receipt yet (NXPY-C57).
        done = book.next(State.COMPLETED, cash=expected_cash(payment), unreceipted=True)
        postings: tuple[Posting, ...] = collected(payment, label(payment))
    elif payment.kind in COLLECTIONS:
        credit = _credit(payment)
        done = book.next(
            State.COMPLETED,
            amount=credit,
            local_amount=payment.cash,
            usd_amount=_share(payment, payment.usd_amount, "USD"),
        )
        postings = approved(payment, credit, label(payment))
    else:
        done = book.next(State.COMPLETED, cash=expected_cash(payment), unreceipted=True)
        settled = banked if payment.kind is Kind.BANK_DEPOSIT else paid_out
        postings = settled(payment, label(payment))
    deed = Deed(
        postings=postings,
        fact=completed_fact,
        settles=True,
        closes=payment.hold is not None,
        changes=(audit,),
    )
    await book.record(done, deed)


async def begun_again(book: PaymentBook, now_us: int, audit: AuditEntry) -> Ruled | NotRuled:
    """Let a failed payment be asked for once more, its money set aside anew (NXPY-C57).

    Not one whose cash came after all: that is in suspense, and for an operator. What comes of the
    order that failed may still arrive, so the ids the provider knows it by are kept.
    """
    payment = book.payment
    state = after(payment.kind, payment.state, Move.RETRY)
    if state is None or payment.cash:
        return NotRuled.DECIDED
    ids = (payment.checkout, payment.conversation, book.originator)
    moved = book.next(
        state,
        asked_us=0,
        asking=False,
        doubted=False,
        silent=False,
        refusal="",
        checkout="",
        conversation="",
        earlier=(*payment.earlier, *(name for name in ids if name)),
        claim="",  # of the order before: it says nothing of the next one
        code="",
        reason="",
        attempts=0,
        due_us=now_us + SILENCE_US,
        retries=payment.retries + 1,
        last_retry_us=now_us,
    )
    await book.record(moved, Deed(fact=failed_fact, places=True, changes=(audit,)))
    return Ruled(state.value)


def _credit(payment: Payment) -> int:
    """What the cash that came is worth in the wallet, at the payment's own rate; for a payout
    simply what it takes from it."""
    if payment.kind not in COLLECTIONS:
        return payment.amount
    return _share(payment, payment.amount, payment.asset)


def _share(payment: Payment, units: int, asset: str) -> int:
    """`units` in proportion to the cash that came, rounded down."""
    share = units * payment.cash // expected_cash(payment)
    return round_down(share, ASSETS[asset].decimals)
