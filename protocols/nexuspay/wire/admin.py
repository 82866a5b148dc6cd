"""Document 002, "Admin Management"."""

from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from domain.nexuspay.transactions import Status, Type
from protocols.described import Number
from protocols.nexuspay.wire.base import Amount, Moved, PageQuery, Pagination, Wire


class User(Wire, frozen=True, kw_only=True):
    id: str = msgspec.field(name="_id")
    email: str | None
    phone_number: str | None
    wallet_address: str | None
    role: str
    created_at: str
    last_login: str | None


class UserTransaction(Wire, frozen=True, kw_only=True):
    transaction_id: str
    amount: Number
    type: str
    status: str
    created_at: str


class UserDetail(User, frozen=True, kw_only=True):
    """`wallet_balance` is over all chains, a member a token held, with 2 decimals."""

    transactions: list[UserTransaction]
    wallet_balance: dict[str, str]


class Users(Wire, frozen=True, kw_only=True):
    users: list[User]
    pagination: Pagination


class UsersQuery(PageQuery, frozen=True, kw_only=True):
    """How the list of users is sorted (NXPY-C63)."""

    sort_by: Literal["createdAt", "lastLogin", "email", "phoneNumber", "role"] = "createdAt"
    order: Literal["asc", "desc"] = "desc"


class TransactionsQuery(PageQuery, frozen=True, kw_only=True):
    """What the list of all transactions is narrowed to; ISO 8601 dates or times."""

    status: Status | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    start_date: str | UnsetType = UNSET
    end_date: str | UnsetType = UNSET
    user_id: str | UnsetType = UNSET


class OneUser(Wire, frozen=True, kw_only=True):
    user: UserDetail


class Promoted(Wire, frozen=True, kw_only=True):
    user_id: str
    email: str | None
    role: str


class Owner(Wire, frozen=True, kw_only=True):
    """What the list calls `userId` (NXPY-C58)."""

    phone_number: str | None
    email: str | None
    wallet_address: str | None


class Transaction(Wire, frozen=True, kw_only=True):
    transaction_id: str
    amount: Number
    crypto_amount: Number
    type: str
    status: str
    user_id: Owner
    mpesa_transaction_id: str | None
    crypto_transaction_hash: str | None
    created_at: str
    completed_at: str | None


class Transactions(Wire, frozen=True, kw_only=True):
    transactions: list[Transaction]
    pagination: Pagination


class OneTransaction(Wire, frozen=True, kw_only=True):
    transaction: Transaction


class SetStatus(Wire, frozen=True, kw_only=True):
    status: str
    notes: str = ""


class StatusSet(Wire, frozen=True, kw_only=True):
    transaction_id: str
    status: str
    retry_count: int
    last_retry_at: str | None
    completed_at: str | None


class PlatformWallet(Wire, frozen=True, kw_only=True):
    address: str
    balance: Number


class Wallets(Wire, frozen=True, kw_only=True):
    main_wallet: PlatformWallet
    fees_wallet: PlatformWallet


class Fund(Wire, frozen=True, kw_only=True):
    user_id: str
    amount: Amount
    chain_name: str


class Funded(Moved, frozen=True, kw_only=True):
    user_id: str
    amount: Number
    transaction_hash: str
    recipient_address: str | None


class WithdrawFees(Wire, frozen=True, kw_only=True):
    amount: Amount


class FeesWithdrawn(Moved, frozen=True, kw_only=True):
    amount: Number
    transaction_hash: str
    from_address: str
    to_address: str
