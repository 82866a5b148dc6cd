"""Bytes of EVM transactions and calls. Pure.

RLP, the ABI of the few functions we call, and EIP-1559 transactions with their signature.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from domain.chains.addresses import evm_account, evm_address
from domain.chains.hashes import keccak256
from providers.hdwallet import curve

Item = bytes | int | Sequence["Item"]

TRANSFER_TOPIC: Final = "0x" + keccak256(b"Transfer(address,address,uint256)").hex()
_DYNAMIC_FEE: Final = b"\x02"
_TRANSFER: Final = bytes.fromhex("a9059cbb")
_BALANCE_OF: Final = bytes.fromhex("70a08231")
SYMBOL: Final = "0x95d89b41"
DECIMALS: Final = "0x313ce567"


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """A transaction before it is signed. Amounts in wei; kept with it, to sign a dearer one."""

    nonce: int
    to: str
    value: str  # decimal: may exceed 64 bits
    data: str
    gas: int
    max_fee: int
    priority_fee: int


def rlp(item: Item) -> bytes:
    """Recursive length prefix; integers big-endian without leading zeros."""
    if isinstance(item, int):
        item = item.to_bytes((item.bit_length() + 7) // 8, "big")
    if isinstance(item, bytes):
        if len(item) == 1 and item[0] < 0x80:
            return item
        return _length(len(item), 0x80) + item
    body = b"".join(rlp(inner) for inner in item)
    return _length(len(body), 0xC0) + body


def _length(length: int, offset: int) -> bytes:
    if length < 56:
        return bytes([offset + length])
    size = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes([offset + 55 + len(size)]) + size


def signed(terms: Terms, chain_id: int, secret: int) -> tuple[bytes, str]:
    """The type-2 transaction (EIP-1559), and its hash."""
    fields: list[Item] = [
        chain_id,
        terms.nonce,
        terms.priority_fee,
        terms.max_fee,
        terms.gas,
        evm_account(terms.to),
        int(terms.value),
        bytes.fromhex(terms.data),
        [],
    ]
    signature = curve.sign(secret, keccak256(_DYNAMIC_FEE + rlp(fields)))
    raw = _DYNAMIC_FEE + rlp([*fields, signature.parity, signature.r, signature.s])
    return raw, "0x" + keccak256(raw).hex()


def transfer_call(to: str, amount: int) -> str:
    """Hex (without 0x) of transfer(to, amount)."""
    return (_TRANSFER + _word(evm_account(to)) + amount.to_bytes(32, "big")).hex()


def balance_call(of: str) -> str:
    """Hex with 0x of balanceOf(of)."""
    return "0x" + (_BALANCE_OF + _word(evm_account(of))).hex()


def address_of_topic(topic: str) -> str | None:
    """The address in an indexed argument; None when the word is no address."""
    if len(topic) != 66 or topic[2:26].strip("0"):
        return None
    try:
        return evm_address(bytes.fromhex(topic[26:]))
    except ValueError:
        return None


def text_result(result: str) -> str:
    """A string that a call returned; also the bytes32 that old tokens return."""
    data = bytes.fromhex(result[2:])
    if len(data) == 32:
        return data.rstrip(b"\0").decode(errors="replace")
    length = int.from_bytes(data[32:64], "big")
    return data[64 : 64 + length].decode(errors="replace")


def created_address(creator: bytes, nonce: int) -> str:
    """Where a contract comes to stand."""
    return evm_address(keccak256(rlp([creator, nonce]))[-20:])


def _word(account: bytes) -> bytes:
    return account.rjust(32, b"\0")
