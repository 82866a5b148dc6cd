"""Statements, ledgers and receipts as a client sees them."""

from typing import Any

import pytest

from domain.ledger import Fee, Hold, Intent, Posting, Recorded, SystemPurpose, system, wallet
from domain.money import units_of
from protocols.cashier.handlers import statements
from tests.protocols.cashier.house import OTHER, PEER, USER, Client, House

DAY = 86_400


async def paid(house: House, source: int, target: int, amount: str, text: str) -> Recorded:
    posting = Posting(wallet(source, "USD"), wallet(target, "USD"), units_of(amount), text)
    intent = Intent(kind="TRANSFER", postings=(posting,), initiator=source, description=text)
    recorded = await house.cashier.ledger.record(intent)
    assert isinstance(recorded, Recorded)
    return recorded


async def history(house: House) -> tuple[Client, str]:
    """100 on the 27th, +57.50 on the 28th, -50 on the 29th of January."""
    await house.credit(USER, "100")
    house.clock.advance(DAY)
    await house.credit(USER, "57.50")
    house.clock.advance(DAY)
    await paid(house, USER, PEER, "50", "Rent")
    user = await house.connect()
    return user, house.books.accounts[wallet(USER, "USD")].number


async def test_a_statement_adds_up_over_its_period(house: House) -> None:
    """FC-24.1, CASH-391..413, CASH-C51: the document's 100.00, 57.50, 50.00, 107.50."""
    user, number = await history(house)
    statement = await user.ask(
        "get_account_statement",
        account_number=number,
        **{"from": "2024-01-28T00:00:00Z", "to": "2024-01-31T23:59:59Z"},
    )
    assert (statement["opening_balance"], statement["closing_balance"]) == (100, 107.5)
    assert (statement["total_credits"], statement["total_debits"]) == (57.5, 50)
    assert statement["period_start"] == "2024-01-28T00:00:00Z"
    assert statement["period_end"] == "2024-01-31T23:59:59Z"
    assert statement["transaction_count"] == 2
    assert [(e["type"], e["amount"], e["balance_after"]) for e in statement["ledgers"]] == [
        ("CREDIT", 57.5, 157.5),
        ("DEBIT", 50, 107.5),
    ]
    line = statement["ledgers"][1]
    assert line["description"] == "Rent"
    assert line["receipt_code"].startswith("RCP-")
    assert line["created_at"] == "2024-01-29T13:00:00Z"


@pytest.mark.parametrize(
    ("dates", "lines"),
    [
        ({}, 3),  # the last 30 days
        ({"from": "2024-01-28", "to": "2024-01-28"}, 1),  # a whole day
        ({"from": "2024-01-28T13:00:00Z", "to": "2024-01-28T13:00:00Z"}, 1),  # both inclusive
        ({"from": "2024-01-28T16:00:00+03:00", "to": "2024-01-28T16:00:00+03:00"}, 1),
        ({"from": "2024-01-28T13:00:01Z"}, 1),
        ({"to": "2024-01-27T12:59:59Z"}, 0),
        ({"from": None, "to": None}, 3),
        ({"from": "2024-01-28T13:00:00"}, 2),  # no offset: UTC
    ],
)
async def test_dates_mean_what_they_say_and_include_both_ends(
    house: House, dates: dict[str, Any], lines: int
) -> None:
    """CASH-C54."""
    user, number = await history(house)
    statement = await user.ask("get_account_statement", account_number=number, **dates)
    assert statement["transaction_count"] == lines


@pytest.mark.parametrize(
    "dates",
    [
        {"from": "2024-02-01", "to": "2024-01-01"},
        {"from": "2024-01-28T13:00:01Z", "to": "2024-01-28T13:00:00Z"},
        {"from": "yesterday"},
        {"to": "2024-13-01"},
        {"from": "2099-01-01"},
        {"from": "0001-01-01T00:00:00+14:00"},
    ],
)
@pytest.mark.parametrize("kind", ["get_account_statement", "get_owner_statement", "get_ledgers"])
async def test_a_range_that_is_none_is_refused(
    house: House, kind: str, dates: dict[str, str]
) -> None:
    """FC-24.5."""
    user = await house.connect()
    account = (
        {}
        if kind == "get_owner_statement"
        else {"account_number": house.books.accounts[wallet(USER, "USD")].number}
    )
    if kind == "get_ledgers" and dates["from" if "from" in dates else "to"].startswith("0001"):
        return  # it shows no dates, so any it can compare is good
    assert await user.refused(kind, **account, **dates) == "invalid date range"


async def test_a_period_before_the_first_line_is_empty(house: House) -> None:
    """FC-24.4."""
    user, number = await history(house)
    statement = await user.ask(
        "get_account_statement", account_number=number, **{"from": "2023-01-01", "to": "2023-02-01"}
    )
    assert (statement["opening_balance"], statement["closing_balance"]) == (0, 0)
    assert statement["ledgers"] == []


async def test_the_owner_statement_has_one_statement_an_account(house: House) -> None:
    """FC-24.2, CASH-414..427."""
    user, number = await history(house)
    await house.credit(USER, "0.05", "BTC")
    statement = await user.ask("get_owner_statement")
    assert statement["count"] == 2
    assert statement["period_end"] == "2024-01-29T13:00:00Z"
    dollars, coins = statement["statements"]
    assert list(dollars) == [
        "account_number",
        "opening_balance",
        "closing_balance",
        "total_debits",
        "total_credits",
        "ledgers",
    ]
    assert (dollars["account_number"], dollars["closing_balance"]) == (number, 107.5)
    assert coins["ledgers"][0]["currency"] == "BTC"


async def test_a_statement_longer_than_one_message_may_be_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statements, "_CHUNK", 2)
    user, number = await history(house)
    assert (await user.ask("get_account_statement", account_number=number))[
        "transaction_count"
    ] == 3
    monkeypatch.setattr(statements, "STATEMENT_LINES", 2)
    text = await user.refused("get_account_statement", account_number=number)
    assert text == "too many transactions in this period, use get_ledgers"


async def test_ledgers_are_paged_newest_first_with_the_total_of_the_period(house: House) -> None:
    """FC-24.3, CASH-428..448."""
    user, number = await history(house)
    page = await user.ask("get_ledgers", account_number=number, limit=1, offset=1)
    assert (page["total"], page["limit"], page["offset"]) == (3, 1, 1)
    assert [e["amount"] for e in page["ledgers"]] == [57.5]
    assert isinstance(page["ledgers"][0]["journal_id"], int)
    everything = await user.ask("get_ledgers", account_number=number, limit=100_000)
    assert (everything["limit"], len(everything["ledgers"])) == (500, 3)
    assert everything["ledgers"][0]["type"] == "DEBIT"
    assert (await user.ask("get_ledgers", account_number=number))["limit"] == 50


async def test_a_receipt_shows_each_party_its_own_leg_and_strangers_nothing(house: House) -> None:
    """FC-22.3, CASH-375..390, CASH-C47."""
    await house.credit(USER, "100")
    recorded = await paid(house, USER, PEER, "25", "Payment for services")
    code = f"RCP-{recorded.receipt:06d}"
    seen = {}
    for user_id in (USER, PEER):
        client = await house.connect(user_id)
        details = await client.ask("get_transaction_by_receipt", receipt_code=code)
        assert details["journal"] == {
            "id": recorded.journal_id,
            "transaction_type": "TRANSFER",
            "description": "Payment for services",
            "created_at": "2024-01-27T13:00:00Z",
        }
        assert details["fees"] == []
        seen[user_id] = [(e["type"], e["amount"], e["balance_after"]) for e in details["ledgers"]]
    assert seen == {USER: [("DEBIT", 25, 75)], PEER: [("CREDIT", 25, 25)]}
    stranger = await house.connect(OTHER)
    assert await stranger.refused("get_transaction_by_receipt", receipt_code=code) == "unauthorized"


@pytest.mark.parametrize("code", ["RCP-999999", "RCP-", "rcp-100001", "12345", "RCP-١٢٣٤٥٦"])
async def test_an_unknown_receipt_is_not_found(house: House, code: str) -> None:
    """CASH-C46."""
    user = await house.connect()
    text = await user.refused("get_transaction_by_receipt", receipt_code=code)
    assert text == "transaction not found"


async def test_a_receipt_reserved_by_a_hold_has_no_legs_until_it_is_settled(house: House) -> None:
    """CASH-C46: same receipt, first empty, then with legs and fees."""
    await house.credit(USER, "100")
    mine = wallet(USER, "USD")
    held = await house.cashier.ledger.record(
        Intent(kind="WITHDRAWAL", place=Hold(mine, units_of("5.50")), description="To M-Pesa")
    )
    assert isinstance(held, Recorded)
    code = f"RCP-{held.receipt:06d}"
    user = await house.connect()
    before = await user.ask("get_transaction_by_receipt", receipt_code=code)
    assert before["ledgers"] == []
    assert before["journal"]["transaction_type"] == "WITHDRAWAL"
    settle = Intent(
        kind="WITHDRAWAL",
        postings=(
            Posting(mine, system("USD", SystemPurpose.FX_POSITION), units_of("5"), "Withdrawal"),
            Posting(mine, system("USD", SystemPurpose.FEE_INCOME), units_of("0.50"), "Fee"),
        ),
        close=Hold(mine, units_of("5.50"), held.journal_id),
        receipt=held.receipt,
        fees=(Fee("PLATFORM_FEE", units_of("0.50"), "USD"),),
    )
    assert isinstance(await house.cashier.ledger.record(settle), Recorded)
    after = await user.ask("get_transaction_by_receipt", receipt_code=code)
    assert [(e["type"], e["amount"]) for e in after["ledgers"]] == [("DEBIT", 5), ("DEBIT", 0.5)]
    assert after["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]
