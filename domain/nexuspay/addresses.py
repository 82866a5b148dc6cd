"""Wallet addresses as requests may write them."""

import re
from typing import Final

from domain.chains.addresses import canonical

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_ANY_EVM_CHAIN: Final = "ethereum"  # all of them spell alike
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)


def is_address(text: str) -> bool:
    """0x and 40 hex digits, in any case: who is meant is looked up, not computed."""
    return _ADDRESS.fullmatch(text) is not None


def is_misspelled(address: str) -> bool:
    """Whether its mixed case contradicts EIP-55, so that a digit may be wrong as well."""
    return canonical(_ANY_EVM_CHAIN, address) is None


def is_hex(text: str) -> bool:
    """0x and hex digits: what the sandbox takes where an address is asked about (NXPY-C19)."""
    return _HEX.fullmatch(text) is not None


def same(one: str, other: str | None) -> bool:
    """Whether two texts are one address, whatever their case."""
    return other is not None and one.lower() == other.lower()
