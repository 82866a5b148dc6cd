"""Hashes of the M-Pesa surface: what one may look like, what it owns, whom it is told to.

A hash is a name a client chose for its connection (document 001; MPWS-C03, MPWS-C15). Nobody
proves to own one, so its money is apart from everybody's until it is bound to a person.
"""

import re
from typing import Final

from domain.ledger import AccountKey

# Owner of what belongs to hashes and to no person: no user has it, and unlike the platform's 0
# it may not be overdrawn.
NOBODY: Final = -1
ASSET: Final = "KES"
HASH: Final = "HASH"  # purpose of a hash's own account
_HASH: Final = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_SHOWN: Final = 4


def is_hash(text: str) -> bool:
    """Whether `text` may be a hash: 1 to 128 unreserved characters of an address (MPWS-C15)."""
    return _HASH.fullmatch(text) is not None


def hash_account(hash_: str) -> AccountKey:
    """The one KES account of an anonymous hash, for both of its sockets (contract.md)."""
    return AccountKey(NOBODY, ASSET, HASH, provider=hash_)


def pushes(hash_: str) -> str:
    """The feed of a hash's STK pushes: the document's topic `/mpesa/{hash}`."""
    return f"mpesa:stk:{hash_}"


def payouts(hash_: str) -> str:
    """The feed of a hash's withdrawals: the document's topic `/mpesa/b2c/{hash}`."""
    return f"mpesa:b2c:{hash_}"


def masked(hash_: str) -> str:
    """A hash as logs may show it: whoever knows it can listen (MPWS-C15)."""
    return f"{hash_[:_SHOWN]}…"
