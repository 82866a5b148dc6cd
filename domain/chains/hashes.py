"""The hash functions of the chains."""

import hashlib

from Crypto.Hash import RIPEMD160, keccak


def keccak256(data: bytes) -> bytes:
    """Ethereum's and TRON's hash, which is not SHA3-256."""
    return keccak.new(digest_bits=256, data=data).digest()


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def double_sha256(data: bytes) -> bytes:
    """Bitcoin's hash of transactions, blocks and checksums."""
    return sha256(sha256(data))


def hash160(data: bytes) -> bytes:
    """Bitcoin's hash of public keys and scripts. Not hashlib's: OpenSSL may lack RIPEMD-160."""
    return RIPEMD160.new(sha256(data)).digest()
