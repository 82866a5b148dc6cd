"""Base58 with a checksum, as Bitcoin's older addresses, extended keys and TRON write bytes."""

from typing import Final

from domain.chains.hashes import double_sha256

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_CHECKSUM_BYTES: Final = 4
# The longest we ever read is an extended key of 111 characters.
_LONGEST: Final = 120


def encode_check(payload: bytes) -> str:
    """Payload with its checksum, in base 58; each leading zero byte is a leading "1"."""
    data = payload + double_sha256(payload)[:_CHECKSUM_BYTES]
    number = int.from_bytes(data, "big")
    digits = ""
    while number:
        number, digit = divmod(number, 58)
        digits = _ALPHABET[digit] + digits
    zeros = len(data) - len(data.lstrip(b"\0"))
    return "1" * zeros + digits


def decode_check(text: str) -> bytes | None:
    """The payload, None unless every character and the checksum are right."""
    if not text or len(text) > _LONGEST:
        return None
    number = 0
    for character in text:
        value = _VALUES.get(character)
        if value is None:
            return None
        number = number * 58 + value
    zeros = len(text) - len(text.lstrip("1"))
    data = b"\0" * zeros + number.to_bytes((number.bit_length() + 7) // 8, "big")
    payload, checksum = data[:-_CHECKSUM_BYTES], data[-_CHECKSUM_BYTES:]
    if len(data) <= _CHECKSUM_BYTES or double_sha256(payload)[:_CHECKSUM_BYTES] != checksum:
        return None
    return payload
