"""Access tokens: JWTs of one issuer, HS256, good on all five surfaces (X-C04).

Read against the application clock that the caller passes in, never against wall time.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Any, Final

import jwt
import msgspec

from domain.identity.codes import RandomBytes

LIFETIME_S: Final = 86_400
SHORTEST_SECRET: Final = 32  # bytes
LONGEST_TOKEN: Final = 2048  # characters; ours have about 250
ALGORITHM: Final = "HS256"
# Times are checked here, by the clock passed in; PyJWT would take them from time.time().
_OPTIONS: Final[Any] = {
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
    "verify_aud": False,
    "verify_iss": False,
}


class Denied(Enum):
    """Why a token opens nothing."""

    MISSING = "no token"
    INVALID = "not a token of ours"
    EXPIRED = "expired"
    REVOKED = "revoked"
    UNKNOWN_USER = "nobody, or somebody deleted"


class Claims(msgspec.Struct, frozen=True, gc=False):
    """What a token of ours says. Times in whole seconds since the epoch."""

    user_id: int
    issued_at_s: int
    expires_at_s: int
    token_id: str
    token_version: int
    amr: tuple[str, ...]


class AccessTokens:
    """Signs and reads access tokens with one secret."""

    def __init__(self, secret: bytes, random_bytes: RandomBytes) -> None:
        if len(secret) < SHORTEST_SECRET:
            raise ValueError(f"JWT secret is shorter than {SHORTEST_SECRET} bytes")
        self._secret = secret
        self._random_bytes = random_bytes

    def issue(self, user_id: int, token_version: int, amr: Sequence[str], now_s: int) -> str:
        """A token for 24 hours; `amr` names how the person logged in (pwd, otp, totp)."""
        claims = {
            "sub": str(user_id),
            "iat": now_s,
            "exp": now_s + LIFETIME_S,
            "jti": self._random_bytes(16).hex(),
            "tv": token_version,
            "amr": list(amr),
        }
        return jwt.encode(claims, self._secret, algorithm=ALGORITHM)

    def read(self, token: str, now_s: int) -> Claims | Denied:
        """The claims of a token that is ours and has not expired."""
        if not token:
            return Denied.MISSING
        if len(token) > LONGEST_TOKEN:
            return Denied.INVALID
        try:
            payload = jwt.decode(token, self._secret, algorithms=[ALGORITHM], options=_OPTIONS)
        except (jwt.InvalidTokenError, ValueError):
            return Denied.INVALID
        claims = _claims(payload)
        if claims is None:
            return Denied.INVALID
        return claims if now_s < claims.expires_at_s else Denied.EXPIRED


def _claims(payload: dict[str, Any]) -> Claims | None:
    """The payload with every member of the type we write, None otherwise."""
    sub, token_id, amr = payload.get("sub"), payload.get("jti"), payload.get("amr")
    issued, expires, version = payload.get("iat"), payload.get("exp"), payload.get("tv")
    if not (isinstance(sub, str) and sub.isascii() and sub.isdigit() and len(sub) <= 18):
        return None
    # type() and not isinstance: True is an int.
    if not (type(issued) is int and type(expires) is int and type(version) is int):
        return None
    if not (isinstance(token_id, str) and isinstance(amr, list)):
        return None
    if not all(isinstance(item, str) for item in amr):
        return None
    return Claims(int(sub), issued, expires, token_id, version, tuple(amr))
