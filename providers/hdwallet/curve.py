"""secp256k1 on OpenSSL: public keys, deterministic signatures, a sum for watch-only keys.

Everything secret is done by OpenSSL. The one group operation in Python, `add_base`, works on
public data only.
"""

from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)
from cryptography.hazmat.primitives.hashes import SHA256

_FIELD: Final = 2**256 - 2**32 - 977
ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_CURVE: Final = ec.SECP256K1()
# RFC 6979: the same digest is always signed alike, so signing again after a crash gives the
# same transaction, and no bad random number can ever leak the key.
_SIGN: Final = ec.ECDSA(Prehashed(SHA256()), deterministic_signing=True)
_VERIFY: Final = ec.ECDSA(Prehashed(SHA256()))

Point = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Signature:
    """Low-s; `parity` is the recovery bit that tells which of two keys signed."""

    r: int
    s: int
    parity: int

    @property
    def compact(self) -> bytes:
        """r and s, 32 bytes each."""
        return self.r.to_bytes(32, "big") + self.s.to_bytes(32, "big")

    @property
    def der(self) -> bytes:
        """As Bitcoin's scripts carry it."""
        return encode_dss_signature(self.r, self.s)


def public_point(secret: int) -> Point:
    """secret × G."""
    numbers = ec.derive_private_key(secret, _CURVE).public_key().public_numbers()
    return numbers.x, numbers.y


def compressed(point: Point) -> bytes:
    """33 bytes."""
    return bytes([2 + (point[1] & 1)]) + point[0].to_bytes(32, "big")


def uncompressed(point: Point) -> bytes:
    """x and y, 64 bytes: what EVM and TRON hash into an address."""
    return point[0].to_bytes(32, "big") + point[1].to_bytes(32, "big")


def decompressed(key: bytes) -> Point:
    """The point of 33 bytes; raises ValueError when there is none."""
    numbers = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, key).public_numbers()
    return numbers.x, numbers.y


def add_base(point: Point, factor: int) -> Point:
    """point + factor × G; raises ValueError when that is the point at infinity."""
    x1, y1 = point
    x2, y2 = public_point(factor)
    if x1 == x2:
        if y1 != y2:
            raise ValueError("the sum is the point at infinity")
        slope = 3 * x1 * x1 * pow(2 * y1, -1, _FIELD)
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, _FIELD)
    x = (slope * slope - x1 - x2) % _FIELD
    return x, (slope * (x1 - x) - y1) % _FIELD


def sign(secret: int, digest: bytes) -> Signature:
    """Deterministic and low-s, as all chains demand."""
    key = ec.derive_private_key(secret, _CURVE)
    r, s = decode_dss_signature(key.sign(digest, _SIGN))
    if s > ORDER // 2:
        s = ORDER - s
    # The nonce point tells the parity. Its factor follows from the signature and the key.
    inverse = pow(s, -1, ORDER)
    nonce = (int.from_bytes(digest, "big") + r * secret) * inverse % ORDER
    return Signature(r, s, public_point(nonce)[1] & 1)


def verifies(key: bytes, digest: bytes, der: bytes) -> bool:
    """Whether `der` is the signature of `digest` by the 33-byte key. False for any malformed."""
    try:
        public = ec.EllipticCurvePublicKey.from_encoded_point(_CURVE, key)
        public.verify(der, digest, _VERIFY)
    except (InvalidSignature, ValueError):
        return False
    return True
