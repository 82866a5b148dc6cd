"""Time-based codes of an authenticator app (X-C06, CASH-C08).

The last accepted time step is part of the identity, so a code works once, whichever surface it
was shown to.
"""

from typing import Final

import pyotp

from domain.identity.codes import DIGITS, RandomBytes
from domain.identity.windows import MINUTE, WindowPolicy

ISSUER: Final = "Amarktai"
WINDOW: Final = 1  # steps of 30 s accepted on either side (CASH-C08)
SECRET_LENGTH: Final = 32  # base32 characters: 160 bits
# CASH-C09 and AMKT-C05: more wrong codes than this are not looked at.
WRONG_CODES: Final = WindowPolicy(10, 15 * MINUTE)
# AMKT-C44: so many wrong codes drop a secret that is not enabled yet.
WRONG_WHILE_PENDING: Final = 5
_ALPHABET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new_secret(random_bytes: RandomBytes) -> str:
    """A fresh base32 secret of 160 bits; 32 symbols, so each byte's low 5 bits choose fairly."""
    return "".join(_ALPHABET[byte & 31] for byte in random_bytes(SECRET_LENGTH))


def accepted_step(secret: str, code: str, now_s: int, last_step: int) -> int | None:
    """The time step `code` belongs to, None when it is wrong or its step was used already."""
    # pyotp would also accept other scripts' digits, which it normalises.
    if len(code) != DIGITS or not code.isascii() or not code.isdigit():
        return None
    try:
        step = pyotp.TOTP(secret).verify_and_get_timecode(code, for_time=now_s, valid_window=WINDOW)
    except pyotp.OTPVerificationError:
        return None
    return step if step > last_step else None


def provisioning_uri(secret: str, email: str) -> str:
    """`otpauth://totp/Amarktai:EMAIL?secret=SECRET&issuer=Amarktai`, the @ raw (AMKT-C08)."""
    uri = pyotp.TOTP(secret, name=email, issuer=ISSUER).provisioning_uri()
    return uri.replace("%40", "@")
