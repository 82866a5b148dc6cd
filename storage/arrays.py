"""Parameters of statements that are run without psycopg's cursor, in PostgreSQL's binary format.

A column of many rows travels as one array: bigint[], text[] or bytea[].
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct, pack
from typing import Any, Final, TypeAlias

Column: TypeAlias = Callable[[Sequence[Any]], bytes]
"""One of the encoders below: the values of a column, as an array."""

INT8_ARRAY: Final = 1016
TEXT_ARRAY: Final = 1009
BYTEA_ARRAY: Final = 1001
_INT8, _TEXT, _BYTEA = 20, 25, 17


def int8(value: int) -> bytes:
    """One bigint; struct.error when it does not fit in 64 bits."""
    return pack("!q", value)


def int8s(values: Sequence[int]) -> bytes:
    """A bigint[]; struct.error when a value does not fit in 64 bits."""
    count = len(values)
    fields = [8] * (2 * count)
    fields[1::2] = values
    return _header(count, _INT8) + _pairs(count).pack(*fields)


def texts(values: Sequence[str]) -> bytes:
    """A text[] of texts that differ."""
    return _header(len(values), _TEXT) + _sized([text.encode() for text in values])


def labels(values: Sequence[str]) -> bytes:
    """A text[] of texts that repeat, such as currencies and kinds."""
    return _header(len(values), _TEXT) + b"".join(map(_label, values))


def blobs(values: Sequence[bytes]) -> bytes:
    """A bytea[]."""
    return _header(len(values), _BYTEA) + _sized(values)


def _sized(values: Sequence[bytes]) -> bytes:
    """Each with its length before it."""
    parts: list[bytes] = [b""] * (2 * len(values))
    parts[::2] = map(_size, map(len, values))
    parts[1::2] = values
    return b"".join(parts)


def _header(count: int, oid: int) -> bytes:
    """One dimension of `count` elements from index 1, none of them null; or no dimension."""
    return pack("!iiIii", 1, 0, oid, count, 1) if count else pack("!iiI", 0, 0, oid)


@lru_cache(256)  # as many lengths of batches, at up to 50 KB
def _pairs(count: int) -> Struct:
    return Struct("!" + "iq" * count)


@lru_cache(4096)
def _size(size: int) -> bytes:
    return size.to_bytes(4, "big")


@lru_cache(4096)
def _label(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded
