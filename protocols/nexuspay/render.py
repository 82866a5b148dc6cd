"""Transactions as the document shows them; pure, values in and wire structs out."""

from typing import Any, NamedTuple

from msgspec import UNSET, UnsetType

from domain.money import ASSETS, convert
from domain.nexuspay import dashboard
from domain.nexuspay.catalogue import CHAINS, TOKENS
from domain.nexuspay.codes import object_id
from domain.nexuspay.paging import Page
from domain.nexuspay.transactions import (
    Insights,
    Operation,
    Status,
    Transaction,
    Type,
    platform_fee,
)
from protocols.nexuspay.codec import US, cents, iso, iso_or_none, number
from protocols.nexuspay.wire import history as wire

_MINUTE_US = 60 * US


class Current(NamedTuple):
    """What a whole token is worth now, in units."""

    usd: int
    kes: int


def item(transaction: Transaction, now_us: int) -> wire.Item:
    """A row of the history."""
    token, look = TOKENS[transaction.token], dashboard.look(transaction)
    return wire.Item(
        id=transaction.id,
        type=transaction.type.value,
        status=transaction.status.value,
        token=wire.Token(
            symbol=token.symbol,
            name=token.name,
            amount=number(transaction.amount),
            decimals=token.decimals,
        ),
        values=_values(transaction, None),
        blockchain=wire.Blockchain(**_place(transaction)),
        portfolio=_portfolio(transaction, UNSET),
        timing=_timing(transaction, now_us),
        references=wire.References(**_references(transaction)),
        dashboard=wire.Dashboard(
            priority=look.priority,
            category=dashboard.category(transaction),
            status_color=look.color,
            icon=dashboard.icon(transaction),
            summary=dashboard.summary(transaction),
        ),
    )


def detail(
    transaction: Transaction, now_us: int, current: Current, *, listed: bool = False
) -> wire.Detail:
    """Everything known of one; `listed` adds what only the rows of a list have."""
    token = TOKENS[transaction.token]
    category = dashboard.category(transaction)
    completed = transaction.status is Status.COMPLETED
    look = dashboard.look(transaction)
    return wire.Detail(
        id=transaction.id,
        object_id=object_id(transaction.id),
        type=transaction.type.value,
        status=transaction.status.value,
        token=wire.TokenDetail(
            symbol=token.symbol,
            name=token.name,
            amount=number(transaction.amount),
            decimals=token.decimals,
        ),
        values=_values(transaction, current),
        blockchain=wire.BlockchainDetail(
            block_number=transaction.block or None,
            gas_used=transaction.gas_used if completed else None,
            gas_fee=number(transaction.gas_fee) if completed else None,
            **_place(transaction),
        ),
        portfolio=_portfolio(transaction, category),
        timing=_timing(transaction, now_us),
        references=wire.ReferencesDetail(
            crypto_transaction_hash=transaction.tx_hash or None,
            last_retry_at=iso_or_none(transaction.last_retry_us),
            **_references(transaction),
        ),
        metadata=_metadata(transaction, current),
        dashboard=wire.DashboardDetail(
            priority=look.priority,
            status_color=look.color,
            icon=dashboard.icon(transaction),
            progress_percentage=look.progress,
            action_items=(look.action,),
            summary=dashboard.summary(transaction),
            category=category if listed else UNSET,
        ),
    )


def insights(found: Insights) -> wire.Insights:
    """A person's figures."""
    return wire.Insights(
        total_transactions=found.total,
        completed_transactions=found.completed,
        pending_transactions=found.pending,
        failed_transactions=found.failed,
        total_volume=wire.Volume(usd=cents(found.usd), kes=cents(found.kes)),
        most_used_chain=found.chain,
        most_used_token=found.token,
        average_transaction_size=cents(found.average_usd),
        recent_activity=wire.Activity(
            last24h=found.last_day, last7d=found.last_week, last30d=found.last_month
        ),
    )


def summary(page: Page, total: int, filters: wire.Filters) -> wire.Summary:
    """What the list is a page of."""
    return wire.Summary(
        total=total,
        page=page.number,
        limit=page.limit,
        pages=page.pages(total),
        filters=filters,
    )


def _values(transaction: Transaction, current: Current | None) -> wire.Values:
    """What it was worth then; with `current`, what a token is worth now beside it."""
    rate = number(transaction.rate)
    amount, formatted = number(transaction.kes), dashboard.shillings(transaction.kes)
    then = UNSET if current is None else rate
    return wire.Values(
        fiat=wire.Fiat(amount=amount, currency="KES", formatted=formatted, historical_rate=then),
        usd=wire.Usd(
            amount=cents(transaction.usd),
            formatted=dashboard.dollars(transaction.usd),
            rate=number(transaction.usd_rate),
            current_rate=UNSET if current is None else number(current.usd),
        ),
        kes=wire.Kes(
            amount=amount,
            formatted=formatted,
            rate=rate,
            current_rate=UNSET if current is None else number(current.kes),
            historical_rate=then,
        ),
    )


def _place(transaction: Transaction) -> dict[str, Any]:
    chain, tx_hash = CHAINS[transaction.chain], transaction.tx_hash or None
    return {
        "chain": chain.key,
        "network": chain.network,
        "tx_hash": tx_hash,
        "explorer_url": chain.transaction_url(tx_hash) if tx_hash else None,
        "explorer_name": chain.explorer,
    }


def _portfolio(transaction: Transaction, category: str | UnsetType) -> wire.Portfolio:
    impact, direction, description = dashboard.portfolio(transaction)
    return wire.Portfolio(
        impact=impact, direction=direction, description=description, category=category
    )


def _timing(transaction: Transaction, now_us: int) -> wire.Timing:
    created, completed = transaction.created_us, transaction.completed_us
    return wire.Timing(
        created_at=iso(created),
        completed_at=iso_or_none(completed),
        processing_time_seconds=max(0, completed - created) // US if completed else None,
        age_minutes=max(0, now_us - created) // _MINUTE_US,
        formatted=wire.Formatted(
            created=dashboard.en_us(created),
            completed=dashboard.en_us(completed) if completed else None,
        ),
    )


def _references(transaction: Transaction) -> dict[str, Any]:
    return {
        "transaction_id": transaction.id,
        "mpesa_transaction_id": transaction.mpesa_id or None,
        "retry_count": transaction.retries,
    }


def _metadata(transaction: Transaction, current: Current) -> wire.Metadata:
    decimals = ASSETS[transaction.token].decimals
    is_free = transaction.type is Type.TOKEN_TRANSFER  # NXPY-C17
    fee = 0 if is_free else platform_fee(transaction.amount, decimals)
    balance = transaction.balance
    now = convert(transaction.amount, current.usd)
    return wire.Metadata(
        chain=transaction.chain,
        token_type=transaction.token,
        direct_buy=transaction.operation is Operation.BUY_CRYPTO,
        conversion_rate=number(transaction.rate),
        estimated_value=f"{dashboard.dollars(transaction.usd)} USD",
        current_estimated_value=f"{dashboard.dollars(now)} USD",
        kes_estimated_value=dashboard.shillings_exact(transaction.kes),
        platform_fee=number(fee),
        user_balance_at_time=None if balance is None else number(balance),
    )
