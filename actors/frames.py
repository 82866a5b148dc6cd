"""The one kind of frame that is nearly all of the traffic, read without the protocol's machinery.

Everything else, and every judgement on what a peer does wrong, is the library's: what does not
look exactly like one whole, masked, unfragmented text frame is left to it.
"""

from typing import Final

try:
    from websockets.speedups import apply_mask
except ImportError:  # a platform without the library's compiled part
    from websockets.utils import apply_mask

_TEXT_AND_FINAL: Final = 0x81  # no extension bits either: not compressed
_MASKED: Final = 0x80
_SHORT: Final = 126  # below: the length itself; this: two more bytes of length
_LONG: Final = 65536  # from here: eight more


def text_frame(data: bytes) -> bytes:
    """One whole, unmasked text frame with `data`."""
    size = len(data)
    if size < _SHORT:
        return b"\x81%c" % size + data
    if size < _LONG:
        return b"\x81\x7e" + size.to_bytes(2, "big") + data
    return b"\x81\x7f" + size.to_bytes(8, "big") + data


def masked_size(payload: bytes | bytearray | memoryview) -> int:
    """Bytes a client's frame with this uncompressed payload takes on the wire."""
    size = len(payload)
    return size + (6 if size < _SHORT else 8 if size < _LONG else 14)


def whole_text(data: bytes, most: int) -> bytes | None:
    """The message when `data` is exactly one such frame of at most `most` bytes, else None."""
    size = len(data)
    if size < 6 or data[0] != _TEXT_AND_FINAL:
        return None
    length = data[1] - _MASKED
    if 0 <= length < _SHORT:
        start = 2
    elif length == _SHORT:
        start = 4
        length = data[2] << 8 | data[3]
    else:
        return None
    if size != start + 4 + length or length > most:
        return None
    return apply_mask(data[start + 4 :], data[start : start + 4])
