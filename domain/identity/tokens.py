"""Verification tokens: what a person gets for a right code and spends on one request.

256 random bits, shown once as 64 hex digits and kept as a hash, for 300 seconds, bound to user
and purpose but not to a connection (CASH-060, CASH-C12).
"""

import hashlib
import re
from typing import Final

import msgspec

from domain.identity.vocabulary import Method, Purpose
from domain.identity.windows import SECOND

TOKEN_BYTES: Final = 32
TOKEN_TTL_US: Final = 300 * SECOND
_SHAPE: Final = re.compile(r"[0-9a-f]{64}")


class VerificationToken(msgspec.Struct, frozen=True, gc=False):
    """A token as storage and the person's actor know it."""

    token_hash: bytes
    purpose: Purpose
    method: Method
    expires_at_us: int


class IssuedToken:
    """A token on its way to its owner; its text appears in no repr and so in no log."""

    __slots__ = ("expires_in_s", "method", "purpose", "token")

    def __init__(self, token: str, purpose: Purpose, method: Method) -> None:
        self.token = token
        self.purpose = purpose
        self.method = method
        self.expires_in_s = TOKEN_TTL_US // SECOND

    def __repr__(self) -> str:
        return f"IssuedToken(purpose={self.purpose!r}, method={self.method!r})"


class TokenConsumed(msgspec.Struct, frozen=True, gc=False):
    """The row change that spends a token inside the transaction of the money it was spent on.

    It must touch exactly one row, else the journal refuses (CASH-C12).
    """

    token_hash: bytes
    used_at_us: int


def token_hash(token: str) -> bytes | None:
    """What a presented token is looked up by; None when it cannot be one.

    Unkeyed: nobody tries 2**256 tokens against a hash.
    """
    if not _SHAPE.fullmatch(token):
        return None
    return hashlib.sha256(token.encode()).digest()
