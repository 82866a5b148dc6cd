"""Payments in flight: kinds, states, legal moves, and what each settlement posts.

One table a family: a pair that is not in it is illegal, whatever surface asks (issue B.5: no
surface has a copy of its own). A timeout is UNKNOWN, never FAILED; the first terminal result
wins (X-C15).
"""

from enum import StrEnum
from typing import Final

import msgspec

from domain.ledger import SUSPENSE, AccountKey, Hold, Posting, SystemPurpose, system
from domain.money import UNITS_PER_WHOLE


class Kind(StrEnum):
    """What a payment does. The family decides which moves are legal."""

    PARTNER_DEPOSIT = "partner_deposit"  # push to the payer's handset, credited in a wallet
    AGENT_DEPOSIT = "agent_deposit"  # cash to an agent, who transfers
    CRYPTO_DEPOSIT = "crypto_deposit"  # to an address of ours
    PARTNER_WITHDRAWAL = "partner_withdrawal"  # payout to a phone
    AGENT_WITHDRAWAL = "agent_withdrawal"  # cash from an agent
    CRYPTO_WITHDRAWAL = "crypto_withdrawal"  # to an address outside


class State(StrEnum):
    """Where a payment stands, whatever a surface calls it."""

    SENDING = "sending"  # recorded; the provider is being asked
    PENDING = "pending"  # the provider is at it
    WAITING = "waiting"  # for a person or a chain
    UNKNOWN = "unknown"  # asked, and nobody knows: ask for evidence
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    UNDER_REVIEW = "under_review"  # evidence contradicts the record: a person decides


class Move(StrEnum):
    """What happens to a payment."""

    ACCEPTED = "accepted"
    DOUBTED = "doubted"  # no answer, or an answer that says nothing
    PAID = "paid"
    REFUSED = "refused"
    CANCEL = "cancel"
    EXPIRE = "expire"
    CONTRADICTED = "contradicted"  # other amount, or a receipt used before


OPEN: Final = frozenset({State.SENDING, State.PENDING, State.WAITING, State.UNKNOWN})

_IN_DOUBT: Final = {
    (State.SENDING, Move.ACCEPTED): State.PENDING,
    (State.SENDING, Move.DOUBTED): State.UNKNOWN,
    (State.PENDING, Move.DOUBTED): State.UNKNOWN,
    (State.UNKNOWN, Move.ACCEPTED): State.PENDING,
}
_ENDS: Final = {
    (state, move): end
    for state in (State.SENDING, State.PENDING, State.UNKNOWN)
    for move, end in ((Move.PAID, State.COMPLETED), (Move.REFUSED, State.FAILED))
}
# Money that comes in may be cancelled or expire: nothing of ours is at stake.
_COLLECTION: Final = {
    **_IN_DOUBT,
    **_ENDS,
    **{
        (state, move): end
        for state in (State.SENDING, State.PENDING, State.UNKNOWN)
        for move, end in (
            (Move.CANCEL, State.CANCELLED),
            (Move.EXPIRE, State.FAILED),
            (Move.CONTRADICTED, State.UNDER_REVIEW),
        )
    },
}
# Money that goes out ends by evidence only.
_PAYOUT: Final = {**_IN_DOUBT, **_ENDS}
_WAITING: Final = {
    (State.WAITING, Move.PAID): State.COMPLETED,
    (State.WAITING, Move.CANCEL): State.CANCELLED,
    (State.WAITING, Move.EXPIRE): State.EXPIRED,
}
_CASH_PAYOUT: Final = {
    (State.WAITING, Move.PAID): State.COMPLETED,
    (State.WAITING, Move.EXPIRE): State.EXPIRED,
}
_TABLES: Final = {
    Kind.PARTNER_DEPOSIT: _COLLECTION,
    Kind.AGENT_DEPOSIT: _WAITING,
    Kind.CRYPTO_DEPOSIT: _WAITING,
    Kind.PARTNER_WITHDRAWAL: _PAYOUT,
    Kind.AGENT_WITHDRAWAL: _CASH_PAYOUT,
    Kind.CRYPTO_WITHDRAWAL: _PAYOUT,
}


def after(kind: Kind, state: State, move: Move) -> State | None:
    """The state `move` leads to, None when it is not legal from `state`."""
    return _TABLES[kind].get((state, move))


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment as it is stored. Amounts in units, times in microseconds, 0 for never.

    `amount` of `asset` is what the wallet gets or gives; `local_amount` of `local_asset` what
    changes hands outside, which may be rounded to whole units of that currency. `callback_key`
    is the hash of the secret in the callback address.
    """

    id: int
    ref: str
    kind: Kind
    state: State
    account: AccountKey
    user_id: int
    asset: str
    amount: int
    local_asset: str
    local_amount: int
    created_us: int
    due_us: int
    version: int = 0
    usd_amount: int = 0
    rate: int = 0
    quote_id: int = 0
    fee: int = 0
    network_fee: int = 0
    receipt: int = 0
    hold_id: int = 0
    held: int = 0
    phone: str = ""
    partner: str = ""
    agent: str = ""
    agent_user: int = 0
    address: str = ""
    chain: str = ""
    callback_hash: str = ""
    callback_key: bytes = b""
    checkout: str = ""
    conversation: str = ""
    provider_receipt: str = ""
    reason: str = ""
    attempts: int = 0
    completed_us: int = 0
    consented_us: int = 0

    @property
    def is_open(self) -> bool:
        """Whether it may still move."""
        return self.state in OPEN

    @property
    def hold(self) -> Hold | None:
        """What is set aside for it, None for money that comes in."""
        return Hold(self.account, self.held, self.hold_id) if self.held else None


WHOLE: Final = UNITS_PER_WHOLE


def whole_up(units: int) -> int:
    """Units rounded up to a whole: what a payer is asked for (contract.md, "Money")."""
    return -(-units // WHOLE) * WHOLE


def whole_down(units: int) -> int:
    """Units rounded down to a whole: what is paid out."""
    return units // WHOLE * WHOLE


def collected(payment: Payment, label: str) -> tuple[Posting, ...]:
    """A deposit by a partner arrived: float, position and wallet (CASH-C22).

    What rounding up to a whole made the payer add stays in the rounding account; the partner's
    fee is a cost of ours.
    """
    local, usd = payment.local_asset, payment.asset
    floated = whole_up(payment.local_amount)
    postings = [
        _floated(local, payment.local_amount),
        Posting(system(usd, SystemPurpose.FX_POSITION), payment.account, payment.amount, label),
    ]
    if extra := floated - payment.local_amount:
        postings.append(
            Posting(
                system(local, SystemPurpose.MPESA_FLOAT),
                system(local, SystemPurpose.ROUNDING),
                extra,
                "Rounding",
            )
        )
    if payment.fee:
        postings.append(
            Posting(
                system("USD", SystemPurpose.COST_OF_FLOAT),
                system("USD", SystemPurpose.PARTNER_PAYABLE),
                payment.fee,
                "Partner fee",
            )
        )
    return tuple(postings)


def _floated(asset: str, amount: int) -> Posting:
    return Posting(
        system(asset, SystemPurpose.MPESA_FLOAT),
        system(asset, SystemPurpose.FX_POSITION),
        amount,
        "Float",
    )


def paid_out(payment: Payment, label: str) -> tuple[Posting, ...]:
    """A payout by a partner reached the phone: wallet, position, float, fee."""
    local, usd = payment.local_asset, payment.asset
    position = system(local, SystemPurpose.FX_POSITION)
    sent = whole_down(payment.local_amount)
    postings = [
        Posting(payment.account, system(usd, SystemPurpose.FX_POSITION), payment.amount, label),
        Posting(position, system(local, SystemPurpose.MPESA_FLOAT), sent, "Float"),
    ]
    if rest := payment.local_amount - sent:
        postings.append(Posting(position, system(local, SystemPurpose.ROUNDING), rest, "Rounding"))
    if payment.fee:
        postings.append(
            Posting(
                payment.account,
                system(usd, SystemPurpose.FEE_INCOME),
                payment.fee,
                "Platform fee",
            )
        )
    return tuple(postings)


def into_suspense(payment: Payment, local_amount: int) -> tuple[Posting, ...]:
    """Cash came in for a payment that may not be credited any more (X-C15)."""
    return (
        Posting(
            system(payment.local_asset, SystemPurpose.MPESA_FLOAT),
            suspense(payment),
            local_amount,
            f"Unmatched cash for {payment.ref}",
        ),
    )


def out_of_suspense(payment: Payment, local_amount: int) -> tuple[Posting, ...]:
    """Cash went out for a payout whose hold was released already: the platform is short."""
    return (
        Posting(
            system(payment.local_asset, SystemPurpose.SUSPENSE),
            system(payment.local_asset, SystemPurpose.MPESA_FLOAT),
            local_amount,
            f"Paid after release: {payment.ref}",
        ),
    )


def suspense(payment: Payment) -> AccountKey:
    """Where cash waits that came for this payment's person."""
    return payment.account._replace(asset=payment.local_asset, purpose=SUSPENSE)


def fulfilled(payment: Payment, agent: AccountKey, commission: int) -> tuple[Posting, ...]:
    """An agent handed over a deposit, and earns a commission the platform pays (CASH-C35)."""
    label = f"Deposit fulfillment via agent {payment.agent}"
    postings = [Posting(agent, payment.account, payment.amount, label)]
    if commission:
        expense = system(payment.asset, SystemPurpose.COMMISSION)
        postings.append(Posting(expense, agent, commission, "Agent commission"))
    return tuple(postings)


def cashed(payment: Payment, agent: AccountKey) -> tuple[Posting, ...]:
    """An agent paid cash: amount and fee go to the agent (CASH-C38)."""
    label = f"Cash withdrawal via agent {payment.agent}"
    postings = [Posting(payment.account, agent, payment.amount, label)]
    if payment.fee:
        postings.append(Posting(payment.account, agent, payment.fee, "Agent fee"))
    return tuple(postings)
