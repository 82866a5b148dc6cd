"""Document 002, "Crypto Transactions"."""

from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from protocols.described import meta
from protocols.nexuspay.wire.base import Amount, Moved, PageQuery, Pagination, Wire


class SendToken(Wire, frozen=True, kw_only=True):
    """`chainName` is taken for `chain` (NXPY-C15)."""

    recipient_identifier: str
    amount: Amount
    sender_address: str
    chain: str | UnsetType = UNSET
    chain_name: str | UnsetType = UNSET


class Pay(Wire, frozen=True, kw_only=True):
    """`chain` is taken for `chainName` (NXPY-C15)."""

    sender_address: str
    business_unique_code: str
    amount: Amount
    confirm: bool
    chain_name: str | UnsetType = UNSET
    chain: str | UnsetType = UNSET


class TokenSent(Moved, frozen=True, kw_only=True):
    transaction_id: str
    transaction_code: str
    amount: str
    recipient: str
    timestamp: str


class Paid(Moved, frozen=True, kw_only=True):
    transaction_id: str
    transaction_code: str
    amount: str
    business_name: str
    timestamp: str


class TransferEvent(Wire, frozen=True, kw_only=True):
    """`from` is a keyword of Python."""

    tx_hash: str
    from_: str = msgspec.field(name="from")
    to: str
    amount: str
    token: str
    timestamp: str
    status: str
    block_number: int


class EventsQuery(PageQuery, frozen=True, kw_only=True):
    """Query of the transfer events."""

    address: str
    chain: str | UnsetType = UNSET


class TransferEvents(Wire, frozen=True, kw_only=True):
    events: list[TransferEvent]
    pagination: Annotated[Pagination, meta(additive=True)]
