"""One-time codes: six digits, kept as a keyed hash, judged by the policy of their surface.

One engine for all surfaces (X-C19). A session is one code that was sent to one person for one
purpose on one surface; a new one replaces it. `judge` is the whole rule; it does no I/O.
"""

import hashlib
import hmac
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import msgspec

from domain.identity.vocabulary import Channel, Purpose, Reason, Refused, Surface
from domain.identity.windows import DAY, MINUTE, SECOND, Lockout, LockPolicy, WindowPolicy

DIGITS: Final = 6
RandomBytes = Callable[[int], bytes]
"""A CSPRNG (`secrets.token_bytes`), injected so that a simulation can replay it."""


class CodePolicy(NamedTuple):
    """How codes of a surface live and die (X-C19).

    `max_wrong` wrong tries kill one code. With a `lockout`, failures are counted over all codes
    of the purpose instead and a new code resets nothing (WOTP-C09). `requests` bounds how
    often codes are sent (CASH-C09); where it is None, `guesses` bounds the wrong tries over all
    codes of the purpose: else whoever can have new ones sent, from many addresses, would hit one
    in the end.
    """

    ttl_us: int
    max_wrong: int
    lockout: LockPolicy | None = None
    requests: WindowPolicy | None = None
    guesses: WindowPolicy | None = None


CODE_POLICIES: Final[dict[Surface, CodePolicy]] = {
    Surface.CASHIER: CodePolicy(180 * SECOND, 3, requests=WindowPolicy(5, 15 * MINUTE)),
    Surface.WALLET: CodePolicy(
        300 * SECOND, 3, lockout=LockPolicy(WindowPolicy(3, 15 * MINUTE), 15 * MINUTE)
    ),
    Surface.NEXUSPAY: CodePolicy(300 * SECOND, 5, guesses=WindowPolicy(30, 60 * MINUTE)),
}
# Failed codes and lockouts of the last day are a fraud signal (WOTP-C04); beyond these counts
# the signal does not change.
FAILED_IN_A_DAY: Final = WindowPolicy(16, DAY)
LOCKOUTS_IN_A_DAY: Final = WindowPolicy(4, DAY)


# Wrong passwords of one account, on whichever surface (AMKT-C05).
WRONG_PASSWORDS: Final = WindowPolicy(10, 15 * MINUTE)


class CodeSource(Protocol):
    """Where codes come from: `RandomCodes`, or `FixedCodes` in the sandbox (contract.md)."""

    def new_code(self) -> str:
        """Six digits."""
        ...


class RandomCodes:
    """Uniform codes from a CSPRNG."""

    def __init__(self, random_bytes: RandomBytes) -> None:
        self._random_bytes = random_bytes

    def new_code(self) -> str:
        """Six digits; numbers that would favour low codes are thrown away."""
        span = 10**DIGITS
        limit = 2**32 // span * span
        while (number := int.from_bytes(self._random_bytes(4))) >= limit:
            pass
        return f"{number % span:0{DIGITS}d}"


class FixedCodes:
    """The same code every time."""

    def __init__(self, code: str) -> None:
        if len(code) != DIGITS or not code.isascii() or not code.isdigit():
            raise ValueError("a code has six digits")
        self._code = code

    def new_code(self) -> str:
        """The code."""
        return self._code


class CodeSession(msgspec.Struct, frozen=True, gc=False):
    """A code that was sent. `salt` (16 random bytes) tells it from the one it replaces."""

    surface: Surface
    purpose: Purpose
    channel: Channel
    salt: bytes
    code_hash: bytes
    expires_at_us: int
    wrong: int = 0


def hash_code(key: bytes, salt: bytes, user_id: int, code: str) -> bytes:
    """Keyed, since a million codes are quickly tried against a plain hash."""
    message = salt + user_id.to_bytes(8) + code.encode(errors="surrogatepass")
    return hmac.digest(key, message, hashlib.sha256)


def matches(session: CodeSession, key: bytes, user_id: int, code: str) -> bool:
    """Whether `code` is the one that was sent, in constant time."""
    return hmac.compare_digest(session.code_hash, hash_code(key, session.salt, user_id, code))


class Judgement(NamedTuple):
    """What a try did: the session and lockout afterwards; `refused` None means accepted."""

    session: CodeSession | None
    lockout: Lockout
    refused: Refused | None


def judge(
    policy: CodePolicy, session: CodeSession | None, lockout: Lockout, right: bool, now_us: int
) -> Judgement:
    """One try against `session`: lock first, then missing, expired, wrong (WOTP-C07, CASH-C10).

    Only a wrong try of a living code counts as a failure. A right one consumes the session and
    clears the failures (WOTP-C09).
    """
    if lockout.locked(now_us):
        refused = Refused(Reason.LOCKED, retry_at_us=lockout.locked_until_us)
        return Judgement(session, lockout, refused)
    if session is None:
        return Judgement(None, lockout, Refused(Reason.NO_CODE))
    if now_us >= session.expires_at_us:
        return Judgement(session, lockout, Refused(Reason.CODE_EXPIRED))
    if right:
        return Judgement(None, Lockout(), None)
    if policy.lockout is not None:
        return _count_failure(policy.lockout, session, lockout, now_us)
    wrong = session.wrong + 1
    left = policy.max_wrong - wrong
    kept = msgspec.structs.replace(session, wrong=wrong) if left > 0 else None
    return Judgement(kept, lockout, Refused(Reason.WRONG_CODE, attempts_left=left))


def _count_failure(
    policy: LockPolicy, session: CodeSession, lockout: Lockout, now_us: int
) -> Judgement:
    """The session outlives the lock, so that its code is called expired afterwards."""
    failed = lockout.fail(policy, now_us)
    if failed.locked(now_us):
        refused = Refused(Reason.LOCKED, retry_at_us=failed.locked_until_us)
    else:
        refused = Refused(Reason.WRONG_CODE, attempts_left=failed.left(policy, now_us))
    return Judgement(session, failed, refused)
