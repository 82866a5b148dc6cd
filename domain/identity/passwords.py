"""What a password may be (NXPY-C07, AMKT-C45). Hashing is in actors.passwords."""

from typing import Final

SHORTEST: Final = 8
LONGEST: Final = 128


def acceptable(password: str) -> bool:
    """8 to 128 characters, whichever they are."""
    return SHORTEST <= len(password) <= LONGEST and _encodable(password)


def _encodable(password: str) -> bool:
    """False for lone surrogates, which JSON can carry and UTF-8 cannot."""
    return not any(0xD800 <= ord(character) <= 0xDFFF for character in password)
