"""Request heads: what is HTTP, what is smuggling, what is neither."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocols.http import (
    BadRequest,
    Request,
    Response,
    host_name,
    json_response,
    parse_head,
    response_bytes,
)


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def test_a_request_has_method_path_query_headers_and_cookies():
    request = parse_head(
        head(
            "GET /a/b%20c?x=1&y=a%26b&x=2&flag#part HTTP/1.1",
            "Host: API.Example:3000",
            "Cookie: token=abc; other=1",
            "X-List: 1",
            "x-list: 2",
            "Authorization: bearer TOKEN",
        )
    )
    assert (request.method, request.path) == ("GET", "/a/b%20c")
    assert request.query == {"x": "1", "y": "a&b", "flag": ""}
    assert request.host == "api.example"
    assert request.headers["x-list"] == "1, 2"
    assert request.cookies == {"token": "abc", "other": "1"}
    assert request.bearer == "TOKEN"
    assert request.keep_alive


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        ("/", "/", ""),
        ("/a?b?c", "/a", "b?c"),
        ("http://example.com/a?b", "/a", "b"),
        ("http://example.com", "/", ""),
        ("http://example.com?b=/c", "/", "b=/c"),
        ("*", "*", ""),
    ],
)
def test_every_form_of_target_gives_path_and_query(target: str, path: str, query: str):
    request = parse_head(head(f"OPTIONS {target} HTTP/1.1", "Host: x"))
    assert (request.path, request.raw_query) == (path, query)


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("GET / HTTP/1.1",), 400),
        (("GET / HTTP/1.1", "Host: a", "Host: b"), 400),
        (("POST / HTTP/1.1", "Host: a", "Content-Length: 5", "Transfer-Encoding: chunked"), 400),
        (("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked", "Content-Length: 5"), 400),
        (("POST / HTTP/1.1", "Host: a", "Content-Length: 5", "Content-Length: 5"), 400),
        (("POST / HTTP/1.1", "Host: a", "Content-Length: 5, 5"), 400),
        (("POST / HTTP/1.1", "Host: a", "Content-Length: +5"), 400),
        (("POST / HTTP/1.1", "Host: a", "Content-Length: 0x5"), 400),
        (("POST / HTTP/1.1", "Host: a", "Content-Length: -1"), 400),
        (("POST / HTTP/1.1", "Host: a", "Content-Length: 9999999999999999"), 400),
        (("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: gzip, chunked"), 501),
        (("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: xchunked"), 400),
        (("POST / HTTP/1.1", "Host: a", "Transfer-Encoding: chunked, identity"), 400),
        (("POST / HTTP/1.0", "Transfer-Encoding: chunked"), 400),
        (("GET / HTTP/1.1", "Host : a"), 400),
        (("GET / HTTP/1.1", "Host: a", " folded"), 400),
        (("GET / HTTP/1.1", "Host: a", "X: a\x00b"), 400),
        (("GET / HTTP/1.1", "Host: a", "no colon"), 400),
        (("GET /a b HTTP/1.1", "Host: a"), 400),
        (("GET a HTTP/1.1", "Host: a"), 400),
        (("NONSENSE / HTTP/1.1", "Host: a"), 400),
        (("GET / HTTP/2.0", "Host: a"), 505),
        (("GET /",), 505),
        (("GET / HTTP/1.1", "Host: a", *(f"X-{n}: 1" for n in range(100))), 431),
    ],
)
def test_what_is_not_plain_http_is_refused(lines: tuple[str, ...], status: int):
    with pytest.raises(BadRequest) as refused:
        parse_head(head(*lines))
    assert refused.value.status == status


def test_a_bare_line_feed_cannot_hide_a_second_request():
    with pytest.raises(BadRequest):
        parse_head(b"GET / HTTP/1.1\nHost: a\n\nGET /admin HTTP/1.1\r\nHost: a\r\n\r\n")


def test_non_ascii_header_values_are_kept_as_they_came():
    request = parse_head("GET / HTTP/1.1\r\nHost: a\r\nX-Name: Zoë\r\n\r\n".encode())
    assert request.headers["x-name"].encode("latin-1").decode() == "Zoë"


@given(st.binary(max_size=300))
def test_any_bytes_give_a_request_or_a_bad_request(data: bytes):
    try:
        outcome: object = parse_head(data + b"\r\n\r\n")
    except BadRequest as refused:
        outcome = refused.status
    assert isinstance(outcome, Request) or outcome in (400, 431, 501, 505)


@given(
    st.lists(
        st.sampled_from(
            ["Host: a", "Content-Length: 3", "Transfer-Encoding: chunked", "Connection: close",
             "Upgrade: websocket", "Connection: Upgrade", "Expect: 100-continue", "X: \xff"]
        ),
        max_size=6,
    )
)  # fmt: skip
def test_a_head_that_is_accepted_is_never_ambiguous_about_its_length(lines: list[str]):
    try:
        request = parse_head(head("POST / HTTP/1.1", *lines))
    except BadRequest:
        return
    assert not {"content-length", "transfer-encoding"} <= request.headers.keys()
    assert lines.count("Host: a") == 1


@pytest.mark.parametrize(
    "header",
    [("X-Name", "a\r\nX-Evil: 1"), ("X-Name", "a\nb"), ("X-Name", "a\0b"), ("X Name", "a"),
     ("X-Name\r\nX-Evil", "a"), ("", "a"), ("X-Name", "\u20ac")],
)  # fmt: skip
def test_a_header_that_would_break_the_head_is_never_written(header: tuple[str, str]):
    with pytest.raises(ValueError, match="cannot be sent"):
        response_bytes(Response(200, b"", headers=(header,)))


def test_a_content_type_that_would_break_the_head_is_never_written():
    with pytest.raises(ValueError, match="cannot be sent"):
        response_bytes(Response(200, b"", "text/plain\r\nX-Evil: 1"))


def test_a_response_is_written_with_its_length_and_date():
    head_part, _, body = response_bytes(
        json_response({"a": 1}, 201, (("X-A", "b"),)), connection="close"
    ).partition(b"\r\n\r\n")
    lines = head_part.split(b"\r\n")
    assert lines[0] == b"HTTP/1.1 201 Created"
    assert b"content-type: application/json" in lines
    assert b"content-length: 7" in lines
    assert b"X-A: b" in lines
    assert b"connection: close" in lines
    assert any(line.startswith(b"date: ") and line.endswith(b" GMT") for line in lines)
    assert body == b'{"a":1}'


def test_responses_without_a_body_have_no_length():
    for status in (204, 304):
        data = response_bytes(Response(status, b"ignored"))
        assert b"content-length" not in data
        assert data.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("host", "name"),
    [("A.example", "a.example"), ("a.example:80", "a.example"), ("[::1]:80", "[::1]"), ("", "")],
)
def test_a_host_is_compared_without_port_and_case(host: str, name: str):
    assert host_name(host) == name


def test_a_query_is_cut_rather_than_parsed_without_end():
    request = Request("GET", "/", "&".join(f"k{n}=1" for n in range(1000)))
    assert len(request.query) == 100


@pytest.mark.parametrize(
    ("client", "limited_by"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:aaaa::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:bbbb::9", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "::ffff:203.0.113.9"),
        ("", ""),
    ],
)
def test_a_stranger_with_a_network_of_addresses_is_one_stranger(
    client: str, limited_by: str
) -> None:
    """X-C20: limits by address are of whoever has the addresses."""
    assert Request("GET", "/", peer=client).neighbourhood == limited_by
