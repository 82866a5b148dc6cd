"""The chunked transfer coding, strictly (RFC 9112, section 7.1): CRLF only, no lenience."""

import re
from typing import Final

from protocols.http import BadRequest

_SIZE: Final = re.compile(rb"[0-9A-Fa-f]{1,8}").fullmatch
# A chunk's size line with its extensions, and all trailers together.
_MAX_LINE_BYTES: Final = 256
_MAX_TRAILER_BYTES: Final = 4096


class ChunkedBody:
    """Sans-IO decoder: feed bytes until `done`; then `body` is whole and `rest` follows it.

    Raises BadRequest 413 as soon as more than `limit` body bytes are announced, 400 for bytes
    that are not chunked coding.
    """

    def __init__(self, limit: int) -> None:
        self.body = bytearray()
        self.rest = b""
        self.done = False
        self._limit = limit
        self._buffer = bytearray()
        self._left = 0  # bytes of the current chunk still to come, its CRLF included
        self._in_trailer = False
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> None:
        """Take `data`; everything after the end of the body is left in `rest`."""
        self._buffer += data
        while not self.done and (self._chunk() if self._left else self._line()):
            pass

    def _chunk(self) -> bool:
        """Move bytes of the current chunk; tell whether the next step can be tried."""
        take = min(len(self._buffer), self._left - 2)
        if take > 0:
            self.body += self._buffer[:take]
            del self._buffer[:take]
            self._left -= take
        if self._left > 2 or len(self._buffer) < 2:
            return False
        if self._buffer[:2] != b"\r\n":
            raise BadRequest(400, "bad chunk")
        del self._buffer[:2]
        self._left = 0
        return True

    def _line(self) -> bool:
        end = self._buffer.find(b"\r\n")
        if end > _MAX_LINE_BYTES or (end < 0 and len(self._buffer) > _MAX_LINE_BYTES):
            raise BadRequest(400, "bad chunk")
        if end < 0:
            return False
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        if self._in_trailer:
            self._trailer(line)
        else:
            self._size(line)
        return True

    def _size(self, line: bytes) -> None:
        digits, _, extension = line.partition(b";")
        if not _SIZE(digits) or b"\n" in extension or b"\r" in extension:
            raise BadRequest(400, "bad chunk")
        size = int(digits, 16)
        if len(self.body) + size > self._limit:
            raise BadRequest(413, "request body too large")
        if size:
            self._left = size + 2
        else:
            self._in_trailer = True

    def _trailer(self, line: bytes) -> None:
        # Trailers are read past and dropped: nothing here may depend on them.
        self._trailer_bytes += len(line)
        if self._trailer_bytes > _MAX_TRAILER_BYTES:
            raise BadRequest(431, "trailers too large")
        if not line:
            self.done = True
            self.rest = bytes(self._buffer)
            self._buffer.clear()
