"""Transactions as the document shows them, member by member (NXPY-509..660)."""

import json
from typing import Any

import msgspec
import pytest

from domain.money import units_of
from domain.nexuspay import dashboard
from domain.nexuspay.codes import object_id
from domain.nexuspay.transactions import Insights, Operation, Status, Transaction, Type
from protocols.nexuspay import render
from protocols.nexuspay.codec import encode, us_from

CREATED_US = us_from("2024-01-15T10:30:00Z") or 0
SECOND = 1_000_000
BOUGHT = Transaction(
    id="1247393a-a504-4131-ad7f-23d943dc6851",
    user_id=1,
    owner=True,
    type=Type.FIAT_TO_CRYPTO,
    status=Status.COMPLETED,
    operation=Operation.BUY_CRYPTO,
    chain="arbitrum",
    token="USDC",
    amount=units_of("50"),
    kes=units_of("6675"),
    usd=units_of("50"),
    rate=units_of("133.5"),
    usd_rate=units_of("1"),
    created_us=CREATED_US,
    completed_us=CREATED_US + 135 * SECOND,
    tx_hash="0xabc",
    block=168234567,
    mpesa_id="MPESA123456789",
    balance=units_of("125.5"),
)
SOLD = msgspec.structs.replace(
    BOUGHT,
    type=Type.CRYPTO_TO_FIAT,
    operation=Operation.WITHDRAW,
    amount=units_of("25"),
    kes=units_of("3337.5"),
    usd=units_of("25"),
    created_us=us_from("2024-01-14T15:20:00Z") or 0,
    completed_us=us_from("2024-01-14T15:21:30Z") or 0,
)
NOW_US = CREATED_US + 1440 * 60 * SECOND


def shown(value: Any) -> Any:
    return json.loads(encode(value))


def test_a_purchase_is_listed_as_in_the_document() -> None:
    assert shown(render.item(BOUGHT, NOW_US)) == {
        "id": BOUGHT.id,
        "type": "fiat_to_crypto",
        "status": "completed",
        "token": {"symbol": "USDC", "name": "USD Coin", "amount": 50.0, "decimals": 6},
        "values": {
            "fiat": {"amount": 6675, "currency": "KES", "formatted": "KES 6,675"},
            "usd": {"amount": 50.0, "formatted": "$50.00", "rate": 1.0},
            "kes": {"amount": 6675, "formatted": "KES 6,675", "rate": 133.5},
        },
        "blockchain": {
            "chain": "arbitrum",
            "network": "Arbitrum One",
            "txHash": "0xabc",
            "explorerUrl": "https://arbiscan.io/tx/0xabc",
            "explorerName": "Arbiscan",
        },
        "portfolio": {
            "impact": "positive",
            "direction": "+",
            "description": "Added crypto to your portfolio",
        },
        "timing": {
            "createdAt": "2024-01-15T10:30:00Z",
            "completedAt": "2024-01-15T10:32:15Z",
            "processingTimeSeconds": 135,
            "ageMinutes": 1440,
            "formatted": {
                "created": "1/15/2024, 10:30:00 AM",
                "completed": "1/15/2024, 10:32:15 AM",
            },
        },
        "references": {
            "transactionId": BOUGHT.id,
            "mpesaTransactionId": "MPESA123456789",
            "retryCount": 0,
        },
        "dashboard": {
            "priority": "low",
            "category": "Buy Crypto",
            "statusColor": "#10B981",
            "icon": "💳→🪙",
            "summary": "Bought 50 USDC ($50.00) on arbitrum",
        },
    }


def test_a_sale_is_listed_as_in_the_document() -> None:
    """NXPY-C52: whole shillings half up where formatted, the true amount in the summary."""
    item = shown(render.item(SOLD, NOW_US))
    assert item["values"]["fiat"]["amount"] == 3337.5
    assert item["values"]["fiat"]["formatted"] == "KES 3,338"
    assert item["portfolio"] == {
        "impact": "negative",
        "direction": "-",
        "description": "Converted crypto to cash",
    }
    assert item["timing"]["processingTimeSeconds"] == 90
    assert item["timing"]["formatted"]["created"] == "1/14/2024, 3:20:00 PM"
    assert item["dashboard"]["category"] == "Sell Crypto"
    assert item["dashboard"]["icon"] == "🪙→💰"
    assert item["dashboard"]["summary"] == "Sold 25 USDC for KES 3,337.50"


DETAIL: dict[str, Any] = {
    "id": BOUGHT.id,
    "type": "fiat_to_crypto",
    "status": "completed",
    "token": {
        "symbol": "USDC",
        "name": "USD Coin",
        "amount": 50.0,
        "decimals": 6,
        "contractAddress": None,
    },
    "values": {
        "fiat": {
            "amount": 6675,
            "currency": "KES",
            "formatted": "KES 6,675",
            "historicalRate": 133.5,
        },
        "usd": {"amount": 50.0, "formatted": "$50.00", "rate": 1.0, "currentRate": 1.0},
        "kes": {
            "amount": 6675,
            "formatted": "KES 6,675",
            "rate": 133.5,
            "currentRate": 133.5,
            "historicalRate": 133.5,
        },
    },
    "blockchain": {
        "chain": "arbitrum",
        "network": "Arbitrum One",
        "txHash": "0xabc",
        "explorerUrl": "https://arbiscan.io/tx/0xabc",
        "explorerName": "Arbiscan",
        "blockNumber": 168234567,
        "gasUsed": 0,
        "gasFee": 0,
    },
    "portfolio": {
        "impact": "positive",
        "direction": "+",
        "description": "Added crypto to your portfolio",
        "category": "Buy Crypto",
    },
    "references": {
        "transactionId": BOUGHT.id,
        "mpesaTransactionId": "MPESA123456789",
        "cryptoTransactionHash": "0xabc",
        "retryCount": 0,
        "lastRetryAt": None,
    },
    "metadata": {
        "chain": "arbitrum",
        "tokenType": "USDC",
        "directBuy": True,
        "conversionRate": 133.5,
        "estimatedValue": "$50.00 USD",
        "currentEstimatedValue": "$50.00 USD",
        "kesEstimatedValue": "KES 6,675.00",
        "platformFee": 0.5,
        "userBalanceAtTime": 125.5,
    },
    "dashboard": {
        "priority": "low",
        "statusColor": "#10B981",
        "icon": "💳→🪙",
        "progressPercentage": 100,
        "actionItems": ["View on blockchain explorer"],
        "summary": "Bought 50 USDC ($50.00) on arbitrum",
    },
}


def test_details_have_what_the_document_shows_and_the_other_id() -> None:
    """NXPY-575..633; contract: additive objectId."""
    current = render.Current(units_of("1"), units_of("133.5"))
    detail = shown(render.detail(BOUGHT, NOW_US, current))
    assert detail.pop("objectId") == object_id(BOUGHT.id)
    timing = shown(render.item(BOUGHT, NOW_US))["timing"]
    assert detail == {**DETAIL, "timing": timing}
    listed = shown(render.detail(BOUGHT, NOW_US, current, listed=True))
    assert listed["dashboard"]["category"] == "Buy Crypto"


def test_a_current_value_is_at_the_current_rate() -> None:
    current = render.Current(units_of("1.1"), units_of("150"))
    detail = shown(render.detail(BOUGHT, NOW_US, current))
    assert detail["metadata"]["currentEstimatedValue"] == "$55.00 USD"
    assert detail["metadata"]["estimatedValue"] == "$50.00 USD"
    assert detail["values"]["kes"]["currentRate"] == 150
    assert detail["values"]["usd"]["currentRate"] == 1.1


@pytest.mark.parametrize("status", [Status.PENDING, Status.RESERVED, Status.FAILED, Status.ERROR])
def test_an_unfinished_transaction_has_the_same_members_and_nulls(status: Status) -> None:
    """NXPY-C64, NXPY-C54."""
    unfinished = msgspec.structs.replace(
        BOUGHT, status=status, completed_us=0, tx_hash="", block=0, mpesa_id="", balance=None
    )
    current = render.Current(units_of("1"), units_of("133.5"))
    whole, detail = (shown(render.detail(each, NOW_US, current)) for each in (BOUGHT, unfinished))
    assert _members(detail) == _members(whole)
    assert detail["timing"]["completedAt"] is None
    assert detail["timing"]["formatted"]["completed"] is None
    assert detail["blockchain"]["explorerUrl"] is None
    assert detail["blockchain"]["gasFee"] is None
    assert detail["metadata"]["userBalanceAtTime"] is None
    failed = status in (Status.FAILED, Status.ERROR)
    assert detail["portfolio"]["impact"] == ("neutral" if failed else "positive")
    assert detail["portfolio"]["direction"] == ("=" if failed else "+")
    expected = {"pending": 25, "reserved": 50, "failed": 100, "error": 100}[status.value]
    assert detail["dashboard"]["progressPercentage"] == expected
    assert detail["dashboard"]["priority"] == ("high" if failed else "medium")


def _members(value: Any) -> Any:
    return {k: _members(v) for k, v in value.items()} if isinstance(value, dict) else None


def test_insights_cut_the_average_and_write_plain_numbers() -> None:
    """NXPY-C50, NXPY-C51: the document's own figures."""
    figures = Insights(
        completed=115,
        pending=5,
        failed=5,
        usd=units_of("15875.25"),
        kes=units_of("2119246.25"),
        chain="arbitrum",
        token="USDC",
        last_day=8,
        last_week=35,
        last_month=89,
    )
    assert encode(render.insights(figures)) == (
        b'{"totalTransactions":125,"completedTransactions":115,"pendingTransactions":5,'
        b'"failedTransactions":5,"totalVolume":{"usd":15875.25,"kes":2119246.25},'
        b'"mostUsedChain":"arbitrum","mostUsedToken":"USDC","averageTransactionSize":138.04,'
        b'"recentActivity":{"last24h":8,"last7d":35,"last30d":89}}'
    )


@pytest.mark.parametrize(
    ("change", "summary"),
    [
        ({"status": Status.PENDING}, "Buying 50 USDC ($50.00) on arbitrum"),
        ({"status": Status.FAILED}, "Failed to buy 50 USDC ($50.00) on arbitrum"),
        (
            {"type": Type.CRYPTO_TO_PAYBILL, "target": "400222"},
            "Paid KES 6,675.00 to paybill 400222 using 50 USDC",
        ),
        (
            {"type": Type.CRYPTO_TO_TILL, "target": "508508"},
            "Paid KES 6,675.00 to till 508508 using 50 USDC",
        ),
        (
            {"type": Type.TOKEN_TRANSFER, "operation": Operation.SEND},
            "Sent 50 USDC ($50.00) on arbitrum",
        ),
        (
            {"type": Type.TOKEN_TRANSFER, "operation": Operation.SEND, "owner": False},
            "Received 50 USDC ($50.00) on arbitrum",
        ),
    ],
)
def test_a_summary_says_what_happened(change: dict[str, Any], summary: str) -> None:
    assert dashboard.summary(msgspec.structs.replace(BOUGHT, **change)) == summary
