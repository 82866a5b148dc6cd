"""Addresses: checked by their chain's checksum, kept in one canonical spelling (CASH-C29)."""

import re
from typing import Final

from domain.chains import base58, bech32
from domain.chains.hashes import keccak256
from domain.chains.table import CHAINS, Family

_EVM: Final = re.compile(r"0[xX][0-9a-fA-F]{40}")
_TRON_VERSION: Final = b"\x41"
_P2PKH, _P2SH = b"\x00", b"\x05"
BITCOIN_PREFIX: Final = "bc"
_OP_0, _OP_1 = 0x00, 0x51


def canonical(chain: str, text: str) -> str | None:
    """The one spelling of an address on `chain`; None when it is not an address there.

    An EVM address of one case carries no checksum and is accepted; mixed case must be EIP-55's.
    """
    match CHAINS[chain].family:
        case Family.EVM:
            return _canonical_evm(text)
        case Family.TRON:
            return text if tron_payload(text) is not None else None
        case Family.BITCOIN:
            script = bitcoin_script(text)
            return None if script is None else bitcoin_address(script)


def evm_address(account: bytes) -> str:
    """EIP-55 spelling of twenty bytes."""
    digits = account.hex()
    checks = keccak256(digits.encode()).hex()
    cased = (d.upper() if int(c, 16) >= 8 else d for d, c in zip(digits, checks, strict=False))
    return "0x" + "".join(cased)


def evm_account(address: str) -> bytes:
    """Twenty bytes of an address known to be well formed."""
    return bytes.fromhex(address[2:])


def tron_address(account: bytes) -> str:
    """TRON's spelling of the same twenty bytes an EVM would call the account."""
    return base58.encode_check(_TRON_VERSION + account)


def tron_payload(text: str) -> bytes | None:
    """The 21 bytes (version and account) TRON puts in its messages."""
    payload = base58.decode_check(text)
    if payload is None or len(payload) != 21 or payload[:1] != _TRON_VERSION:
        return None
    return payload


def bitcoin_script(text: str) -> bytes | None:
    """The output script that pays `text`; None for anything not safely spendable today.

    Witness versions above 1 are valid by BIP-350 and anyone's to spend: refused.
    """
    witness = bech32.decode_segwit(BITCOIN_PREFIX, text)
    if witness is not None:
        version, program = witness
        if version == 0:
            return bytes([_OP_0, len(program)]) + program
        return bytes([_OP_1, 32]) + program if (version, len(program)) == (1, 32) else None
    payload = base58.decode_check(text)
    if payload is None or len(payload) != 21:
        return None
    if payload[:1] == _P2PKH:
        return b"\x76\xa9\x14" + payload[1:] + b"\x88\xac"
    return b"\xa9\x14" + payload[1:] + b"\x87" if payload[:1] == _P2SH else None


def bitcoin_address(script: bytes) -> str | None:
    """Who an output script pays; None when it is of no standard form."""
    if len(script) in (22, 34) and script[0] == _OP_0 and script[1] == len(script) - 2:
        return bech32.encode_segwit(BITCOIN_PREFIX, 0, script[2:])
    if len(script) == 34 and script[:2] == bytes([_OP_1, 32]):
        return bech32.encode_segwit(BITCOIN_PREFIX, 1, script[2:])
    if len(script) == 25 and script[:3] == b"\x76\xa9\x14" and script[23:] == b"\x88\xac":
        return base58.encode_check(_P2PKH + script[3:23])
    if len(script) == 23 and script[:2] == b"\xa9\x14" and script[22:] == b"\x87":
        return base58.encode_check(_P2SH + script[2:22])
    return None


def _canonical_evm(text: str) -> str | None:
    if not _EVM.fullmatch(text):
        return None
    address = evm_address(bytes.fromhex(text[2:]))
    one_case = text[2:] in (text[2:].lower(), text[2:].upper())
    return address if one_case or text[2:] == address[2:] else None
