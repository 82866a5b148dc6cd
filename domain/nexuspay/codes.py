"""Codes and ids that transactions carry (NXPY-C23, NXPY-C26).

Randomness comes in as bytes. A character is a byte modulo the alphabet; the slight bias does not
matter, because nothing secret depends on these.
"""

import re
from hashlib import sha256
from typing import Final
from uuid import UUID

_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_OBJECT_ID: Final = re.compile(r"[0-9a-f]{24}", re.ASCII)
_RECEIPT: Final = re.compile(r"[A-Z0-9]{10}", re.ASCII)
TRANSACTION_CODE_BYTES: Final = 9
SUCCESS_CODE_BYTES: Final = 7


def transaction_id(random: bytes) -> str:
    """A version 4 UUID from 16 random bytes."""
    return str(UUID(bytes=random, version=4))


def is_transaction_id(text: str) -> bool:
    """Whether `text` has the form of our transaction ids."""
    return _UUID.fullmatch(text) is not None


def is_object_id(text: str) -> bool:
    """Whether `text` is 24 hex digits."""
    return _OBJECT_ID.fullmatch(text) is not None


def is_mpesa_receipt(text: str) -> bool:
    """Whether `text` has the form of an M-Pesa receipt: 10 upper-case alphanumerics."""
    return _RECEIPT.fullmatch(text) is not None


def object_id(transaction: str) -> str:
    """The 24-hex id of a transaction; the database derives the same one."""
    return sha256(transaction.encode()).hexdigest()[:24]


def transaction_code(random: bytes) -> str:
    """9 of A-Z and 0-9 ("ABC123XYZ")."""
    return _characters(random[:TRANSACTION_CODE_BYTES])


def success_code(random: bytes) -> str:
    """`NP-` + 5 + `-` + 2 of A-Z and 0-9 ("NP-5ATVA-XR")."""
    text = _characters(random[:SUCCESS_CODE_BYTES])
    return f"NP-{text[:5]}-{text[5:]}"


def transfer_hash(transaction: str) -> str:
    """The hash a ledger transfer is known by where the document shows a chain transaction.

    Users' tokens are ledger balances (contract.md, "Custody"): moving them between people makes
    a journal, not a chain transaction. 0x and 64 hex digits; the database derives the same one.
    """
    return "0x" + sha256(f"transfer:{transaction}".encode()).hexdigest()


def return_hash(transaction: str) -> str:
    """As `transfer_hash`, of the journal that gave the tokens of a failed payment back."""
    return "0x" + sha256(f"return:{transaction}".encode()).hexdigest()


def _characters(random: bytes) -> str:
    return "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in random)
