"""Protocol buffers, as far as TRON's transactions need them: varints and byte strings. Pure."""

from typing import Final

_VARINT, _BYTES = 0, 2
_LONGEST_VARINT: Final = 10

Value = int | bytes


class Malformed(ValueError):
    """Not a message of the fields we know."""


def message(*fields: tuple[int, Value]) -> bytes:
    """A message of (field number, value) in the order given; zero and empty are left out, as
    every encoder of proto3 does, since the bytes are hashed."""
    return b"".join(_field(number, value) for number, value in fields if value)


def fields_of(data: bytes) -> dict[int, list[Value]]:
    """Values by field number. Raises Malformed."""
    fields: dict[int, list[Value]] = {}
    place = 0
    while place < len(data):
        tag, place = _varint_at(data, place)
        value: Value
        if tag & 7 == _VARINT:
            value, place = _varint_at(data, place)
        elif tag & 7 == _BYTES:
            length, place = _varint_at(data, place)
            if place + length > len(data):
                raise Malformed("cut off")
            value, place = data[place : place + length], place + length
        else:
            raise Malformed(f"wire type {tag & 7}")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _field(number: int, value: Value) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3 | _VARINT) + _varint(value)
    return _varint(number << 3 | _BYTES) + _varint(len(value)) + value


def _varint(value: int) -> bytes:
    assert value >= 0
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _varint_at(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for count in range(_LONGEST_VARINT):
        if place >= len(data):
            break
        byte = data[place]
        value |= (byte & 0x7F) << 7 * count
        place += 1
        if not byte & 0x80:
            return value, place
    raise Malformed("varint")
