"""Deposits and withdrawals on chains: the records everything else is told of.

A deposit is found, confirmed or lost with its block before that; a withdrawal is queued, signed
and stored, sent, and ends by evidence from the chain only.
"""

from enum import StrEnum
from typing import Final

import msgspec


class DepositState(StrEnum):
    """Where a transfer to one of our addresses stands."""

    SEEN = "seen"  # in a block, not deep enough
    CONFIRMED = "confirmed"  # deep enough: credit it, once
    RETRACTED = "retracted"  # its block was dropped before that; it may be seen again
    REVERSED = "reversed"  # its block was dropped after it was credited: a person decides


class Deposit(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One transfer to an address of ours.

    `key` is the same whatever block it is in, so it serves as idempotency key: `ordinal` counts
    this token's transfers within its transaction (0 for the chain's own coin on EVM and TRON,
    the output's number on Bitcoin) because a block-wide log index changes with the block.
    `amount_raw` is in the token's raw units. `units` (10⁻⁸) is what to credit, set once it is
    confirmed: earlier dust of the same owner may make it more than this transfer alone is worth.
    `sender` is "" where the chain has no single one; `gas_used` and `fee_raw` (raw units of the
    chain's own coin) are what its sender paid.
    """

    id: int
    chain: str
    token: str
    tx_hash: str
    ordinal: int
    address: str
    owner: int
    purpose: str
    amount_raw: int
    block: int
    block_hash: str
    state: DepositState
    confirmations: int = 0
    units: int = 0
    sender: str = ""
    gas_used: int = 0
    fee_raw: int = 0

    @property
    def key(self) -> str:
        return f"{self.chain}:{self.tx_hash}:{self.token}:{self.ordinal}"


class WithdrawalState(StrEnum):
    """Where a withdrawal stands. From SIGNED on a transaction exists that may be paid."""

    QUEUED = "queued"  # nothing is signed: it may still be refused
    SIGNED = "signed"  # stored; whether the chain has it is unknown
    SENT = "sent"  # a node has it
    CONFIRMED = "confirmed"
    FAILED = "failed"  # evidence that it was not and never will be paid
    REFUSED = "refused"  # never signed
    STUCK = "stuck"  # evidence contradicts the record: a person decides


OPEN_WITHDRAWALS: Final = (
    WithdrawalState.QUEUED,
    WithdrawalState.SIGNED,
    WithdrawalState.SENT,
)


class WithdrawalKind(StrEnum):
    """What a withdrawal is for."""

    PAYOUT = "payout"  # a customer's, to the outside
    SWEEP = "sweep"  # from a deposit address into the hot wallet
    GAS = "gas"  # from the hot wallet to a deposit address, for the fee of a sweep


class Withdrawal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One payment out of a wallet of ours. `id` is the caller's and the idempotency key.

    `tx_hash` is the newest of its transactions, or the one that was included; `fee_raw` what it
    cost in raw units of the chain's own coin once that is known. `source` is the address it
    leaves from, "" the hot wallet's, and `source_key` names the key of another. Of the own coin a
    sweep takes `amount_raw` with the fee in it; `token` "" is an own coin that is none of ours.
    """

    id: str
    chain: str
    token: str
    address: str
    amount_raw: int
    state: WithdrawalState
    tx_hash: str = ""
    reason: str = ""
    block: int = 0
    fee_raw: int = 0
    created_us: int = 0
    gas_used: int = 0
    kind: WithdrawalKind = WithdrawalKind.PAYOUT
    source: str = ""
    source_key: str = ""

    @property
    def is_open(self) -> bool:
        return self.state in OPEN_WITHDRAWALS


class SignedTransaction(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Ready to be sent, and stored before it is.

    `version` counts the fee bumps of one withdrawal from 0. `slots` are what it uses up and no
    other withdrawal may: its nonce, or its coins. `terms` is its family's own note of the fees
    (and of its expiry), needed to bump it. `sent_us` is when it was last given to a node, 0 never.
    """

    withdrawal_id: str
    version: int
    tx_hash: str
    raw: bytes
    slots: tuple[str, ...]
    terms: bytes
    signed_us: int
    sent_us: int = 0
