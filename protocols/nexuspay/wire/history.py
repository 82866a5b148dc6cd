"""Document 002, "Enhanced Transaction History".

Members of unfinished transactions are null where they are unknown (NXPY-C64); those that only
the details have are left out of the list.
"""

from typing import Annotated

from msgspec import UNSET, UnsetType

from domain.nexuspay.transactions import Status, Type
from protocols.described import Number, meta
from protocols.nexuspay.wire.base import PageQuery, Wire


class Token(Wire, frozen=True, kw_only=True):
    symbol: str
    name: str
    amount: Number
    decimals: int


class TokenDetail(Token, frozen=True, kw_only=True):
    """`contract_address` is null: the tokens are in custody, on no contract of their owner's."""

    contract_address: str | None = None


class Fiat(Wire, frozen=True, kw_only=True):
    amount: Number
    currency: str
    formatted: str
    historical_rate: Number | UnsetType = UNSET


class Usd(Wire, frozen=True, kw_only=True):
    amount: Number
    formatted: str
    rate: Number
    current_rate: Number | UnsetType = UNSET


class Kes(Wire, frozen=True, kw_only=True):
    amount: Number
    formatted: str
    rate: Number
    current_rate: Number | UnsetType = UNSET
    historical_rate: Number | UnsetType = UNSET


class Values(Wire, frozen=True, kw_only=True):
    fiat: Fiat
    usd: Usd
    kes: Kes


class Blockchain(Wire, frozen=True, kw_only=True):
    chain: str
    network: str
    tx_hash: str | None
    explorer_url: str | None
    explorer_name: str


class BlockchainDetail(Blockchain, frozen=True, kw_only=True):
    """A ledger transfer has its journal for a block, and costs no gas."""

    block_number: int | None
    gas_used: int | None
    gas_fee: Number | None


class Portfolio(Wire, frozen=True, kw_only=True):
    impact: str
    direction: str
    description: str
    category: str | UnsetType = UNSET


class Formatted(Wire, frozen=True, kw_only=True):
    created: str
    completed: str | None


class Timing(Wire, frozen=True, kw_only=True):
    created_at: str
    completed_at: str | None
    processing_time_seconds: int | None
    age_minutes: int
    formatted: Formatted


class References(Wire, frozen=True, kw_only=True):
    transaction_id: str
    mpesa_transaction_id: str | None
    retry_count: int


class ReferencesDetail(Wire, frozen=True, kw_only=True):
    transaction_id: str
    mpesa_transaction_id: str | None
    crypto_transaction_hash: str | None
    retry_count: int
    last_retry_at: str | None


class Metadata(Wire, frozen=True, kw_only=True):
    chain: str
    token_type: str
    direct_buy: bool
    conversion_rate: Number
    estimated_value: str
    current_estimated_value: str
    kes_estimated_value: str
    platform_fee: Number
    user_balance_at_time: Number | None


class Dashboard(Wire, frozen=True, kw_only=True):
    priority: str
    category: str
    status_color: str
    icon: str
    summary: str


class DashboardDetail(Wire, frozen=True, kw_only=True):
    """`category` is under `portfolio` in the details; the insights have it here as well."""

    priority: str
    category: str | UnsetType = UNSET
    status_color: str
    icon: str
    progress_percentage: int
    action_items: tuple[str, ...]
    summary: str


class Item(Wire, frozen=True, kw_only=True):
    """A transaction of the list."""

    id: str
    type: str
    status: str
    token: Token
    values: Values
    blockchain: Blockchain
    portfolio: Portfolio
    timing: Timing
    references: References
    dashboard: Dashboard


class Detail(Wire, frozen=True, kw_only=True):
    """A transaction with everything known of it.

    `object_id` is additive: the other id the transaction is found by (contract.md).
    """

    id: str
    object_id: Annotated[str, meta(additive=True)]
    type: str
    status: str
    token: TokenDetail
    values: Values
    blockchain: BlockchainDetail
    portfolio: Portfolio
    timing: Timing
    references: ReferencesDetail
    metadata: Metadata
    dashboard: DashboardDetail


class Filters(Wire, frozen=True, kw_only=True):
    """What the list was narrowed to, as it was asked for."""

    status: str | None = None
    type: str | None = None
    chain: str | None = None
    token_type: str | None = None
    date_from: str | None = None
    date_to: str | None = None


class HistoryQuery(PageQuery, frozen=True, kw_only=True):
    """What the list is narrowed to (NXPY-C55); ISO 8601 dates or times."""

    status: Status | UnsetType = UNSET
    type: Type | UnsetType = UNSET
    chain: str | UnsetType = UNSET
    token_type: str | UnsetType = UNSET
    date_from: str | UnsetType = UNSET
    date_to: str | UnsetType = UNSET


class Summary(Wire, frozen=True, kw_only=True):
    total: int
    page: int
    limit: int
    pages: int
    filters: Filters


class Volume(Wire, frozen=True, kw_only=True):
    usd: Number
    kes: Number


class Activity(Wire, frozen=True, kw_only=True):
    last24h: int
    last7d: int
    last30d: int


class Insights(Wire, frozen=True, kw_only=True):
    total_transactions: int
    completed_transactions: int
    pending_transactions: int
    failed_transactions: int
    total_volume: Volume
    most_used_chain: str | None
    most_used_token: str | None
    average_transaction_size: Number
    recent_activity: Activity


class History(Wire, frozen=True, kw_only=True):
    transactions: list[Item]
    summary: Summary
    insights: Insights


class Overview(Wire, frozen=True, kw_only=True):
    """The dashboard's insights: the newest 50 with full details."""

    transactions: list[Detail]
    summary: Summary
    insights: Insights


class Found(Wire, frozen=True, kw_only=True):
    transaction: Detail
