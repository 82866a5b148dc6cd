"""Wallet addresses: what one looks like, and how a public key becomes one (EIP-55)."""

import re
from typing import Final

_ADDRESS: Final = re.compile(r"0x[0-9a-fA-F]{40}", re.ASCII)
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+", re.ASCII)
_RATE: Final = 136  # bytes of the sponge taken in at a time, for 256 bits of output
_LANE: Final = (1 << 64) - 1
_ROUNDS: Final = (
    0x0000000000000001,
    0x0000000000008082,
    0x800000000000808A,
    0x8000000080008000,
    0x000000000000808B,
    0x0000000080000001,
    0x8000000080008081,
    0x8000000000008009,
    0x000000000000008A,
    0x0000000000000088,
    0x0000000080008009,
    0x000000008000000A,
    0x000000008000808B,
    0x800000000000008B,
    0x8000000000008089,
    0x8000000000008003,
    0x8000000000008002,
    0x8000000000000080,
    0x000000000000800A,
    0x800000008000000A,
    0x8000000080008081,
    0x8000000000008080,
    0x0000000080000001,
    0x8000000080008008,
)


def is_address(text: str) -> bool:
    """0x and 40 hex digits, in any case: the document's own examples carry no checksums."""
    return _ADDRESS.fullmatch(text) is not None


def is_hex(text: str) -> bool:
    """0x and hex digits: what the sandbox takes where an address is asked about (NXPY-C19)."""
    return _HEX.fullmatch(text) is not None


def address_of(public_key: bytes) -> str:
    """The address of an uncompressed secp256k1 point (64 bytes, X and Y), with its checksum."""
    if len(public_key) != 64:
        raise ValueError("a public key is 64 bytes")
    return checksummed(keccak256(public_key)[-20:].hex())


def checksummed(digits: str) -> str:
    """EIP-55's mixed case of 40 lower-case hex digits."""
    marks = keccak256(digits.encode()).hex()
    return "0x" + "".join(
        digit.upper() if int(mark, 16) >= 8 else digit
        for digit, mark in zip(digits, marks, strict=False)
    )


def keccak256(data: bytes) -> bytes:
    """Ethereum's hash: Keccak with its original padding, which is not SHA3's."""
    padded = bytearray(data + b"\x01")
    padded += bytes(-len(padded) % _RATE)
    padded[-1] |= 0x80
    state = [0] * 25
    for start in range(0, len(padded), _RATE):
        for lane in range(_RATE // 8):
            at = start + 8 * lane
            state[lane] ^= int.from_bytes(padded[at : at + 8], "little")
        _permute(state)
    return b"".join(lane.to_bytes(8, "little") for lane in state[:4])


def _permute(state: list[int]) -> None:
    """Keccak-f[1600] on 25 lanes of 64 bits, lane x + 5y."""
    for constant in _ROUNDS:
        columns = [
            state[x] ^ state[x + 5] ^ state[x + 10] ^ state[x + 15] ^ state[x + 20]
            for x in range(5)
        ]
        for x in range(5):
            mixed = columns[x - 1] ^ _rotated(columns[(x + 1) % 5], 1)
            for y in range(0, 25, 5):
                state[x + y] ^= mixed
        _rotate_and_move(state)
        for y in range(0, 25, 5):
            row = state[y : y + 5]
            for x in range(5):
                state[x + y] = row[x] ^ (~row[(x + 1) % 5] & row[(x + 2) % 5] & _LANE)
        state[0] ^= constant


def _rotate_and_move(state: list[int]) -> None:
    x, y, moved = 1, 0, state[1]
    for step in range(24):
        x, y = y, (2 * x + 3 * y) % 5
        state[x + 5 * y], moved = (
            _rotated(moved, (step + 1) * (step + 2) // 2 % 64),
            state[x + 5 * y],
        )


def _rotated(lane: int, by: int) -> int:
    return (lane << by | lane >> (64 - by)) & _LANE
