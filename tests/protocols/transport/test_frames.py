"""The short way for one whole text frame agrees with the library, and leaves the rest to it."""

from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from actors.frames import masked_size, whole_text

MOST = 70_000
payloads = st.one_of(
    st.binary(max_size=300),
    st.integers(60_000, 66_000).map(bytes),
)


@given(payloads)
def test_a_whole_text_frame_is_read_as_the_library_wrote_it(payload: bytes) -> None:
    wire = Frame(Opcode.TEXT, payload).serialize(mask=True)
    assert masked_size(payload) == len(wire)
    expected = payload if len(payload) < 65536 else None
    assert whole_text(wire, MOST) == expected


@given(payloads, st.integers(1, 40))
def test_a_cut_off_frame_or_more_than_one_is_left_to_the_library(payload: bytes, cut: int) -> None:
    wire = Frame(Opcode.TEXT, payload).serialize(mask=True)
    assert whole_text(wire[:-cut], MOST) is None
    assert whole_text(wire + wire[:cut], MOST) is None


@given(
    st.sampled_from([Opcode.BINARY, Opcode.PING, Opcode.CLOSE, Opcode.CONT]),
    st.binary(max_size=120),
)
def test_other_frames_are_left_to_the_library(opcode: Opcode, payload: bytes) -> None:
    assert whole_text(Frame(opcode, payload).serialize(mask=True), MOST) is None


def test_fragments_unmasked_compressed_and_large_frames_are_left_to_the_library() -> None:
    assert whole_text(Frame(Opcode.TEXT, b"x", fin=False).serialize(mask=True), MOST) is None
    assert whole_text(Frame(Opcode.TEXT, b"x").serialize(mask=False), MOST) is None
    compressed = bytearray(Frame(Opcode.TEXT, b"x").serialize(mask=True))
    compressed[0] |= 0x40
    assert whole_text(bytes(compressed), MOST) is None
    assert whole_text(Frame(Opcode.TEXT, b"xyz").serialize(mask=True), 2) is None
    assert whole_text(b"", MOST) is None


@given(st.binary(max_size=40))
def test_no_bytes_are_too_strange(data: bytes) -> None:
    message = whole_text(data, MOST)
    assert message is None or len(message) < len(data)
