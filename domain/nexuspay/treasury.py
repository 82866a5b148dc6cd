"""The platform's token wallets, and whose account a chain balance is.

Unlike the platform's other accounts these may not be overdrawn: a purchase is refused when the
main wallet is short (NXPY-C25). So they have an owner of their own, who is nobody.
"""

from typing import Final

from domain.ledger import AccountKey

TREASURY: Final = -2  # -1 owns what anonymous hashes have
_MAIN: Final = "MAIN_WALLET"
_FEES: Final = "FEES_WALLET"
_BUSINESS: Final = "BUSINESS"


def personal(user_id: int, token: str, chain: str) -> AccountKey:
    """A person's tokens on a chain."""
    return AccountKey(user_id, token, chain=chain)


def business(user_id: int, token: str, chain: str) -> AccountKey:
    """The tokens of a person's business on a chain; one business a person (NXPY-C34)."""
    return AccountKey(user_id, token, _BUSINESS, chain)


def main_wallet(token: str, chain: str) -> AccountKey:
    """The platform's tokens for sale."""
    return AccountKey(TREASURY, token, _MAIN, chain)


def fees_wallet(token: str, chain: str) -> AccountKey:
    """The platform's collected fees."""
    return AccountKey(TREASURY, token, _FEES, chain)


def is_main(key: AccountKey) -> bool:
    """Whether `key` is a main wallet."""
    return key.owner == TREASURY and key.purpose == _MAIN


def is_fees(key: AccountKey) -> bool:
    """Whether `key` is a fees wallet."""
    return key.owner == TREASURY and key.purpose == _FEES
