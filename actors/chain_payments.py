"""A payment that comes or leaves over a chain, as its actor moves it.

The rail pays each reference once, however often it is asked, and tells what became of it again
until it is recorded; so whatever was said last is asked for again after a crash, and nothing here
is lost or done twice. Every function raises NotRecorded.
"""

from typing import Any, Final, assert_never

from actors.chain_orders import ChainAnswer, OnUs, OnUsArrived
from actors.chain_rail import Refused
from actors.chains import Sent, Unknown
from actors.clock import US
from actors.payment_book import Deed, PaymentBook
from actors.payment_evidence import Alert, End, Settle
from actors.payment_parts import completed_fact, label
from actors.payment_verdicts import carry_out
from domain.chain_settlement import received, sent_on_chain
from domain.chains.transfers import Deposit, Withdrawal, WithdrawalState
from domain.money import ASSETS, convert, round_down
from domain.payments import SILENCE_US, Kind, Move, Payment, State, after
from domain.settlement import paid_out

_ASK_AGAIN_US: Final = 5 * US  # nothing is known: not even whether the rail has stored it


async def on_chain(book: PaymentBook, now_us: int, fact: object) -> bool | Payment:
    """Whether a deposit was credited; the payment after any other fact or answer of the rail."""
    match fact:
        case Deposit():
            return await _arrived(book, fact)
        case Withdrawal():
            await _told(book, now_us, fact)
        case Sent() | Refused() | Unknown() | OnUs():
            await _answered(book, now_us, fact)
    return book.payment


async def _arrived(book: PaymentBook, deposit: Deposit) -> bool:
    """Credit what came, whatever was announced (CASH-C58); False when it does not wait for any.

    One that is in the books already is not recorded again: NotRecorded (CONFLICT).
    """
    payment, units = book.payment, deposit.units
    state = after(payment.kind, payment.state, Move.PAID)
    if payment.kind is not Kind.CRYPTO_DEPOSIT or state is None:
        return False
    done = book.next(
        state,
        amount=units,
        usd_amount=_in_usd(payment, units),
        provider_receipt=deposit.key,
        cash=units,
    )
    deed = Deed(
        postings=(received(payment.account, deposit.chain, units, label(payment)),),
        fact=completed_fact,
        settles=True,
        receipt=deposit.key,
        cash=units,
    )
    await book.record(done, deed)
    return True


def _in_usd(payment: Payment, units: int) -> int:
    """By the rate it was announced at, not in proportion: of next to nothing the value is nothing.
    Requests of older versions know no rate."""
    value = payment.usd_amount * units // payment.amount
    if payment.usd_rate:
        value = convert(units, payment.usd_rate)
    return round_down(value, ASSETS["USD"].decimals)


async def _answered(book: PaymentBook, now_us: int, answer: ChainAnswer) -> None:
    """What the rail said when it was asked to pay."""
    match answer:
        case Sent(tx_hash=tx_hash):
            await _under_way(book, tx_hash, Move.ACCEPTED, now_us + SILENCE_US)
        case Unknown(tx_hash=tx_hash):
            await _under_way(book, tx_hash, Move.DOUBTED, now_us + _ASK_AGAIN_US)
        case Refused(reason=reason):
            await _refused(book, reason)
        case OnUs(deposit=deposit):
            await _settled_on_us(book, now_us, deposit)
        case _:
            assert_never(answer)


async def _told(book: PaymentBook, now_us: int, withdrawal: Withdrawal) -> None:
    """A fact about its transaction."""
    tx_hash = withdrawal.tx_hash
    if (alert := _contradiction(book.payment, withdrawal)) is not None:
        await book.alert(alert)
        return
    match withdrawal.state:
        case WithdrawalState.SENT:
            await _under_way(book, tx_hash, Move.ACCEPTED, now_us + SILENCE_US)
        case WithdrawalState.CONFIRMED if book.payment.is_open:
            paid = Settle(f"{withdrawal.chain}:{tx_hash}")
            await carry_out(book, paid, {"conversation": tx_hash, "asking": False})
        case WithdrawalState.FAILED | WithdrawalState.REFUSED:
            await _refused(book, withdrawal.reason)
        case WithdrawalState.STUCK:
            await _to_review(book, withdrawal)
        case _:
            pass  # queued or signed: nobody outside can know of it yet


def _contradiction(payment: Payment, withdrawal: Withdrawal) -> Alert | None:
    """What a chain says after it has dropped the blocks by which the payment had ended: its money
    has moved already, so a person looks."""
    ends = (payment.state, withdrawal.state)
    if ends == (State.FAILED, WithdrawalState.CONFIRMED):
        return Alert("chain_payout_contradicted", "given back, and paid all the same")
    if ends == (State.COMPLETED, WithdrawalState.FAILED):
        return Alert("chain_payout_contradicted", f"settled, and not paid: {withdrawal.reason}")
    return None


async def _under_way(book: PaymentBook, tx_hash: str, move: Move, due_us: int) -> None:
    payment = book.payment
    if not payment.is_open:
        return
    state = after(payment.kind, payment.state, move)
    newest = tx_hash or payment.conversation
    if state is not None or newest != payment.conversation or payment.asking:
        fields: dict[str, Any] = {"conversation": newest, "asking": False, "due_us": due_us}
        await book.note(book.next(state, **fields))


async def _refused(book: PaymentBook, reason: str) -> None:
    """It was not and never will be paid: the hold is given back, the fees included."""
    alert = Alert("chain_payout_refused", reason)
    await carry_out(book, End(Move.REFUSED, reason, alert), {})


async def _to_review(book: PaymentBook, withdrawal: Withdrawal) -> None:
    """Its hold stays until a person has looked at the chain."""
    payment, reason = book.payment, withdrawal.reason
    state = after(payment.kind, payment.state, Move.CONTRADICTED)
    if state is not None:
        moved = book.next(state, reason=reason, conversation=withdrawal.tx_hash, asking=False)
        await book.record(moved, Deed(alert=Alert("chain_payout_stuck", reason)))


async def _settled_on_us(book: PaymentBook, now_us: int, deposit: Deposit) -> None:
    """Nothing leaves: what arrives is stored with the sender's settlement, in one commit, and
    credited as soon as it is told (XS-07)."""
    payment = book.payment
    if not payment.is_open:
        return
    done = book.next(State.COMPLETED, cash=sent_on_chain(payment), asking=False)
    deed = Deed(
        postings=paid_out(payment, label(payment)),
        fact=completed_fact,
        settles=True,
        closes=payment.hold is not None,
        changes=(OnUsArrived(deposit, now_us),),
    )
    await book.record(done, deed)
    book.tell(deposit.chain)
