"""Verdicts about a payment as moves: each is one commit of state, money, event and alert."""

from typing import Any, Final, assert_never

import msgspec

from actors.payment_book import Deed, PaymentBook
from actors.payment_calls import Calls
from actors.payment_evidence import TIMED_OUT, Alert, Book, End, Learn, Nothing, Review, Settle
from actors.payment_parts import completed_fact, failed_fact, label
from domain.nexuspay.token_payments import GIVE_UP_AFTER_US
from domain.payments import COLLECTIONS, Move, Payment, State, after
from domain.settlement import collected, expected_cash, into_suspense, out_of_suspense, paid_out

PAID_CODE: Final = "0"


async def carry_out(
    book: PaymentBook,
    verdict: Settle | Book | Review | End | Learn | Nothing,
    known: dict[str, Any],
) -> str:
    """Record the verdict, noting the ids `known` by its evidence; what it came to, in words.

    Raises NotRecorded.
    """
    match verdict:
        case Settle():
            return await _settle(book, verdict, known)
        case Book():
            return await _to_suspense(book, verdict)
        case Review():
            return await _to_review(book, verdict, known)
        case End():
            return await end(book, verdict)
        case Learn():
            return await _learn(book, verdict)
        case Nothing():
            await book.alert(verdict.alert)
            return verdict.verdict
        case _:
            assert_never(verdict)


async def end(book: PaymentBook, verdict: End) -> str:
    """Nothing was paid: give the hold back in full, the fee included (CASH-C42)."""
    payment = book.payment
    state = after(payment.kind, payment.state, verdict.move)
    if state is None:
        return "already ended"
    moved = book.next(state, reason=verdict.reason, code=verdict.code, asking=False)
    closes = payment.hold is not None
    await book.record(moved, Deed(fact=failed_fact, closes=closes, alert=verdict.alert))
    return state.value


async def cancelled(book: PaymentBook) -> None:
    """Its owner cancels, if its state allows."""
    payment = book.payment
    state = after(payment.kind, payment.state, Move.CANCEL)
    if state is not None:
        await book.note(book.next(state))


async def chase_escrow(book: PaymentBook, calls: Calls, now_us: int) -> None:
    """Asked once; continued silence undoes it (NXPY-C46)."""
    over_us = book.payment.created_us + GIVE_UP_AFTER_US
    if now_us >= over_us:
        await end(book, End(Move.EXPIRE, TIMED_OUT))
        return
    await book.note(book.next(due_us=over_us))
    calls.question(book.payment)


async def give_up(book: PaymentBook) -> None:
    """Nobody answers about a push any more; one that was called back as paid is a person's."""
    if claim := book.payment.claim:
        reason = f"called back as paid ({claim}), never confirmed"
        await _to_review(book, Review("", 0, reason), {})
    else:
        await end(book, End(Move.EXPIRE, "no answer"))


async def park(book: PaymentBook) -> None:
    """An order nobody answered, at a provider that knows it by no id of ours: its money stays
    held, and an operator looks there. A callback that comes after all decides it (MPWS-C11)."""
    payment = book.payment
    state = after(payment.kind, payment.state, Move.PARK)
    assert state is not None, "the caller has looked"
    reason = payment.reason or "no answer"
    moved = book.next(state, asking=False, reason=reason)
    alert = Alert("payout_unresolved", f"parked for review: {reason}")
    await book.record(moved, Deed(fact=failed_fact, alert=alert))


async def _settle(book: PaymentBook, verdict: Settle, known: dict[str, Any]) -> str:
    terms, receipt = await book.terms(), verdict.receipt
    payment: Payment = msgspec.structs.replace(book.payment, **terms)
    postings = collected if payment.kind in COLLECTIONS else paid_out
    cash = expected_cash(payment)
    known = known | terms
    done = book.next(
        State.COMPLETED,
        provider_receipt=receipt,
        unreceipted=not receipt,
        cash=cash,
        code=PAID_CODE,
        reason=verdict.message,
        **known,
    )
    deed = Deed(
        postings=postings(payment, label(payment)),
        fact=completed_fact,
        settles=True,
        closes=payment.hold is not None,
        receipt=receipt,
        cash=cash,
    )
    await book.record(done, deed)
    return "completed"


async def _to_suspense(book: PaymentBook, verdict: Book) -> str:
    """Cash the payment cannot take, or not any more (X-C15).

    The first that goes out for one whose money was given back is contested: a person decides.
    """
    payment, receipt, amount = book.payment, verdict.receipt, verdict.amount
    is_late = not payment.cash and after(payment.kind, payment.state, Move.CHARGE) is not None
    first = "" if payment.unreceipted else receipt  # that of the cash before is still to come
    moved = book.next(
        contested=payment.contested or is_late,
        provider_receipt=payment.provider_receipt or first,
        unreceipted=payment.unreceipted or not receipt,
        cash=payment.cash or amount,
    )
    postings = into_suspense if payment.kind in COLLECTIONS else out_of_suspense
    deed = Deed(
        postings=postings(payment, amount), receipt=receipt, cash=amount, alert=verdict.alert
    )
    await book.record(moved, deed)
    return "suspense"


async def _to_review(book: PaymentBook, verdict: Review, known: dict[str, Any]) -> str:
    payment, amount = book.payment, verdict.amount
    state = after(payment.kind, payment.state, Move.CONTRADICTED)
    assert state is not None, "only open collections come under review"
    moved = book.next(
        state, reason=verdict.reason, provider_receipt=verdict.receipt, cash=amount, **known
    )
    deed = Deed(
        postings=into_suspense(payment, amount) if amount else (),
        fact=failed_fact,
        receipt=verdict.receipt,
        cash=amount,
        alert=Alert("deposit_review", verdict.reason),
    )
    await book.record(moved, deed)
    return "under review"


async def _learn(book: PaymentBook, verdict: Learn) -> str:
    payment, receipt = book.payment, verdict.receipt
    moved = book.next(provider_receipt=payment.provider_receipt or receipt, unreceipted=False)
    await book.record(moved, Deed(receipt=receipt, cash=payment.cash, alert=verdict.alert))
    return "receipt noted"
