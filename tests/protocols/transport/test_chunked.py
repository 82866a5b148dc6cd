"""The chunked coding, fed in every possible portion."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.chunked import ChunkedBody
from protocols.http import BadRequest


def decode(data: bytes, limit: int = 1000, portion: int = 1000) -> ChunkedBody:
    decoder = ChunkedBody(limit)
    for start in range(0, len(data), portion):
        decoder.feed(data[start : start + portion])
    return decoder


@given(
    st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    st.binary(max_size=20),
    st.integers(1, 50),
)
def test_chunks_come_together_whatever_the_portions(
    chunks: list[bytes], after: bytes, portion: int
):
    data = b"".join(b"%x;ext=1\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks)
    data += b"0\r\nTrailer: x\r\n\r\n"
    decoder = ChunkedBody(1000)
    for start in range(0, len(data), portion):
        assert not decoder.done
        decoder.feed(data[start : start + portion])
    assert decoder.done
    assert decoder.body == b"".join(chunks)
    assert decode(data + after).rest == after


@pytest.mark.parametrize(
    "data",
    [b"5\nhello\n0\n\n", b"5\r\nhelloXX0\r\n\r\n", b"-1\r\n", b"+5\r\nhello\r\n", b"0x5\r\n",
     b" 5\r\nhello\r\n", b"5 \r\nhello\r\n", b"123456789\r\n", b"\r\n", b"5;" + b"x" * 300,
     b"g\r\n", b"5;a\nb\r\nhello\r\n"],
)  # fmt: skip
def test_what_is_not_strictly_chunked_is_refused(data: bytes):
    with pytest.raises(BadRequest) as refused:
        decode(data + b" " * 300)
    assert refused.value.status == 400


def test_a_chunk_over_the_limit_is_refused_when_it_is_announced():
    assert decode(b"a\r\n0123456789\r\n0\r\n\r\n", limit=10).done
    with pytest.raises(BadRequest) as refused:
        decode(b"a\r\n0123456789\r\n1\r\n", limit=10)
    assert refused.value.status == 413


def test_endless_trailers_are_refused():
    with pytest.raises(BadRequest) as refused:
        decode(b"0\r\n" + b"X: 1\r\n" * 2000)
    assert refused.value.status == 431
