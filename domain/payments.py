"""Payments in flight: kinds, states, and the legal moves between them.

One table a family: a pair that is not in it is illegal, whatever surface asks (issue B.5: no
surface has a copy of its own). A timeout is UNKNOWN, never FAILED; the first terminal result
wins (X-C15). What a move posts is in domain/settlement.
"""

from enum import StrEnum
from typing import Final

import msgspec

from domain.ledger import AccountKey, Hold


class Kind(StrEnum):
    """What a payment does. The family decides which moves are legal."""

    PARTNER_DEPOSIT = "partner_deposit"  # push to the payer's handset, credited in a wallet
    AGENT_DEPOSIT = "agent_deposit"  # cash to an agent, who transfers
    BANK_DEPOSIT = "bank_deposit"  # to a bank account of ours; a person sees it arrive
    CRYPTO_DEPOSIT = "crypto_deposit"  # to an address of ours
    PARTNER_WITHDRAWAL = "partner_withdrawal"  # payout to a phone
    AGENT_WITHDRAWAL = "agent_withdrawal"  # cash from an agent
    BANK_WITHDRAWAL = "bank_withdrawal"  # to a bank account; a person sends it from ours
    CRYPTO_WITHDRAWAL = "crypto_withdrawal"  # to an address outside
    PUSH = "push"  # of the M-Pesa surface: credited in shillings, told to a hash
    PAYOUT = "payout"  # of the M-Pesa surface: shillings to a phone, told to a hash
    TOKEN_DEPOSIT = "token_deposit"  # push; its shillings buy tokens  # noqa: S105
    TOKEN_PURCHASE = "token_purchase"  # push; for tokens set aside in the main wallet  # noqa: S105
    TOKEN_SALE = "token_sale"  # payout to a phone, for tokens  # noqa: S105
    TOKEN_BILL = "token_bill"  # payout to a paybill or till, for tokens  # noqa: S105
    TOKEN_ESCROW = "token_escrow"  # the same while its asker waits, else undone  # noqa: S105
    TOKEN_SEND = "token_send"  # tokens of a chain to an address outside  # noqa: S105
    REVERSAL = "reversal"  # cash that came in and lies in suspense, back to whoever paid it


# Who is asked: mobile money to collect or to pay out, an agent to hand over.
TOKEN_COLLECTIONS: Final = frozenset({Kind.TOKEN_DEPOSIT, Kind.TOKEN_PURCHASE})
TOKEN_BILLS: Final = frozenset({Kind.TOKEN_BILL, Kind.TOKEN_ESCROW})  # paid to a business
TOKENS: Final = TOKEN_COLLECTIONS | TOKEN_BILLS | {Kind.TOKEN_SALE}
# Ordered once: the provider cannot tell a second order from the first, so there is none.
SENT_ONCE: Final = TOKEN_BILLS | {Kind.REVERSAL}
COLLECTIONS: Final = frozenset({Kind.PARTNER_DEPOSIT, Kind.PUSH}) | TOKEN_COLLECTIONS
# Paid by the chain rail, which knows them by their reference and pays each once.
CHAIN_PAYOUTS: Final = frozenset({Kind.CRYPTO_WITHDRAWAL, Kind.TOKEN_SEND})
MPESA_PAYOUTS: Final = SENT_ONCE | {Kind.PARTNER_WITHDRAWAL, Kind.PAYOUT, Kind.TOKEN_SALE}
PAYOUTS: Final = MPESA_PAYOUTS | CHAIN_PAYOUTS
HANDOVERS: Final = frozenset({Kind.AGENT_DEPOSIT, Kind.AGENT_WITHDRAWAL})
BANKED: Final = frozenset({Kind.BANK_DEPOSIT, Kind.BANK_WITHDRAWAL})  # moved cents and all
DEPOSITS: Final = TOKEN_COLLECTIONS | {
    Kind.PARTNER_DEPOSIT,
    Kind.AGENT_DEPOSIT,
    Kind.BANK_DEPOSIT,
    Kind.CRYPTO_DEPOSIT,
    Kind.PUSH,
}

SILENCE_US: Final = 120_000_000  # without a callback for so long, ask (CASH-C41, MPWS-C16)


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
    CONTRADICTED = "contradicted"  # other amount or payer, or a receipt used before
    PARK = "park"  # there is nobody to ask any more: a person decides, or late evidence does
    APPROVE = "approve"  # an operator credits what was under review
    REJECT = "reject"  # an operator does not: the cash stays in suspense, to be given back
    RETRY = "retry"  # an operator lets what failed be tried once more
    CHARGE = "charge"  # it was paid out after it had failed: an operator lets its owner pay
    BEAR = "bear"  # the same, and an operator lets the platform pay


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
    (State.UNDER_REVIEW, Move.APPROVE): State.COMPLETED,
    (State.UNDER_REVIEW, Move.REJECT): State.FAILED,
}
# A push is over when nobody has answered it in time, and says so (MPWS-C16).
_PUSH: Final = {
    **_COLLECTION,
    **{
        (state, Move.EXPIRE): State.EXPIRED
        for state in (State.SENDING, State.PENDING, State.UNKNOWN)
    },
}
# Money that goes out ends by evidence only: the provider's, or an operator's who has looked there.
_PAYOUT: Final = {
    **_IN_DOUBT,
    **_ENDS,
    **{
        (state, move): end
        for state in (State.PENDING, State.UNKNOWN)
        for move, end in ((Move.APPROVE, State.COMPLETED), (Move.REJECT, State.FAILED))
    },
    # Its money was given back, and it was paid out all the same: what that means is a person's to
    # say, once, and only while it is contested.
    (State.FAILED, Move.CHARGE): State.COMPLETED,
    (State.FAILED, Move.BEAR): State.FAILED,
}
# A chain gives evidence in the end, and what it has signed cannot be taken back: a person decides
# only where the evidence contradicts the record.
_CHAIN_PAYOUT: Final = {
    **_IN_DOUBT,
    **_ENDS,
    **{
        (state, Move.CONTRADICTED): State.UNDER_REVIEW
        for state in (State.SENDING, State.PENDING, State.UNKNOWN)
    },
    (State.UNDER_REVIEW, Move.APPROVE): State.COMPLETED,
    (State.UNDER_REVIEW, Move.REJECT): State.FAILED,
}
# Of document 002 an administrator may end what is open, and begin again what failed (NXPY-C57).
_BY_ADMIN: Final = {
    **{
        (state, move): end
        for state in (State.SENDING, State.PENDING, State.UNKNOWN)
        for move, end in ((Move.APPROVE, State.COMPLETED), (Move.REJECT, State.FAILED))
    },
    (State.FAILED, Move.RETRY): State.SENDING,
}
_TOKEN_COLLECTION: Final = {**_COLLECTION, **_BY_ADMIN}
_TOKEN_PAYOUT: Final = {**_PAYOUT, **_BY_ADMIN}
# A bill whose order was never answered has no id to ask by; its tokens stay held meanwhile.
_TOKEN_BILL: Final = {
    **_TOKEN_PAYOUT,
    (State.UNKNOWN, Move.PARK): State.UNDER_REVIEW,
    **{
        (State.UNDER_REVIEW, move): end
        for move, end in (
            (Move.PAID, State.COMPLETED),
            (Move.REFUSED, State.FAILED),
            (Move.APPROVE, State.COMPLETED),
            (Move.REJECT, State.FAILED),
        )
    },
}
# Silence undoes an escrow (NXPY-C46): what is paid after that is a person's to reconcile.
_TOKEN_ESCROW: Final = {
    **_PAYOUT,
    **{
        (state, Move.EXPIRE): State.FAILED
        for state in (State.SENDING, State.PENDING, State.UNKNOWN)
    },
}
_WAITING: Final = {
    (State.WAITING, Move.PAID): State.COMPLETED,
    (State.WAITING, Move.CANCEL): State.CANCELLED,
    (State.WAITING, Move.EXPIRE): State.EXPIRED,
}
_BANK: Final = {
    (State.WAITING, Move.APPROVE): State.COMPLETED,
    (State.WAITING, Move.REJECT): State.FAILED,
    (State.WAITING, Move.CANCEL): State.CANCELLED,
    (State.WAITING, Move.EXPIRE): State.EXPIRED,
}
# Money for a bank waits for the person who transfers it, however long that takes.
_BANK_PAYOUT: Final = {
    (State.WAITING, Move.APPROVE): State.COMPLETED,
    (State.WAITING, Move.REJECT): State.FAILED,
}
_CASH_PAYOUT: Final = {
    (State.WAITING, Move.PAID): State.COMPLETED,
    (State.WAITING, Move.EXPIRE): State.EXPIRED,
}
_TABLES: Final = {
    Kind.PARTNER_DEPOSIT: _COLLECTION,
    Kind.AGENT_DEPOSIT: _WAITING,
    Kind.BANK_DEPOSIT: _BANK,
    Kind.CRYPTO_DEPOSIT: _WAITING,
    Kind.PARTNER_WITHDRAWAL: _PAYOUT,
    Kind.AGENT_WITHDRAWAL: _CASH_PAYOUT,
    Kind.BANK_WITHDRAWAL: _BANK_PAYOUT,
    Kind.CRYPTO_WITHDRAWAL: _CHAIN_PAYOUT,
    Kind.PUSH: _PUSH,
    Kind.PAYOUT: _PAYOUT,
    Kind.TOKEN_DEPOSIT: _TOKEN_COLLECTION,
    Kind.TOKEN_PURCHASE: _TOKEN_COLLECTION,
    Kind.TOKEN_SALE: _TOKEN_PAYOUT,
    Kind.TOKEN_BILL: _TOKEN_BILL,
    Kind.TOKEN_ESCROW: _TOKEN_ESCROW,
    Kind.TOKEN_SEND: _CHAIN_PAYOUT,
    Kind.REVERSAL: _PAYOUT,  # it can be asked about by the receipt it gives back
}


def after(kind: Kind, state: State, move: Move) -> State | None:
    """The state `move` leads to, None when it is not legal from `state`."""
    return _TABLES[kind].get((state, move))


class Payment(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment as it is stored. Amounts in units, times in microseconds, 0 for never.

    `amount` of `asset` is what the wallet gets or gives; `local_amount` of `local_asset` what
    changes hands outside, which may be rounded to whole units of that currency. `callback_key`
    is the hash of the secret in the callback address.

    Of the call that moves the money: `asked_us` is when it was last begun, `asking` while its
    answer is not recorded, `doubted` once a call may have arrived whose answer nobody knows,
    `silent` when there was none at all (else the provider answered that it had failed), and
    `refusal` the last refusal that doubt keeps from counting. Of the cash: `cash` is what was
    booked for it in units of `local_asset`, `provider_receipt` the first receipt of it, and
    `unreceipted` while cash is booked whose receipt is not known; `submitted` is the receipt its
    owner completed it by, which may be of other cash of theirs. `claim` is the receipt a
    callback named while the provider is asked to confirm it; `contested` while nobody has decided
    who bears cash that went out after the payment had failed. `code` and `reason` are the
    provider's last word; `merchant` is its second id of a push.

    `address` is where it comes in or goes to, on a chain or at a bank. Of chains: `chain` is its
    name in the surface's words, `conversation` the newest transaction's hash; the fees of a payout
    are inside its `amount`.

    Of tokens: the hold of a purchase is on the platform's wallet, `held_on`. `partner` says what
    a bill is paid to (paybill or till), `bill` its number, `bill_account` the account there. Of a
    reversal `bill` is the receipt that is given back, `phone` who paid it, "" where that is masked.
    `usd_rate` is of one whole token; `success_code` is document 002's. `retries` counts how often
    an operator let it be tried again, and `earlier` are the ids of the orders before the last.
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
    merchant: str = ""
    conversation: str = ""
    provider_receipt: str = ""
    description: str = ""
    code: str = ""
    reason: str = ""
    asked_us: int = 0
    asking: bool = False
    doubted: bool = False
    silent: bool = False
    refusal: str = ""
    cash: int = 0
    unreceipted: bool = False
    submitted: str = ""
    claim: str = ""
    contested: bool = False
    attempts: int = 0
    completed_us: int = 0
    consented_us: int = 0
    held_on: AccountKey | None = None
    bill: str = ""
    bill_account: str = ""
    usd_rate: int = 0
    success_code: str = ""
    retries: int = 0
    last_retry_us: int = 0
    earlier: tuple[str, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it may still move."""
        return self.state in OPEN

    @property
    def awaits_evidence(self) -> bool:
        """Whether the provider's word still decides it: a parked bill's does."""
        return self.is_open or (self.kind is Kind.TOKEN_BILL and self.state is State.UNDER_REVIEW)

    @property
    def hold(self) -> Hold | None:
        """What is set aside for it, None for money that comes in."""
        account = self.held_on or self.account
        return Hold(account, self.held, self.hold_id) if self.held else None
