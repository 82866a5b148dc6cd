"""What every payment actor is given, and how payments describe themselves."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog

from actors.chain_orders import ChainPayments, NoChains
from actors.clock import Clock
from actors.ledger import Ledger
from actors.payment_store import AlertStore, PaymentStore
from actors.rails import MobileMoney
from domain.events import (
    AgentDepositCompleted,
    DepositCompleted,
    DepositFailed,
    Fact,
    PayoutMoved,
    PushMoved,
    TransactionMoved,
    WithdrawalCompleted,
    WithdrawalFailed,
    person,
)
from domain.hashes import payouts, pushes
from domain.identity.contact import mask_middle
from domain.ledger import Fee
from domain.nexuspay.token_payments import status_of
from domain.payments import COLLECTIONS, DEPOSITS, TOKENS, Kind, Payment, State

log = structlog.get_logger(__name__)


class CallbackUrls(Protocol):
    """Absolute addresses the provider calls back, with the payment's own secret in them."""

    def push(self, payment: Payment) -> str: ...
    def result(self, payment: Payment) -> str: ...
    def timeout(self, payment: Payment) -> str: ...
    def status(self, payment: Payment) -> str: ...


def _nobody(_payment: Payment) -> None:
    """Nobody waits for a payment to move."""


async def _as_agreed(_payment: Payment) -> dict[str, Any]:
    """What was agreed when a payment was made holds when it is settled."""
    return {}


@dataclass(frozen=True, slots=True)
class Parts:
    """Handed to every payment actor by app.py.

    `terms` says which members of a payment change at its settlement (NXPY-C21).
    `unavailable`: the exceptions by which storage says that it is away. `moved` is told of every
    move that was recorded; it must not wait or raise. `confirms`: no callback credits anything
    before the provider, asked about it, says the same.
    """

    store: PaymentStore
    alerts: AlertStore
    ledger: Ledger
    rail: MobileMoney
    urls: CallbackUrls
    clock: Clock
    unavailable: tuple[type[Exception], ...] = ()
    moved: Callable[[Payment], None] = _nobody
    terms: Callable[[Payment], Awaitable[dict[str, Any]]] = _as_agreed
    confirms: bool = False
    chains: ChainPayments = field(default_factory=NoChains)

    async def alert(self, kind: str, ref: str, message: str) -> None:
        """Tell the operators; stored, so that it is there when they look."""
        log.warning("alert", kind=kind, ref=ref, reason=message)
        await self.alerts.raise_alert(kind, ref, message, self.clock.now_us())

    def originator(self, payment: Payment) -> str:
        """Our id of a payout at the provider, where it is the idempotency key.

        The random part keeps two installations on one short code apart; the reference of a
        PAYOUT is made as such an id, which its client knows (contract.md, "M-Pesa surface").
        """
        if payment.kind is Kind.PAYOUT:
            return payment.ref
        attempt = f"-{payment.retries}" if payment.retries else ""
        return f"{payment.ref}-{payment.callback_hash[:12]}{attempt}"

    def journal_kind(self, payment: Payment) -> str:
        """CASH-C48's transaction type."""
        if payment.kind is Kind.AGENT_DEPOSIT:
            return "AGENT_DEPOSIT"
        if payment.kind is Kind.REVERSAL:
            return "REVERSAL"
        return "DEPOSIT" if payment.kind in DEPOSITS else "WITHDRAWAL"

    def fees(self, payment: Payment) -> tuple[Fee, ...]:
        """What its receipt lists (CASH-C47)."""
        kind = "AGENT_FEE" if payment.kind is Kind.AGENT_WITHDRAWAL else "PLATFORM_FEE"
        # The partner's fee on a deposit is ours to pay, in USD, whatever was credited (CASH-C22).
        theirs = payment.kind in COLLECTIONS or payment.kind is Kind.BANK_DEPOSIT
        currency = "USD" if theirs else payment.asset
        platform = (Fee(kind, payment.fee, currency),) if payment.fee else ()
        network = payment.network_fee
        return platform + ((Fee("NETWORK_FEE", network, payment.asset),) if network else ())


def label(payment: Payment) -> str:
    """The description its journal and ledger lines carry; phones masked (CASH-C14)."""
    match payment.kind:
        case Kind.PARTNER_DEPOSIT | Kind.PUSH:
            return f"M-Pesa deposit from {mask_middle(payment.phone)}"
        case Kind.PARTNER_WITHDRAWAL | Kind.PAYOUT:
            return f"M-Pesa withdrawal to {mask_middle(payment.phone)}"
        case Kind.AGENT_DEPOSIT:
            return f"Deposit fulfillment via agent {payment.agent}"
        case Kind.AGENT_WITHDRAWAL:
            return f"Cash withdrawal via agent {payment.agent}"
        case Kind.BANK_DEPOSIT:
            return f"Bank deposit {payment.ref}"
        case Kind.BANK_WITHDRAWAL:
            return f"Bank withdrawal to {mask_middle(payment.address)}"
        case Kind.CRYPTO_DEPOSIT:
            return f"{payment.asset} deposit"
        case Kind.CRYPTO_WITHDRAWAL | Kind.TOKEN_SEND:
            return f"{payment.asset} withdrawal to {payment.address}"
        case Kind.TOKEN_DEPOSIT | Kind.TOKEN_PURCHASE:
            return f"{payment.asset} bought from {mask_middle(payment.phone)}"
        case Kind.TOKEN_SALE:
            return f"{payment.asset} sold to {mask_middle(payment.phone)}"
        case Kind.TOKEN_BILL | Kind.TOKEN_ESCROW:
            return f"{payment.asset} to {payment.partner} {payment.bill}"
        case Kind.REVERSAL:
            return f"Reversal of M-Pesa payment {payment.bill}"


def feed_of(payment: Payment) -> str:
    """Who is told of its moves: its owner, or the hash it was ordered by."""
    if payment.kind is Kind.PUSH:
        return pushes(payment.callback_hash)
    if payment.kind is Kind.PAYOUT:
        return payouts(payment.callback_hash)
    return person(payment.user_id)


def push_moved(payment: Payment) -> PushMoved:
    """A PUSH as it stands (MPWS-C01)."""
    return PushMoved(
        checkout=payment.checkout,
        state=payment.state.value,
        code=payment.code,
        message=payment.reason,
        phone=payment.phone,
        amount=payment.amount,
        receipt=payment.provider_receipt,
    )


def payout_moved(payment: Payment) -> PayoutMoved:
    """A PAYOUT as it stands (MPWS-C01)."""
    return PayoutMoved(
        conversation=payment.ref,
        state=payment.state.value,
        code=payment.code,
        message=payment.reason,
        phone=payment.phone,
        amount=payment.amount,
        description=payment.description,
        receipt=payment.provider_receipt,
    )


def token_moved(payment: Payment, at_us: int) -> TransactionMoved:
    """A token payment as it stands (NXPY-C38)."""
    status = status_of(payment).value
    return TransactionMoved(id=payment.ref, status=status, at_us=at_us, mpesa=True)


def sent_moved(payment: Payment, at_us: int) -> TransactionMoved:
    """Tokens sent over a chain, as they stand (NXPY-C20, NXPY-C38)."""
    words = {State.COMPLETED: "confirmed", State.FAILED: "failed"}
    return TransactionMoved(id=payment.ref, status=words.get(payment.state, "pending"), at_us=at_us)


def moved_fact(payment: Payment, _recorded_us: int) -> Fact | None:
    """What a hash is told of any move; None of a push whose order was refused at once."""
    if payment.kind is Kind.PAYOUT:
        return payout_moved(payment)
    return push_moved(payment) if payment.checkout else None


def completed_fact(payment: Payment, recorded_us: int) -> Fact | None:
    """What is told when it has succeeded; nobody but operators is told of a reversal."""
    if payment.kind is Kind.REVERSAL:
        return None
    if payment.kind in (Kind.PUSH, Kind.PAYOUT):
        return moved_fact(payment, recorded_us)
    if payment.kind in TOKENS:
        return token_moved(payment, recorded_us)
    if payment.kind is Kind.TOKEN_SEND:
        return sent_moved(payment, recorded_us)
    if payment.kind is Kind.AGENT_DEPOSIT:
        return AgentDepositCompleted(
            ref=payment.ref,
            amount=payment.amount,
            asset=payment.asset,
            receipt=payment.receipt,
            agent_id=payment.agent,
            agent_name=payment.partner,
        )
    fact = DepositCompleted if payment.kind in DEPOSITS else WithdrawalCompleted
    return fact(
        ref=payment.ref,
        amount=payment.amount,
        asset=payment.asset,
        receipt=payment.receipt,
        completed_us=recorded_us,
    )


def failed_fact(payment: Payment, recorded_us: int) -> Fact | None:
    """What is told when it has not; nothing while an operator may still credit it."""
    if payment.kind is Kind.REVERSAL:
        return None
    if payment.kind in (Kind.PUSH, Kind.PAYOUT):
        return moved_fact(payment, recorded_us)
    if payment.kind in TOKENS:
        return token_moved(payment, recorded_us)
    if payment.kind is Kind.TOKEN_SEND:
        return sent_moved(payment, recorded_us)
    status = payment.state.value
    if payment.kind in DEPOSITS:
        if payment.state is State.UNDER_REVIEW:
            return None
        return DepositFailed(
            ref=payment.ref, amount=payment.amount, asset=payment.asset, status=status
        )
    return WithdrawalFailed(
        ref=payment.ref,
        amount=payment.amount,
        asset=payment.asset,
        receipt=payment.receipt,
        status=status,
    )
