"""BIP-32: a tree of keys under one seed, and its watch-only half."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Final

from domain.chains import base58
from domain.chains.hashes import hash160
from providers.hdwallet import curve

HARDENED: Final = 0x8000_0000
_XPRV, _XPUB = bytes.fromhex("0488ade4"), bytes.fromhex("0488b21e")
_SERIALIZED: Final = 78
_NO_PARENT: Final = bytes(4)


class DerivationError(ValueError):
    """An extended key or a path that is none, or the one child in 2^127 that does not exist."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """Derives public keys, never a private one: what a server needs to give out addresses."""

    point: curve.Point
    chain_code: bytes
    depth: int = 0
    parent: bytes = _NO_PARENT
    number: int = 0

    @property
    def key(self) -> bytes:
        return curve.compressed(self.point)

    def child(self, number: int) -> "PublicKey":
        """Number is below 2^31: hardened children need the private key."""
        if not 0 <= number < HARDENED:
            raise DerivationError("a public key has no hardened children")
        factor, chain_code = _split(self.chain_code, self.key, number)
        point = curve.add_base(self.point, factor)
        return PublicKey(point, chain_code, self.depth + 1, hash160(self.key)[:4], number)

    def serialized(self) -> str:
        """xpub…"""
        return base58.encode_check(_head(_XPUB, self) + self.key)

    @classmethod
    def parsed(cls, text: str) -> "PublicKey":
        """From xpub…; raises DerivationError."""
        data = base58.decode_check(text)
        if data is None or len(data) != _SERIALIZED or data[:4] != _XPUB:
            raise DerivationError("not an extended public key")
        try:
            point = curve.decompressed(data[45:])
        except ValueError as error:
            raise DerivationError("not an extended public key") from error
        return cls(point, data[13:45], data[4], data[5:9], int.from_bytes(data[9:13], "big"))


@dataclass(frozen=True, slots=True)
class PrivateKey:
    """One node of the tree. Its repr shows no secret."""

    secret: int = field(repr=False)
    chain_code: bytes = field(repr=False)
    depth: int = 0
    parent: bytes = _NO_PARENT
    number: int = 0

    @classmethod
    def master(cls, seed: bytes) -> "PrivateKey":
        """The root of a seed of 16 to 64 bytes."""
        mixed = hmac.digest(b"Bitcoin seed", seed, hashlib.sha512)
        secret = int.from_bytes(mixed[:32], "big")
        if not 0 < secret < curve.ORDER:
            raise DerivationError("this seed has no master key")
        return cls(secret, mixed[32:])

    @property
    def public(self) -> PublicKey:
        point = curve.public_point(self.secret)
        return PublicKey(point, self.chain_code, self.depth, self.parent, self.number)

    def child(self, number: int) -> "PrivateKey":
        """From 2^31 on hardened: then the parent's public key cannot derive it."""
        key = self.public.key
        hardened = number >= HARDENED
        material = b"\0" + self.secret.to_bytes(32, "big") if hardened else key
        factor, chain_code = _split(self.chain_code, material, number)
        secret = (factor + self.secret) % curve.ORDER
        if not secret:
            raise DerivationError(f"child {number} does not exist")
        return PrivateKey(secret, chain_code, self.depth + 1, hash160(key)[:4], number)

    def at(self, path: str) -> "PrivateKey":
        """Follow a path like "m/84'/0'/0'/0/7"."""
        node = self
        for step in path.removeprefix("m").strip("/").split("/"):
            if step:
                number = int(step.rstrip("'"))
                node = node.child(number + HARDENED if step.endswith("'") else number)
        return node

    def serialized(self) -> str:
        """xprv…: a secret."""
        secret = b"\0" + self.secret.to_bytes(32, "big")
        return base58.encode_check(_head(_XPRV, self) + secret)


def _head(version: bytes, node: PublicKey | PrivateKey) -> bytes:
    number = node.number.to_bytes(4, "big")
    return version + bytes([node.depth]) + node.parent + number + node.chain_code


def _split(chain_code: bytes, material: bytes, number: int) -> tuple[int, bytes]:
    mixed = hmac.digest(chain_code, material + number.to_bytes(4, "big"), hashlib.sha512)
    factor = int.from_bytes(mixed[:32], "big")
    if not 0 < factor < curve.ORDER:
        raise DerivationError(f"child {number} does not exist")
    return factor, mixed[32:]
