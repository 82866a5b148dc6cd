"""Arrays of a fixed PostgreSQL type, dumped in binary.

psycopg picks the element type from the values, so the same statement would be prepared once for
each mixture of small and large numbers; these always say int8[] and text[].
"""

from struct import pack
from typing import Final

import psycopg
from psycopg.adapt import Buffer, Dumper
from psycopg.pq import Format

_INT8, _TEXT, _BYTEA = 20, 25, 17
_INT8_ARRAY, _TEXT_ARRAY, _BYTEA_ARRAY = 1016, 1009, 1001
_NULL_FREE: Final = 0


def _header(count: int, oid: int) -> bytes:
    """One dimension of `count` elements from index 1, or no dimension at all."""
    if not count:
        return pack("!iiI", 0, _NULL_FREE, oid)
    return pack("!iiIii", 1, _NULL_FREE, oid, count, 1)


class Int8s(list[int]):
    """A bigint[] parameter."""


class Texts(list[str]):
    """A text[] parameter."""


class Blobs(list[bytes]):
    """A bytea[] parameter."""


class _Int8sDumper(Dumper):
    format = Format.BINARY
    oid = _INT8_ARRAY

    def dump(self, obj: Int8s) -> Buffer:
        count = len(obj)
        fields = [8] * (2 * count)
        fields[1::2] = obj
        return _header(count, _INT8) + pack("!" + "iq" * count, *fields)


class _TextsDumper(Dumper):
    format = Format.BINARY
    oid = _TEXT_ARRAY

    def dump(self, obj: Texts) -> Buffer:
        parts = [_header(len(obj), _TEXT)]
        for text in obj:
            encoded = text.encode()
            parts.append(len(encoded).to_bytes(4, "big"))
            parts.append(encoded)
        return b"".join(parts)


class _BlobsDumper(Dumper):
    format = Format.BINARY
    oid = _BYTEA_ARRAY

    def dump(self, obj: Blobs) -> Buffer:
        parts = [_header(len(obj), _BYTEA)]
        for blob in obj:
            parts.append(len(blob).to_bytes(4, "big"))
            parts.append(blob)
        return b"".join(parts)


def register(connection: psycopg.AsyncConnection[object]) -> None:
    """Teach this connection to take these lists as parameters."""
    connection.adapters.register_dumper(Int8s, _Int8sDumper)
    connection.adapters.register_dumper(Texts, _TextsDumper)
    connection.adapters.register_dumper(Blobs, _BlobsDumper)
