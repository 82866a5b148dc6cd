"""Bytes of TRON's transactions. Pure.

Field numbers are those of TRON's protocol (core/Tron.proto): Transaction.raw, Contract,
TransferContract, TriggerSmartContract.
"""

from typing import Final

import msgspec

from domain.chains.addresses import tron_payload
from domain.chains.hashes import sha256
from domain.chains.tokens import Token
from providers.hdwallet import curve
from providers.tron.protobuf import message

_TRANSFER, _TRIGGER = 1, 31
_TYPE: Final = "type.googleapis.com/protocol."
_TRANSFER_SELECTOR: Final = bytes.fromhex("a9059cbb")


class Terms(msgspec.Struct, frozen=True, array_like=True):
    """Until when a block may include it, in milliseconds of the chain's time."""

    expires_ms: int


class Reference(msgspec.Struct, frozen=True):
    """A recent block, without which a transaction is valid on no fork."""

    number: int
    id: bytes


def transfer(token: Token, owner: str, to: str, amount_raw: int) -> bytes:
    """The Contract message: own coins, or transfer(to, amount) of a TRC-20."""
    if token.is_native:
        value = message((1, _account(owner)), (2, _account(to)), (3, amount_raw))
        return _contract(_TRANSFER, "TransferContract", value)
    data = _TRANSFER_SELECTOR + bytes.fromhex(transfer_parameter(to, amount_raw))
    value = message((1, _account(owner)), (2, _account(token.contract)), (4, data))
    return _contract(_TRIGGER, "TriggerSmartContract", value)


def raw_data(
    contract: bytes, reference: Reference, *, expires_ms: int, made_ms: int, fee_limit: int
) -> bytes:
    """What is hashed into the transaction's id and signed."""
    return message(
        (1, reference.number.to_bytes(8, "big")[6:]),
        (4, reference.id[8:16]),
        (8, expires_ms),
        (11, contract),
        (14, made_ms),
        (18, fee_limit),
    )


def signed(raw: bytes, secret: int) -> tuple[bytes, str]:
    """The Transaction message, and its id: sha256 of raw_data."""
    tx_id = sha256(raw)
    signature = curve.sign(secret, tx_id)
    return message((1, raw), (2, signature.compact + bytes([signature.parity]))), tx_id.hex()


def transfer_parameter(to: str, amount_raw: int) -> str:
    """The arguments of transfer(address,uint256) in hex."""
    return (_account(to)[1:].rjust(32, b"\0") + amount_raw.to_bytes(32, "big")).hex()


def address_parameter(address: str) -> str:
    """One address as a call's argument in hex."""
    return _account(address)[1:].rjust(32, b"\0").hex()


def _contract(number: int, name: str, value: bytes) -> bytes:
    parameter = message((1, (_TYPE + name).encode()), (2, value))
    return message((1, number), (2, parameter))


def _account(address: str) -> bytes:
    payload = tron_payload(address)
    assert payload is not None, "addresses are checked before they come here"
    return payload
