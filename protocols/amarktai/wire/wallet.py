"""Funds at exchanges (document 004, "Wallet & Fund Management")."""

import msgspec

from protocols.amarktai.wire.base import Amount, Success, Wire, absent
from protocols.described import BalanceAfter, Number, Sequence


class Balances(Success, frozen=True, kw_only=True):
    """200 of `GET /api/wallet/balances`."""

    balances: dict[str, dict[str, Number]]
    total_value_zar: Number


class TransferRequest(Wire, frozen=True, kw_only=True):
    """`POST /api/wallet/transfer`."""

    from_provider: str
    to_provider: str
    amount: Amount = msgspec.field(default_factory=absent)
    currency: str
    reason: str = ""


class Transfer(Wire, frozen=True, kw_only=True):
    """A transfer in the history."""

    id: str
    from_provider: str
    to_provider: str
    amount: Number
    currency: str
    status: str
    reason: str
    correlation_id: str
    timestamp: str


class Transfers(Success, frozen=True, kw_only=True):
    """200 of `GET /api/wallet/transfers`."""

    transfers: list[Transfer]


class RequestedTransfer(Wire, frozen=True, kw_only=True):
    """A transfer that was just recorded."""

    id: str
    status: str
    message: str


class TransferRequested(Success, frozen=True, kw_only=True):
    """200 of `POST /api/wallet/transfer`."""

    transfer: RequestedTransfer
    balance_after: BalanceAfter
    sequence: Sequence
