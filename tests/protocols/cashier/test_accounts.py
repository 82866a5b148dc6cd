"""Accounts, balances, summary and currencies as a client sees them."""

import json

import pytest
import trio

from domain.ledger import AccountKey, Hold, Intent, Recorded, wallet
from domain.money import units_of
from tests.protocols.cashier.house import PEER, USER, House


async def test_an_account_lives_through_its_documented_life_cycle(house: House) -> None:
    """FC-05, CASH-116..133."""
    user = await house.connect()
    created = await user.ask("create_account", currency="BTC", account_type="real")
    account = created["account"]
    assert account | {"id": 0, "account_number": ""} == {
        "id": 0,
        "account_number": "",
        "currency": "BTC",
        "purpose": "WALLET",
        "account_type": "REAL",
        "is_active": True,
        "is_locked": False,
        "created_at": "2024-01-27T13:00:00Z",
    }
    assert created["message"] == "BTC REAL wallet account created"
    number = account["account_number"]
    again = await user.refused("create_account", currency="BTC", account_type="real")
    assert again == f"BTC REAL wallet account already exists: {number}"
    demo = await user.ask("create_account", currency="BTC", account_type="demo")
    assert demo["account"]["account_type"] == "DEMO"
    assert demo["message"] == "BTC DEMO wallet account created"
    balance = await user.ask("get_account_balance", account_number=number)
    assert balance == {
        "account_number": number,
        "balance": 0,
        "available_balance": 0,
        "pending_debit": 0,
        "pending_credit": 0,
        "currency": "BTC",
        "last_transaction": None,
    }


@pytest.mark.parametrize("currency", ["KES", "XXX", "usd", "", "ETH"])
async def test_an_account_in_another_currency_is_refused(house: House, currency: str) -> None:
    """CASH-118, CASH-C18; codes are upper case."""
    user = await house.connect()
    assert await user.refused("create_account", currency=currency) == "currency not supported"


async def test_two_sockets_create_one_account(house: House) -> None:
    """CASH-117: exactly one is told that it made it."""
    clients = [await house.connect() for _ in range(5)]
    frame = json.dumps({"type": "create_account", "data": {"currency": "TRX"}})
    replies = []

    async def create(client: object) -> None:
        replies.append(await client.send(frame))  # type: ignore[attr-defined]

    async with trio.open_nursery() as nursery:
        for client in clients:
            nursery.start_soon(create, client)
    assert [r["type"] for r in replies].count("success") == 1
    assert not house.cashier._opening


async def test_a_demo_account_opens_with_its_virtual_balance_once(house: House) -> None:
    """CASH-C17: 10000 USD or as much in the account's currency."""
    user = await house.connect()
    dollars = await user.ask("create_account", currency="USD", account_type="demo")
    coins = await user.ask("create_account", currency="BTC", account_type="demo")
    for made, expected in ((dollars, 10000.0), (coins, 0.23446383)):
        number = made["account"]["account_number"]
        assert (await user.ask("get_account_balance", account_number=number))["balance"] == expected
    text = await user.refused("create_account", currency="USD", account_type="demo")
    assert text.startswith("USD DEMO wallet account already exists: ACC-USD-")
    house.assert_balanced()


async def test_a_demo_account_left_unfunded_by_a_crash_is_funded_by_the_next_try(
    house: House,
) -> None:
    await house.cashier.ledger.accounts.open(AccountKey(USER, "USD", mode="DEMO"))
    user = await house.connect()
    made = await user.ask("create_account", currency="USD", account_type="demo")
    number = made["account"]["account_number"]
    assert (await user.ask("get_account_balance", account_number=number))["balance"] == 10000.0


async def test_accounts_of_others_are_unauthorized_and_unknown_ones_not_found(
    house: House,
) -> None:
    """FC-05.6, CASH-094, CASH-095, CASH-392, CASH-429."""
    await house.connect()
    peer = await house.connect(PEER)
    theirs = house.books.accounts[wallet(USER, "USD")].number
    for kind in ("get_account_balance", "get_account_statement", "get_ledgers"):
        assert await peer.refused(kind, account_number=theirs) == "unauthorized"
        assert await peer.refused(kind, account_number="ACC-USD-9999") == "account not found"


async def test_accounts_of_other_surfaces_are_not_shown(house: House) -> None:
    """X-C09: chain accounts, other currencies, other purposes."""
    for key in (
        AccountKey(USER, "USDC", chain="arbitrum"),
        AccountKey(USER, "NGN"),
        AccountKey(USER, "USD", "TRADING", provider="luno"),
        AccountKey(USER, "USD", "SUSPENSE"),
    ):
        await house.cashier.ledger.accounts.open(key)
        user = await house.connect()
        assert (await user.ask("get_accounts"))["count"] == 1
        number = house.books.accounts[key].number
        text = await user.refused("get_account_balance", account_number=number)
        assert text == "account not found"


async def test_a_hold_lowers_what_is_available_and_not_the_balance(house: House) -> None:
    """CASH-C55, CASH-100..102: 1000.50, 950.50, 50.00."""
    await house.credit(USER, "1000.50")
    hold = Hold(wallet(USER, "USD"), units_of("50"))
    assert isinstance(
        await house.cashier.ledger.record(Intent(kind="WITHDRAWAL", place=hold)), Recorded
    )
    user = await house.connect()
    number = house.books.accounts[wallet(USER, "USD")].number
    balance = await user.ask("get_account_balance", account_number=number)
    assert (balance["balance"], balance["available_balance"]) == (1000.5, 950.5)
    assert (balance["pending_debit"], balance["pending_credit"]) == (50, 0)
    assert balance["last_transaction"] == "2024-01-27T13:00:00Z"
    summary = await user.ask("get_owner_summary")
    assert summary["account_balances"][0]["available_balance"] == 950.5


async def test_the_owner_summary_adds_real_accounts_up_in_usd(house: House) -> None:
    """CASH-106..115, CASH-C62; DEMO is left out (CASH-C17)."""
    await house.credit(USER, "1000.50")
    await house.credit(USER, "0.05", "BTC")
    user = await house.connect()
    await user.ask("create_account", currency="USDT", account_type="demo")
    summary = await user.ask("get_owner_summary")
    assert [(a["currency"], a["balance"]) for a in summary["account_balances"]] == [
        ("USD", 1000.5),
        ("BTC", 0.05),
    ]
    assert summary["total_balance_usd"] == 3133.03  # 1000.50 + 2132.525, half up
    assert summary["total_accounts"] == 2


async def test_an_owner_summary_without_a_rate_is_refused_and_not_wrong(house: House) -> None:
    await house.credit(USER, "0.05", "BTC")
    user = await house.connect()
    house.market.usd.clear()
    assert await user.refused("get_owner_summary") == "service temporarily unavailable"


async def test_all_five_currencies_are_listed(house: House) -> None:
    """CASH-134..145, CASH-C18."""
    user = await house.connect()
    assert await user.ask("get_supported_currencies") == {
        "currencies": [
            {"code": "USD", "name": "US Dollar", "symbol": "$", "type": "fiat"},
            {"code": "BTC", "name": "Bitcoin", "symbol": "₿", "type": "crypto"},
            {"code": "USDT", "name": "Tether", "symbol": "₮", "type": "crypto"},
            {"code": "USDC", "name": "USD Coin", "symbol": "USDC", "type": "crypto"},
            {"code": "TRX", "name": "TRON", "symbol": "TRX", "type": "crypto"},
        ],
        "count": 5,
    }
