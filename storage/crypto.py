"""Secrets at rest: AES-256-GCM under a key from configuration.

What is sealed is bound to the row it belongs to (`context`), so that a secret copied into another
person's row does not open there.
"""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_FORMAT: Final = b"\x01"


class SecretUnreadable(Exception):
    """Stored with another key, for another row, or damaged."""


def derive_key(master: bytes, label: str) -> bytes:
    """A 32-byte key for one use out of the configured one (HKDF-SHA256)."""
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=label.encode()).derive(master)


class SecretBox:
    """Seals and opens short secrets with one key."""

    def __init__(self, key: bytes, random_bytes: Callable[[int], bytes]) -> None:
        if len(key) != KEY_BYTES:
            raise ValueError(f"the encryption key must have {KEY_BYTES} bytes")
        self._cipher = AESGCM(key)
        self._random_bytes = random_bytes

    def seal(self, secret: str, context: str) -> bytes:
        """Format byte, nonce, ciphertext with tag."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return _FORMAT + nonce + self._cipher.encrypt(nonce, secret.encode(), context.encode())

    def open(self, sealed: bytes, context: str) -> str:
        """The secret; raises SecretUnreadable."""
        nonce = sealed[1 : 1 + _NONCE_BYTES]
        if sealed[:1] != _FORMAT or len(nonce) != _NONCE_BYTES:
            raise SecretUnreadable(context)
        try:
            return self._cipher.decrypt(
                nonce, sealed[1 + _NONCE_BYTES :], context.encode()
            ).decode()
        except InvalidTag as error:
            raise SecretUnreadable(context) from error
