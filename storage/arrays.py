"""Arrays of a fixed PostgreSQL type, dumped in binary.

psycopg picks the element type from the values, so the same statement would be prepared once for
each mixture of small and large numbers; these always say int8[], text[] or bytea[].
"""

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct, pack
from typing import Final

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

INT8_ARRAY: Final = 1016
TEXT_ARRAY: Final = 1009
BYTEA_ARRAY: Final = 1001
_INT8, _TEXT, _BYTEA = 20, 25, 17


def int8s(values: Sequence[int]) -> bytes:
    """A bigint[]; struct.error when a value does not fit in 64 bits."""
    count = len(values)
    fields = [8] * (2 * count)
    fields[1::2] = values
    return _header(count, _INT8) + _pairs(count).pack(*fields)


def texts(values: Sequence[str]) -> bytes:
    """A text[] of texts that differ."""
    parts = [_header(len(values), _TEXT)]
    for text in values:
        encoded = text.encode()
        parts.append(len(encoded).to_bytes(4, "big"))
        parts.append(encoded)
    return b"".join(parts)


def labels(values: Sequence[str]) -> bytes:
    """A text[] of texts that repeat, such as currencies and kinds."""
    return _header(len(values), _TEXT) + b"".join(map(_label, values))


def blobs(values: Sequence[bytes]) -> bytes:
    """A bytea[]."""
    parts = [_header(len(values), _BYTEA)]
    for blob in values:
        parts.append(len(blob).to_bytes(4, "big"))
        parts.append(blob)
    return b"".join(parts)


def _header(count: int, oid: int) -> bytes:
    """One dimension of `count` elements from index 1, none of them null; or no dimension."""
    return pack("!iiIii", 1, 0, oid, count, 1) if count else pack("!iiI", 0, 0, oid)


@lru_cache(256)  # as many lengths of batches, at up to 50 KB
def _pairs(count: int) -> Struct:
    return Struct("!" + "iq" * count)


@lru_cache(4096)
def _label(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(4, "big") + encoded


class Int8s(list[int]):
    """A bigint[] parameter."""


class Texts(list[str]):
    """A text[] parameter."""

    nothing: Final = ""


class Blobs(list[bytes]):
    """A bytea[] parameter."""

    nothing: Final = b""


class _Int8sDumper(Dumper):
    format = Format.BINARY
    oid = INT8_ARRAY

    def dump(self, obj: Int8s) -> Buffer:
        return int8s(obj)


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = TEXT_ARRAY

    def dump(self, obj: Texts) -> Buffer:
        return texts(obj)


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = BYTEA_ARRAY

    def dump(self, obj: Blobs) -> Buffer:
        return blobs(obj)


def register(connection: psycopg.AsyncConnection[object]) -> None:
    """Teach this connection to take these lists as parameters."""
    connection.adapters.register_dumper(Int8s, _Int8sDumper)
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.adapters.register_dumper(Blobs, _BlobsDumper)
