"""HTTP/1.1 without I/O: the request and response every surface sees, and their wire form.

The head is parsed by llhttp (through httptools) in its strict mode; what decides where a
message ends (Content-Length, Transfer-Encoding, Host) is checked once more here, because a
disagreement with a proxy about that is a smuggled request.
"""

import re
from collections.abc import Mapping
from email.utils import formatdate
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from time import time
from typing import Any, Final
from urllib.parse import unquote_plus

import msgspec
from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

JSON: Final = "application/json"
MAX_HEAD_BYTES: Final = 16 * 1024
MAX_HEADERS: Final = 100
# More pairs than any documented endpoint takes; beyond it the query is cut, not parsed.
_MAX_QUERY_FIELDS: Final = 100
_MAX_KNOWN_NAMES: Final = 500
_MAX_KNOWN_BYTES: Final = 40
_DIGITS: Final = re.compile(r"[0-9]{1,15}", re.ASCII).fullmatch
_ORIGIN: Final = re.compile(r"https?://[^/?#]+", re.ASCII | re.IGNORECASE).match
_TOKEN: Final = re.compile(r"[-!#$%&'*+.^_`|~0-9A-Za-z]+", re.ASCII).fullmatch
_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_VERSIONS: Final = {b" HTTP/1.1": "1.1", b" HTTP/1.0": "1.0"}
# A second one of these changes who is meant or where the message ends.
_SINGLE: Final = frozenset({"host", "content-length", "transfer-encoding", "authorization"})


class BadRequest(Exception):
    """A head or body that is not HTTP as we accept it; `status` is the answer's code, `head` what
    was read of a head that never ended."""

    def __init__(self, status: int, detail: str, head: bytes = b"") -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.head = head


class Request:
    """One request. `path` is the raw (still percent-encoded) target path without the query.

    `headers` have lower-case names; repeated ones are joined by ", " (cookies by "; ").
    `params` are the decoded parts the path template named. `peer` is the address of the socket,
    `client` that of whoever asks: X-Forwarded-For counts only behind a configured proxy (X-C20).
    `principal` and `notes` belong to the surface's hooks.
    """

    __slots__ = (
        "_query",
        "body",
        "client",
        "headers",
        "keep_alive",
        "method",
        "notes",
        "params",
        "path",
        "peer",
        "principal",
        "raw_query",
        "secure",
        "upgrade",
        "version",
    )

    def __init__(
        self,
        method: str,
        path: str,
        raw_query: str = "",
        headers: dict[str, str] | None = None,
        body: bytes = b"",
        *,
        version: str = "1.1",
        peer: str = "",
    ) -> None:
        self.method = method
        self.path = path
        self.raw_query = raw_query
        self.headers: dict[str, str] = {} if headers is None else headers
        self.body = body
        self.version = version
        self.peer = peer
        self.client = peer
        self.secure = False
        self.keep_alive = version == "1.1"
        self.upgrade = False
        self.params: Mapping[str, str] = {}
        self.principal: Any = None
        self.notes: Any = None
        self._query: dict[str, str] | None = None

    def header(self, name: str, default: str = "") -> str:
        """The header called `name` (lower case), or `default`."""
        return self.headers.get(name, default)

    @property
    def query(self) -> dict[str, str]:
        """The query's fields, decoded; of a repeated field the first counts."""
        if self._query is None:
            self._query = _parse_query(self.raw_query)
        return self._query

    @property
    def cookies(self) -> dict[str, str]:
        """The request's cookies as they were sent."""
        pairs = (part.strip().partition("=") for part in self.header("cookie").split(";"))
        return {name: value.strip('"') for name, _, value in pairs if name}

    @property
    def bearer(self) -> str | None:
        """The token of `Authorization: Bearer`, if there is one."""
        scheme, _, token = self.header("authorization").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None

    @property
    def neighbourhood(self) -> str:
        """What to rate-limit a stranger by: the client, or of IPv6 its /64, which is a household's
        to choose from."""
        try:
            address = ip_address(self.client)
        except ValueError:
            return self.client
        if address.version == 4 or address.ipv4_mapped is not None:
            return self.client
        return str(ip_network((address, 64), strict=False))

    @property
    def host(self) -> str:
        """The Host header, lower case, without the port."""
        return host_name(self.header("host"))


class Response(msgspec.Struct, frozen=True, gc=False):
    """One whole response. `headers` are checked when written, so none can be injected."""

    status: int = 200
    body: bytes = b""
    content_type: str = JSON
    headers: tuple[tuple[str, str], ...] = ()

    def with_headers(self, *headers: tuple[str, str]) -> "Response":
        """The same response with more headers."""
        return Response(self.status, self.body, self.content_type, self.headers + headers)


_encode_json: Final = msgspec.json.Encoder().encode


def json_response(
    value: Any, status: int = 200, headers: tuple[tuple[str, str], ...] = ()
) -> Response:
    """`value` (a struct, dict, list …) as a JSON response."""
    return Response(status, _encode_json(value), JSON, headers)


def host_name(host: str) -> str:
    """`host` without its port, lower case."""
    name = host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]
    return name.lower()


def _parse_query(raw: str) -> dict[str, str]:
    fields: dict[str, str] = {}
    for part in raw.split("&", _MAX_QUERY_FIELDS)[:_MAX_QUERY_FIELDS]:
        name, _, value = part.partition("=")
        if "%" in part or "+" in part:
            name, value = unquote_plus(name), unquote_plus(value)
        if name:
            fields.setdefault(name, value)
    return fields


# Header names in the form they are looked up by; clients use few different ones.
_known_names: dict[bytes, str] = {}


def _name_of(raw: bytes) -> str:
    name = raw.lower().decode("latin-1")
    if len(_known_names) < _MAX_KNOWN_NAMES and len(raw) <= _MAX_KNOWN_BYTES:
        _known_names[raw] = name
    return name


class _Head:
    """Collects what llhttp reports about one head."""

    __slots__ = ("complete", "fields", "headers", "target")

    def __init__(self) -> None:
        self.target = b""
        self.headers: dict[str, str] = {}
        self.fields = 0
        self.complete = 0

    def on_url(self, part: bytes) -> None:
        self.target += part

    def on_header(self, raw_name: bytes, raw_value: bytes) -> None:
        name = _known_names.get(raw_name) or _name_of(raw_name)
        value = raw_value.decode("latin-1")
        self.fields += 1
        if name in self.headers:
            if name in _SINGLE:
                raise BadRequest(400, f"repeated header {name}")
            value = self.headers[name] + ("; " if name == "cookie" else ", ") + value
        self.headers[name] = value

    def on_headers_complete(self) -> None:
        self.complete += 1


def parse_head(data: bytes) -> Request:
    """Parse one whole head, `data` ending with its empty line.

    Raises BadRequest (400, 431, 501 or 505); never anything else, whatever the bytes are.
    """
    head = _Head()
    parser = HttpRequestParser(head)
    upgrade = False
    try:
        parser.feed_data(data)
    except HttpParserUpgrade:
        upgrade = True
    except HttpParserError as exc:
        cause = exc.__context__
        raise cause if isinstance(cause, BadRequest) else BadRequest(400, "bad request") from None
    if head.complete != 1:
        raise BadRequest(400, "bad request")
    if head.fields > MAX_HEADERS:
        raise BadRequest(431, "too many headers")
    # llhttp has checked the request line: METHOD SP target SP HTTP/x.y
    line_end = data.find(b"\r\n")
    version = _VERSIONS.get(data[line_end - 9 : line_end])
    if version is None:
        raise BadRequest(505, "HTTP version not supported")
    path, raw_query = _split_target(head.target)
    method = data[: data.find(b" ")].decode("ascii")
    request = Request(method, path, raw_query, head.headers, version=version)
    if "connection" in head.headers:
        options = head.headers["connection"].lower().replace(" ", "").split(",")
        request.keep_alive = "close" not in options and (
            version == "1.1" or "keep-alive" in options
        )
    request.upgrade = upgrade
    _check_framing(request)
    return request


def _split_target(raw: bytes) -> tuple[str, str]:
    target = raw.decode("latin-1")
    if not target.startswith("/"):
        origin = _ORIGIN(target)
        if origin is None and target != "*":
            raise BadRequest(400, "bad request target")
        target = target[origin.end() :] if origin is not None else target
    path, _, query = target.partition("#")[0].partition("?")
    if "%00" in query:
        raise BadRequest(400, "bad request target")  # no text we keep can hold NUL
    return path or "/", query


def _check_framing(request: Request) -> None:
    headers = request.headers
    if request.version == "1.1" and "host" not in headers:
        raise BadRequest(400, "missing Host header")
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if coding is not None:
        if length is not None or request.version == "1.0":
            raise BadRequest(400, "ambiguous message length")
        if coding.strip().lower() != "chunked":
            raise BadRequest(501, "transfer coding not supported")
    elif length is not None and not _DIGITS(length):
        raise BadRequest(400, "bad Content-Length")


def has_body(request: Request) -> bool:
    """Whether the head announces a body, be it empty."""
    return "content-length" in request.headers or "transfer-encoding" in request.headers


def body_length(request: Request) -> int | None:
    """Bytes of the body to come; None for chunked."""
    if "transfer-encoding" in request.headers:
        return None
    return int(request.headers.get("content-length", "0"))


_REASONS: Final = {status.value: status.phrase for status in HTTPStatus}


class _Date:
    """The Date header, made once a second."""

    second = 0
    line = b""

    @classmethod
    def now(cls) -> bytes:
        now = int(time())
        if now != cls.second:
            cls.second = now
            cls.line = b"\r\ndate: " + formatdate(now, usegmt=True).encode("ascii")
        return cls.line


_starts: dict[tuple[int, str], bytes] = {}


def _start(status: int, content_type: str) -> bytes:
    """Status line and content type, made once for each pair that a surface uses."""
    start = _starts.get((status, content_type))
    if start is None:
        text = f"HTTP/1.1 {status} {_REASONS.get(status, 'Unknown')}\r\n"
        if content_type:
            _check_header("content-type", content_type)
            text += f"content-type: {content_type}\r\n"
        start = text.encode("latin-1")
        if len(_starts) < 1000:
            _starts[status, content_type] = start
    return start


def _check_header(name: str, value: str) -> None:
    if not _TOKEN(name) or not _VALUE(value):
        raise ValueError(f"header {name!r} cannot be sent")


def head_bytes(
    response: Response, *, length: int | None, connection: str = "", extra: bytes = b""
) -> bytes:
    """The head of `response`. `length` None writes no Content-Length (a stream until close).

    Raises ValueError for a header that cannot be written (line breaks, control characters).
    """
    parts = [_start(response.status, response.content_type)]
    if length is not None:
        parts.append(b"content-length: %d" % length)
        parts.append(_Date.now())
    else:
        parts.append(_Date.now()[2:])
    for name, value in response.headers:
        _check_header(name, value)
        parts.append(f"\r\n{name}: {value}".encode("latin-1"))
    if connection:
        parts.append(b"\r\nconnection: " + connection.encode("ascii"))
    parts.append(extra)
    parts.append(b"\r\n\r\n")
    return b"".join(parts)


def response_bytes(response: Response, *, head_only: bool = False, connection: str = "") -> bytes:
    """The whole response on the wire; `head_only` for HEAD, 204 and 304 leaves the body out."""
    if response.status in (204, 304):
        return head_bytes(response, length=None, connection=connection)
    head = head_bytes(response, length=len(response.body), connection=connection)
    return head if head_only else head + response.body
