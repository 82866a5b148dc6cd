"""From a client's bytes to whole messages, over the sans-IO protocol.

One `Framing` belongs to one connection. Frames, masks, fragments and every judgement on what a
peer does wrong are the protocol's; the one kind of traffic that is nearly all of it, a frame that
comes alone and is a whole text, is read past it (actors.frames).
"""

from collections.abc import Iterator

from websockets.frames import Frame, Opcode
from websockets.protocol import Protocol as WebSocketProtocol

from actors.frames import masked_size, whole_text


class Framing:
    """What has arrived of a message that is not whole yet."""

    __slots__ = ("_fragments", "_opcode", "_plain", "_protocol", "_unframed")

    def __init__(self, protocol: WebSocketProtocol) -> None:
        self._protocol = protocol
        self._plain = not protocol.extensions  # else sizes say nothing about the wire
        self._unframed = 0  # bytes since the end of the last frame: the library may hide some
        self._fragments: bytearray | None = None
        self._opcode = Opcode.TEXT

    def whole(self, data: bytes, most: int) -> bytes | None:
        """The text when `data` is nothing but one frame of at most `most` bytes, and nothing
        unfinished came before. To be asked only while the connection is open."""
        if self._unframed or self._fragments is not None or not self._plain:
            return None
        return whole_text(data, most)

    def feed(self, data: bytes) -> Iterator[tuple[Opcode, bytes]]:
        """The messages that `data` completes; control frames are the protocol's own business."""
        self._unframed += len(data)
        self._protocol.receive_data(data)
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame):
                self._unframed -= masked_size(frame.data)
                message = self._completed(frame)
                if message is not None:
                    yield message

    @property
    def held(self) -> int:
        """Bytes kept of what is unfinished."""
        return len(self._protocol.reader.buffer) + len(self._fragments or b"")

    def _completed(self, frame: Frame) -> tuple[Opcode, bytes] | None:
        opcode = frame.opcode
        if opcode is Opcode.CONT:
            assert self._fragments is not None
            self._fragments += frame.data
            if not frame.fin:
                return None
            message, self._fragments = bytes(self._fragments), None
            return self._opcode, message
        if opcode >= Opcode.CLOSE:
            return None
        if frame.fin:
            return opcode, bytes(frame.data)
        self._fragments, self._opcode = bytearray(frame.data), opcode
        return None


def is_utf8(data: bytes) -> bool:
    """Whether a text message is one."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
