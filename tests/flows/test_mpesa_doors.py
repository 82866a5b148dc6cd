"""Limits and upgrades (flows FM-07, FM-09), and what is refused over HTTP (MPWS-C05, X-C21)."""

import pytest
import trio
from trio_websocket import open_websocket_url
from websockets.frames import CloseCode
from websockets.sync.client import connect

from protocols.mpesa.surface import LIMITS
from tests.flows.client import World
from tests.flows.mpesa import API, B2C, STK, handshake, line, new_hash, ordered

LARGEST = 16 * 1024 * 1024


@pytest.mark.parametrize("head", [b'{"kind":"push","payload":{"x":"', b'"'])
async def test_a_message_of_16_mib_is_read_and_one_byte_more_is_not(
    world: World, head: bytes
) -> None:
    """FM-07, MPWS-C14: refused as invalid without closing; then 1009."""
    tail = b'"}}' if head.startswith(b"{") else b'"'
    largest = head + b"x" * (LARGEST - len(head) - len(tail)) + tail
    async with line(world, STK + new_hash()) as socket:
        await socket.tell(largest.decode())
        assert (await socket.frame("error"))["code"] == "VALIDATION_ERROR"
        assert (await socket.ask("push", **ordered()))["status"] == "pending"
        await socket.frame("status")
        await socket.tell((largest + b" ").decode())
        assert await socket.closed() == CloseCode.MESSAGE_TOO_BIG


def _round_trip(url: str, compression: str | None) -> tuple[str, str]:
    with connect(url, compression=compression) as socket:
        socket.send('{"kind":"status","payload":{"checkout":"%s"}}' % ("x" * 90))
        reply = socket.recv(5)
        assert socket.response is not None
        return socket.response.headers.get("Sec-WebSocket-Extensions", ""), str(reply)


async def test_compression_is_negotiated_when_it_is_offered(world: World) -> None:
    """FM-07, MPWS-C13: no context is kept between messages; without it all works too."""
    url = str(world.http.base_url).replace("http", "ws", 1) + STK + new_hash()
    for compression in ("deflate", None):
        answer, reply = await trio.to_thread.run_sync(_round_trip, url, compression)
        assert "NOT_FOUND" in reply
        assert ("permessage-deflate" in answer) == (compression is not None)
        assert ("server_no_context_takeover" in answer) == (compression is not None)


def test_silence_lasts_960_seconds() -> None:
    """FM-07, MPWS-C12: pings every 120 s, which a living peer answers."""
    assert (LIMITS.read_timeout, LIMITS.ping_interval, LIMITS.life_by_sending) == (960, 120, True)
    assert LIMITS.max_message == LARGEST


async def test_pings_are_answered_and_binary_frames_are_read_alike(world: World) -> None:
    """The document names JSON, not its framing."""
    async with line(world, STK + new_hash()) as socket:
        await socket.connection.ping(b"x")
        await socket.tell(b'{"kind":"push"}')
        assert (await socket.frame("error"))["field"] == "payload"
        await socket.tell(b"\xff\xfe")
        assert (await socket.frame("error"))["code"] == "INVALID_JSON"


async def test_what_is_no_upgrade_is_an_http_error(world: World) -> None:
    """FM-09, MPWS-057: in the surface's own shape."""
    hash_ = new_hash()
    plain = await world.http.get(STK + hash_)
    assert (plain.status_code, plain.headers["upgrade"]) == (426, "websocket")
    for path, status, code in (
        (STK, 404, "NOT_FOUND"),
        (B2C, 404, "NOT_FOUND"),
        (STK + "a%20b", 400, "VALIDATION_ERROR"),
        (STK + "a%2Fb", 400, "VALIDATION_ERROR"),
        (STK + "x" * 129, 400, "VALIDATION_ERROR"),
        (STK + "%C3%A4", 400, "VALIDATION_ERROR"),
        (STK + "%00", 400, "VALIDATION_ERROR"),
        (B2C + "%00", 400, "VALIDATION_ERROR"),
    ):
        answer = await handshake(world, path)
        body = answer.json()
        assert (answer.status_code, body["success"], body["error"]["code"]) == (
            status,
            False,
            code,
        ), path
    async with line(world, STK + "x" * 120 + "._~-") as socket:
        await socket.connection.ping()


@pytest.mark.parametrize(
    ("content", "status", "code", "field"),
    [
        (b"{", 400, "INVALID_JSON", None),
        (b"", 400, "INVALID_JSON", None),
        (b"[" * 60_000, 400, "INVALID_JSON", None),
        (b"[]", 400, "VALIDATION_ERROR", None),
        (b"{}", 400, "VALIDATION_ERROR", "phone"),
        (b'{"phone":"254712345678"}', 400, "VALIDATION_ERROR", "amount"),
        (b'{"phone":"254712345678","amount":1e400}', 400, "VALIDATION_ERROR", "amount"),
        (b'{"payload":5}', 400, "VALIDATION_ERROR", "payload"),
        (b'{"phone":"254712345678","amount":5,"hash":"a b"}', 400, "VALIDATION_ERROR", "hash"),
        (b"x" * 65_537, 413, "VALIDATION_ERROR", None),
    ],
)
@pytest.mark.parametrize("path", ["/stk/push", "/b2c/queue/some-hash"])
async def test_wrong_bodies_are_refused_in_shape(
    world: World, path: str, content: bytes, status: int, code: str, field: str | None
) -> None:
    """MPWS-C05, X-C21; the server goes on serving."""
    if b"hash" in content and "queue" in path:
        return
    answer = await world.http.post(API + path, content=content)
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error.get("field")) == (status, code, field)


async def test_unknown_paths_and_methods_are_refused_in_shape(world: World) -> None:
    """X-C21."""
    for method, path, status in (
        ("GET", f"{API}/stk/push", 405),
        ("POST", f"{API}/nope", 404),
        ("PUT", f"{API}/b2c/queue/x", 405),
        ("POST", f"{API}/b2c/queue/a%20b", 400),
        ("POST", f"{API}/stk/callback/a%20b", 400),
    ):
        answer = await world.http.request(method, path, json=ordered())
        assert answer.status_code == status, path
        assert "html" not in answer.text


async def test_texts_may_not_hold_what_storage_cannot(world: World) -> None:
    """X-C29: refused before anything else looks at it."""
    async with line(world, STK + new_hash()) as socket:
        for key in ("\0", "", "x" * 256):
            refused = await socket.refused("push", **ordered(idempotency_key=key))
            assert (refused["code"], refused["field"]) == ("VALIDATION_ERROR", "idempotency_key")
        refused = await socket.refused("push", **ordered(description="a\0b"))
        assert refused["field"] == "description"
        pushed = await socket.ask("push", **ordered(description='ünï"code\n'))
        assert pushed["description"] == 'ünï"code\n'
        assert (await socket.frame("status"))["status"] == "completed"


async def test_the_first_message_needs_no_welcome(world: World) -> None:
    """MPWS-059: the examples send as soon as the socket is open."""
    url = str(world.http.base_url).replace("http", "ws", 1) + STK + new_hash()
    async with open_websocket_url(url) as connection:
        await connection.send_message('{"kind":"status","payload":{"checkout":"ws_CO_1"}}')
        assert "NOT_FOUND" in await connection.get_message()
