"""The fee schedule against every example the document gives (CASH-C21..C23)."""

import pytest

from domain import fees
from domain.fees import FeeRule, Fees
from domain.fx import Quote, percentage
from domain.money import units_of

USDT = Quote(1, "USDT", "USD", units_of("1"), 0)
BTC = Quote(2, "BTC", "USD", units_of("42650.50"), 0)
KES = Quote(3, "USD", "KES", units_of("133.33"), 0)


@pytest.mark.parametrize(
    ("rule", "amount", "currency", "fee"),
    [
        (fees.PARTNER_WITHDRAWAL, "5.00", "USD", "0.50"),  # withdraw_request, partner
        (fees.agent(200), "50.00", "USD", "1.00"),  # withdraw_request, agent
        (fees.CRYPTO_WITHDRAWAL, "100.00", "USDT", "0.50"),  # withdraw_request, crypto
        (fees.CRYPTO_WITHDRAWAL, "100.00", "USD", "0.50"),  # calculate_fee
        (fees.CONVERSION, "1000.00", "USD", "5.00"),  # convert_and_transfer
        (fees.CONVERSION, "50.00", "USD", "0.50"),  # FC-23
        (fees.PARTNER_DEPOSIT, "7.50", "USD", "0.50"),  # get_transaction_by_receipt
        (fees.PEER_TO_PEER, "25.00", "USD", "0.00"),  # transfer
        (fees.PARTNER_WITHDRAWAL, "99.60", "USD", "1.00"),  # FC-11: 0.996, rounded up
        (fees.PARTNER_WITHDRAWAL, "50.00", "USD", "0.50"),  # the minimum is met exactly
        (fees.PARTNER_WITHDRAWAL, "50.01", "USD", "0.51"),
        (fees.agent(200), "0.01", "USD", "0.01"),
        (fees.CONVERSION, "0.05", "BTC", "0.00025"),
        (fees.CONVERSION, "0.001", "BTC", "0.00001173"),  # 0.50 USD, rounded up
    ],
)
def test_the_platform_fee_of_every_example(
    rule: FeeRule, amount: str, currency: str, fee: str
) -> None:
    usd = {"USDT": USDT, "BTC": BTC}.get(currency)
    assert fees.quote(rule, units_of(amount), currency, usd) == Fees(units_of(fee), 0)


@pytest.mark.parametrize(
    ("currency", "network"),
    [("USDT", "1.50"), ("TRX", "12.500000"), ("USDC", "0.10"), ("BTC", "0.00003517")],
)
def test_a_network_fee_is_flat_in_usd_and_converted_to_the_currency_withdrawn(
    currency: str, network: str
) -> None:
    """contract.md, "Money": TRC20 1.50, TRON 1.00, POLYGON 0.10, BITCOIN 1.50."""
    usd = {
        "USDT": USDT,
        "BTC": BTC,
        "USDC": Quote(4, "USDC", "USD", units_of("1"), 0),
        "TRX": Quote(5, "TRX", "USD", units_of("0.08"), 0),
    }[currency]
    flat = fees.NETWORK_FEE_USD[fees.CHAIN_OF[currency]]
    charged = fees.quote(fees.CRYPTO_WITHDRAWAL, units_of("100"), currency, usd, flat)
    assert charged.network == units_of(network)


def test_the_document_s_quote_of_100_usd_to_a_bitcoin_address() -> None:
    """calculate_fee: 0.50, 1.50, 2.00, 2.0, 98.00."""
    amount = units_of("100.00")
    flat = fees.NETWORK_FEE_USD[fees.CHAIN_OF["BTC"]]
    charged = fees.quote(fees.CRYPTO_WITHDRAWAL, amount, "USD", None, flat)
    assert (charged.platform, charged.network) == (units_of("0.50"), units_of("1.50"))
    assert percentage(charged.total, amount) == units_of("2.0")
    assert amount - charged.total == units_of("98.00")


@pytest.mark.parametrize(
    ("amount", "currency", "paid"),
    [
        ("100.00", "USD", "2.00"),
        ("0.49", "USD", "0"),
        ("1.99", "USD", "0.03"),
        ("10", "USDT", "0.2"),
    ],
)
def test_an_agent_s_commission_is_two_percent_rounded_down(
    amount: str, currency: str, paid: str
) -> None:
    """CASH-C35."""
    assert fees.commission(units_of(amount), currency, 200) == units_of(paid)


def test_a_fee_with_a_minimum_needs_a_quote_unless_the_currency_is_usd() -> None:
    with pytest.raises(ValueError, match="BTC"):
        fees.quote(fees.CONVERSION, 1, "BTC", None)


@pytest.mark.parametrize(
    ("address", "chain"),
    [
        ("bc1qxy2kgdygjrsqtzq2n0yrf2493p83kkfjhx0wlh", fees.Chain.BITCOIN),
        ("TYzK7gD3K4VwY8uPnnnnnnnnnnnnp4dc1Y", fees.Chain.TRC20),
        ("0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7", fees.Chain.POLYGON),
        ("nowhere", None),
    ],
)
def test_an_address_without_a_currency_is_known_by_its_looks(
    address: str, chain: fees.Chain | None
) -> None:
    assert fees.chain_of_address(address) is chain


def test_the_shown_percentages_are_those_of_the_partner_list() -> None:
    """get_partners: deposit 0.5, withdrawal 1.0."""
    assert fees.PARTNER_DEPOSIT.percent == units_of("0.5")
    assert fees.PARTNER_WITHDRAWAL.percent == units_of("1.0")


def test_kes_fees_use_the_quote_in_the_other_direction() -> None:
    assert fees.quote(fees.CONVERSION, units_of("100"), "KES", KES) == Fees(units_of("66.67"), 0)
