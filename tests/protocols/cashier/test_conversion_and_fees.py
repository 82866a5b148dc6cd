"""Conversions, fee quotes and partners as a client sees them."""

from typing import Any

import pytest

from domain.ledger import SystemPurpose, system, wallet
from domain.money import units_of
from tests.protocols.cashier.house import USER, House


async def test_a_conversion_takes_the_fee_out_and_rounds_down(house: House) -> None:
    """FC-23, CASH-467..486, CASH-C56, CASH-C57."""
    await house.credit(USER, "100")
    user = await house.connect()
    done = await user.ask(
        "convert_and_transfer",
        from_currency="USD",
        to_currency="BTC",
        amount=50.00,
        description="Converting USD to BTC",
    )
    assert done | {"receipt_code": "", "journal_id": 0} == {
        "receipt_code": "",
        "journal_id": 0,
        "source_currency": "USD",
        "dest_currency": "BTC",
        "source_amount": 50,
        "converted_amount": 0.00116059,
        "fx_rate": "42650.50",
        "fx_rate_id": 789,
        "fee": 0.5,
        "created_at": "2024-01-27T13:00:00Z",
        "balance_after": 50,
        "sequence": 3,
    }
    assert house.balance(USER, "BTC") == units_of("0.00116059")
    fee_income = house.books.accounts[system("USD", SystemPurpose.FEE_INCOME)]
    assert fee_income.posted == units_of("0.50")
    house.assert_balanced()
    journals = {
        entry["journal_id"]
        for code in ("USD", "BTC")
        for entry in (
            await user.ask(
                "get_ledgers", account_number=house.books.accounts[wallet(USER, code)].number
            )
        )["ledgers"]
        if entry["description"] != "Funding"
    }
    assert journals == {done["journal_id"]}
    receipt = await user.ask("get_transaction_by_receipt", receipt_code=done["receipt_code"])
    assert receipt["journal"]["transaction_type"] == "CONVERSION"
    assert receipt["fees"] == [{"type": "PLATFORM_FEE", "amount": 0.5, "currency": "USD"}]


async def test_selling_multiplies_by_the_same_market_quote(house: House) -> None:
    """CASH-C57: one direction for both ways."""
    await house.credit(USER, "0.05", "BTC")
    user = await house.connect()
    done = await user.ask(
        "convert_and_transfer", from_currency="BTC", to_currency="USD", amount=0.05
    )
    assert (done["fx_rate"], done["fee"]) == ("42650.50", 0.00025)
    assert done["converted_amount"] == 2121.86  # 0.04975 x 42650.50 = 2121.862…
    rounding = house.books.accounts[system("USD", SystemPurpose.ROUNDING)]
    assert rounding.posted == units_of("0.002375")
    house.assert_balanced()


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"amount": 0}, "amount must be greater than zero"),
        ({"amount": -1}, "amount must be greater than zero"),
        ({"amount": -0.000000001}, "amount must be greater than zero"),
        ({"amount": "50"}, "invalid request data"),
        ({"amount": True}, "invalid request data"),
        ({"amount": 1e300}, "invalid request data"),
        ({"from_currency": "EUR"}, "currency not supported"),
        ({"to_currency": "usd"}, "currency not supported"),
        ({"to_currency": "USD"}, "source and destination currencies must differ"),
        ({"amount": 50.001}, "amount has too many decimal places"),
        ({"amount": 0.50}, "amount too small to cover fees"),
        ({"from_currency": "USDT", "to_currency": "USD"}, "account not found"),
        ({"amount": 100.01}, "insufficient balance"),
        # Precedence: amount, currency, same currency, precision, fees, account, balance.
        ({"amount": 0, "from_currency": "EUR"}, "amount must be greater than zero"),
        ({"amount": 0.001, "from_currency": "EUR"}, "currency not supported"),
        ({"amount": 0.001, "to_currency": "USD"}, "source and destination currencies must differ"),
    ],
)
async def test_a_refused_conversion_says_why_and_moves_nothing(
    house: House, request_: dict[str, Any], text: str
) -> None:
    """FC-23.3, CASH-468..470."""
    await house.credit(USER, "100")
    user = await house.connect()
    journals = len(house.books.journals)
    request = {"from_currency": "USD", "to_currency": "BTC", "amount": 50, **request_}
    assert await user.refused("convert_and_transfer", **request) == text
    assert len(house.books.journals) == journals


async def test_no_rate_no_conversion(house: House) -> None:
    await house.credit(USER, "100")
    user = await house.connect()
    house.market.usd.clear()
    text = await user.refused(
        "convert_and_transfer", from_currency="USD", to_currency="BTC", amount=50
    )
    assert text == "service temporarily unavailable"


BTC_ADDRESS = "bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh"


@pytest.mark.parametrize(
    ("request_", "quote"),
    [
        # The document's example.
        (
            {
                "transaction_type": "withdrawal",
                "target_currency": "BTC",
                "to_address": BTC_ADDRESS,
            },
            (0.5, 1.5, 2, 2, 98),
        ),
        ({"transaction_type": "withdrawal", "to_address": BTC_ADDRESS}, (0.5, 1.5, 2, 2, 98)),
        (
            {"transaction_type": "withdrawal", "source_currency": "USDT", "to_address": "TYz"},
            (0.5, 1.5, 2, 2, 98),
        ),
        ({"transaction_type": "withdrawal", "target_currency": "KES"}, (1, 0, 1, 1, 99)),
        ({"transaction_type": "withdrawal", "to_address": ""}, (1, 0, 1, 1, 99)),
        ({"transaction_type": "transfer"}, (0, 0, 0, 0, 100)),
        ({"transaction_type": "conversion", "amount": 1000}, (5, 0, 5, 0.5, 995)),
        (
            {"transaction_type": "conversion", "amount": 7, "target_currency": "BTC"},
            (0.5, 0, 0.5, 7.1429, 6.5),
        ),
    ],
)
async def test_a_quote_is_what_the_operation_charges(
    house: House, request_: dict[str, Any], quote: tuple[float, ...]
) -> None:
    """FC-25, FC-14.5, CASH-449..466, CASH-C23."""
    user = await house.connect()
    request = {"amount": 100.00, "source_currency": "USD", **request_}
    got = await user.ask("calculate_fee", **request)
    members = (
        "platform_fee",
        "network_fee",
        "total_fee",
        "fee_percentage",
        "amount_after_fee",
    )
    assert tuple(got[m] for m in members) == quote
    assert got["currency"] == request["source_currency"]


@pytest.mark.parametrize(
    ("request_", "text"),
    [
        ({"amount": 0}, "amount must be greater than zero"),
        ({"source_currency": "KES"}, "currency not supported"),
        ({"target_currency": "XXX"}, "currency not supported"),
        ({"target_currency": "XXX", "to_address": BTC_ADDRESS}, "currency not supported"),
        ({"to_address": "nowhere"}, "invalid destination"),
        ({"transaction_type": "deposit"}, "invalid request data"),
        (
            {"transaction_type": "conversion", "target_currency": "USD"},
            "source and destination currencies must differ",
        ),
        ({"amount": 2, "to_address": BTC_ADDRESS}, "amount too small to cover fees"),
        ({"amount": 1.001}, "amount has too many decimal places"),
    ],
)
async def test_a_quote_that_makes_no_sense_is_refused(
    house: House, request_: dict[str, Any], text: str
) -> None:
    user = await house.connect()
    request = {
        "transaction_type": "withdrawal",
        "amount": 100,
        "source_currency": "USD",
        **request_,
    }
    assert await user.refused("calculate_fee", **request) == text


@pytest.mark.parametrize(
    ("request_", "count"),
    [
        ({"service": "mpesa"}, 1),
        ({"service": "crypto"}, 0),
        ({"service": "bank_transfer"}, 0),
        ({"service": "pigeon"}, 0),
        ({}, 1),
    ],
)
async def test_partners_are_listed_by_service(
    house: House, request_: dict[str, str], count: int
) -> None:
    """CASH-487..502, CASH-C61."""
    user = await house.connect()
    got = await user.ask("get_partners", **request_)
    assert got["count"] == len(got["partners"]) == count
    if count:
        assert got["partners"][0] == {
            "id": "safaricom_mpesa",
            "name": "Safaricom M-Pesa",
            "service": "mpesa",
            "currency": "KES",
            "is_active": True,
            "fees": {"deposit": 0.5, "withdrawal": 1.0},
        }
