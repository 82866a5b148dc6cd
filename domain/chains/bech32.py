"""Bech32 and Bech32m (BIP-173, BIP-350): segregated-witness addresses."""

from collections.abc import Iterable
from typing import Final

_ALPHABET: Final = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_VALUES: Final = {character: value for value, character in enumerate(_ALPHABET)}
_GENERATORS: Final = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32: Final = 1
_BECH32M: Final = 0x2BC830A3
_CHECKSUM: Final = 6
_LONGEST: Final = 90


def encode_segwit(prefix: str, version: int, program: bytes) -> str:
    """The address of a witness program; version 0 in Bech32, later ones in Bech32m."""
    values = [version, *_regroup(program, 8, 5)]
    constant = _BECH32 if version == 0 else _BECH32M
    checked = _polymod([*_expanded(prefix), *values, *[0] * _CHECKSUM]) ^ constant
    checksum = [checked >> 5 * (5 - place) & 31 for place in range(_CHECKSUM)]
    return f"{prefix}1{''.join(_ALPHABET[value] for value in values + checksum)}"


def decode_segwit(prefix: str, text: str) -> tuple[int, bytes] | None:
    """Witness version and program; None when anything at all is wrong with the text.

    Case may not be mixed, the checksum must be the one of the version, and padding must be zero.
    """
    if len(text) > _LONGEST or text not in (text.lower(), text.upper()):
        return None
    found, separator, data = text.lower().rpartition("1")
    if not separator or found != prefix or len(data) <= _CHECKSUM:
        return None
    values = [_VALUES.get(character, -1) for character in data]
    if -1 in values:
        return None
    version, program = values[0], _joined(values[1:-_CHECKSUM])
    constant = _BECH32 if version == 0 else _BECH32M
    if _polymod([*_expanded(prefix), *values]) != constant or program is None:
        return None
    if version > 16 or not 2 <= len(program) <= 40:
        return None
    return (version, program) if version or len(program) in (20, 32) else None


def _expanded(prefix: str) -> list[int]:
    codes = prefix.encode()
    return [code >> 5 for code in codes] + [0] + [code & 31 for code in codes]


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, generator in enumerate(_GENERATORS):
            if top >> place & 1:
                checksum ^= generator
    return checksum


def _regroup(data: bytes, width: int, into: int) -> list[int]:
    """Bits of `data` in groups of `into`, the last one filled up with zeros."""
    bits = len(data) * width
    groups = -(-bits // into)
    number = int.from_bytes(data, "big") << groups * into - bits
    mask = (1 << into) - 1
    return [number >> into * (groups - 1 - place) & mask for place in range(groups)]


def _joined(values: list[int]) -> bytes | None:
    """Bytes of groups of five bits; None when the padding is too long or not zero."""
    number = 0
    for value in values:
        number = number << 5 | value
    padding = len(values) * 5 % 8
    if padding >= 5 or number & (1 << padding) - 1:
        return None
    return (number >> padding).to_bytes(len(values) * 5 // 8, "big")
