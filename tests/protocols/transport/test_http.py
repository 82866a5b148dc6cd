"""HTTP over real sockets: from bytes to a handler and back, and what a bad client gets."""

import errno
import socket

import httpx
import pytest
import trio

from protocols.exchange import HttpTiming
from protocols.web import Route
from tests.protocols.transport.support import (
    Bed,
    ask,
    body_of,
    connect,
    read_all,
    read_until,
    status_of,
)

HOST = b"Host: localhost\r\n"
CLOSE = HOST + b"Connection: close\r\n"


async def test_a_get_reaches_its_handler_and_comes_back_as_json():
    bed = Bed()
    async with (
        bed.running() as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        response = await client.get("/echo/hello", params={"name": "Ann & Bob"})
        assert response.status_code == 200
        assert response.json() == {"hello": "Ann & Bob", "client": "127.0.0.1"}
        assert response.headers["content-type"] == "application/json"
        assert "date" in response.headers
        response = await client.post("/echo/greet", json={"name": "Ann", "times": 2})
        assert (response.status_code, response.json()) == (201, {"greeting": "Ann Ann"})


async def test_one_connection_carries_many_requests_in_order():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        for number in range(3):
            await stream.send_all(b"GET /echo/hello?name=%d HTTP/1.1\r\n%s\r\n" % (number, HOST))
            answer = await read_until(stream, b"}")
            assert body_of(answer)["hello"] == str(number)
        assert server.traffic.accepted == 1


async def test_pipelined_requests_are_answered_in_order():
    bed = Bed()
    async with bed.running() as server:
        requests = b"".join(
            b"POST /echo/bytes HTTP/1.1\r\n%sContent-Length: %d\r\n\r\n%s" % (HOST, n, b"x" * n)
            for n in range(20)
        )
        answer = await ask(server, requests + b"GET /echo/hello HTTP/1.1\r\n" + CLOSE + b"\r\n")
        sizes = [f'{{"bytes":{n}}}'.encode() for n in range(20)]
        positions = [answer.index(size) for size in sizes]
        assert positions == sorted(positions)
        assert answer.endswith(b'{"hello":"you","client":"127.0.0.1"}')


async def test_a_request_that_arrives_byte_by_byte_is_one_request():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        body = b"4\r\nabcd\r\n3;x=y\r\nefg\r\n0\r\n\r\n"
        request = b"\r\nPOST /echo/bytes HTTP/1.1\r\n" + CLOSE
        for byte in request + b"Transfer-Encoding: chunked\r\n\r\n" + body:
            await stream.send_all(bytes([byte]))
        assert body_of(await read_all(stream)) == {"bytes": 7}


async def test_expect_100_continue_is_answered_before_the_body():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        head = b"POST /echo/bytes HTTP/1.1\r\n" + CLOSE + b"Expect: 100-continue\r\n"
        await stream.send_all(head + b"Content-Length: 3\r\n\r\n")
        assert await read_until(stream, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        await stream.send_all(b"abc")
        assert body_of(await read_all(stream)) == {"bytes": 3}


@pytest.mark.parametrize("expect", [b"", b"Expect: 100-continue\r\n"])
async def test_a_body_one_byte_over_the_limit_is_413_without_being_read(expect: bytes):
    """X-C21."""
    bed = Bed()
    async with bed.running() as server:
        head = b"POST /echo/bytes HTTP/1.1\r\n" + CLOSE + expect
        within = await ask(server, head + b"Content-Length: 100\r\n\r\n" + b"x" * 100)
        assert body_of(within) == {"bytes": 100}
        answer = await ask(server, head + b"Content-Length: 101\r\n\r\n")
        assert status_of(answer) == 413
        assert body_of(answer)["surface"] == "echo"
        assert body_of(answer)["kind"] == "TOO_LARGE"
        chunked = head + b"Transfer-Encoding: chunked\r\n\r\n65\r\n" + b"x" * 101
        assert b"413" in await ask(server, chunked)


async def test_an_unknown_path_is_404_however_large_the_body():
    bed = Bed()
    async with bed.running() as server:
        for path, status in ((b"unknown", 404), (b"hello", 405)):
            head = b"POST /echo/%s HTTP/1.1\r\n" % path + HOST + b"Content-Length: 200000\r\n\r\n"
            assert status_of(await ask(server, head + b"x" * 200_000)) == status


async def test_the_refusal_of_a_large_body_survives_the_bytes_still_coming():
    bed = Bed()
    async with bed.running() as server:
        head = b"POST /echo/bytes HTTP/1.1\r\n" + CLOSE + b"Content-Length: 300000\r\n\r\n"
        assert status_of(await ask(server, head + b"x" * 300_000)) == 413


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b'{"name":"Ann"}', None, 201),
        (b'{"name":', "MALFORMED", 400),
        (b"", "MALFORMED", 400),
        (b'{"name":1, nonsense', "MALFORMED", 400),
        (b"\xff", "MALFORMED", 400),
        (b'{"name":"\xff"}', "MALFORMED", 400),
        (b'{"\xff":1}', "MALFORMED", 400),
        (b"[" * 5000, "MALFORMED", 400),
        (b'{"name":1}', "INVALID", 400),
        (b"{}", "INVALID", 400),
        (b"[]", "INVALID", 400),
    ],
)
async def test_malformed_json_and_invalid_members_are_told_apart(
    body: bytes, kind: str | None, status: int
):
    """X-C21."""
    bed = Bed()
    async with bed.running() as server:
        head = b"POST /echo/greet HTTP/1.1\r\n" + CLOSE
        answer = await ask(server, head + b"Content-Length: %d\r\n\r\n" % len(body) + body)
        assert status_of(answer) == status
        assert body_of(answer).get("kind") == kind


async def test_an_optional_body_may_be_absent():
    bed = Bed()
    async with bed.running() as server:
        head = b"POST /echo/maybe HTTP/1.1\r\n" + CLOSE
        assert body_of(await ask(server, head + b"\r\n")) == {"name": None}
        answer = await ask(server, head + b'Content-Length: 14\r\n\r\n{"name":"Ann"}')
        assert body_of(answer) == {"name": "Ann"}


@pytest.mark.expects_error_log
async def test_a_failing_handler_is_a_500_in_the_surfaces_shape_and_the_connection_lives(
    caplog: pytest.LogCaptureFixture,
):
    """X-C21."""
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(b"GET /echo/raise HTTP/1.1\r\n" + HOST + b"\r\n")
        answer = await read_until(stream, b"}")
        assert status_of(answer) == 500
        assert body_of(answer) == {
            "surface": "echo",
            "kind": "INTERNAL",
            "detail": "internal error",
        }
        await stream.send_all(b"GET /echo/hello HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert status_of(await read_all(stream)) == 200
    assert [record.levelname for record in caplog.records].count("ERROR") == 1


@pytest.mark.expects_error_log
async def test_a_failing_hook_is_a_500_too():
    bed = Bed()
    bed.surface_options["finish"] = lambda request, route, response: 1 / 0
    async with bed.running() as server:
        answer = await ask(server, b"GET /echo/hello HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert (status_of(answer), body_of(answer)["kind"]) == (500, "INTERNAL")


@pytest.mark.expects_error_log
async def test_a_header_with_a_line_break_cannot_leave_the_server():
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, b"GET /echo/bad-header HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert status_of(answer) == 500
        assert b"Set-Cookie" not in answer


async def test_http_1_0_closes_unless_it_asks_for_more():
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, b"GET /echo/hello HTTP/1.0\r\n\r\n")
        assert b"connection: close" in answer
        async with await connect(server) as stream:
            request = b"GET /echo/hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
            for _ in range(2):
                await stream.send_all(request)
                assert b"connection: keep-alive" in await read_until(stream, b"}")


@pytest.mark.parametrize(
    ("request_bytes", "status", "surface"),
    [
        (b"GET /echo/hello HTTP/1.1\r\n\r\n", 400, "echo"),
        (b"GET /other/x HTTP/1.1\r\nHost : a\r\n\r\n", 400, "other"),
        (b"GET / HTTP/3.0\r\n\r\n", 400, "root"),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400, "root"),
        (b"GET /echo/hello HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 17_000, 431, "echo"),
        (
            b"POST /echo/bytes HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            400,
            "echo",
        ),
        (
            b"POST /echo/bytes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
            400,
            "echo",
        ),
        (b"CONNECT example.com:443 HTTP/1.1\r\nHost: a\r\n\r\n", 400, "root"),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 404, "root"),
    ],
)
async def test_bad_heads_are_refused_and_the_connection_is_closed(
    request_bytes: bytes, status: int, surface: str
):
    """X-C21: in the shape of the surface whose prefix can be read."""
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, request_bytes)
        assert status_of(answer) == status
        assert body_of(answer)["surface"] == surface
        assert answer.count(b"HTTP/1.1 ") == 1


async def test_a_smuggled_request_is_never_executed():
    bed = Bed()
    async with bed.running() as server:
        smuggle = b"GET /echo/raise HTTP/1.1\r\nHost: a\r\n\r\n"
        answer = await ask(
            server,
            b"POST /echo/bytes HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggle,
        )
        assert answer.count(b"HTTP/1.1") == 1
        assert server.traffic.requests == 0


async def test_a_head_that_never_ends_is_408():
    bed = Bed()
    bed.options["timing"] = HttpTiming(head=0.15, linger=0.1)
    async with bed.running() as server, await connect(server) as stream:
        started = trio.current_time()
        answer = b""
        await stream.send_all(b"GET /echo/hello HTTP/1.1\r\nHost: a\r\n")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(_drip, stream)
            answer = await read_all(stream)
            nursery.cancel_scope.cancel()
        assert 0.1 < trio.current_time() - started < 1
        assert status_of(answer) == 408


async def _drip(stream: trio.SocketStream) -> None:
    """A slow loris: one header byte at a time, for ever."""
    try:
        while True:
            await stream.send_all(b"x")
            await trio.sleep(0.01)
    except trio.BrokenResourceError:
        pass


async def test_a_connection_that_says_nothing_is_closed():
    bed = Bed()
    bed.options["timing"] = HttpTiming(head=0.1)
    async with bed.running() as server, await connect(server) as stream:
        assert await read_all(stream) == b""
        assert server.traffic.connections <= 1


async def test_an_idle_connection_is_closed_and_an_idle_head_gets_its_own_time():
    bed = Bed()
    bed.options["timing"] = HttpTiming(head=0.1, idle=0.3, linger=0.1)
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(b"GET /echo/hello HTTP/1.1\r\n" + HOST + b"\r\n")
        await read_until(stream, b"}")
        await trio.sleep(0.15)  # longer than a head may take
        await stream.send_all(b"GET /echo/hello HTTP/1.1\r\n" + HOST + b"\r\n")
        await read_until(stream, b"}")
        assert await read_all(stream) == b""


async def test_a_body_that_never_comes_is_408():
    bed = Bed()
    bed.options["timing"] = HttpTiming(body=0.1)
    async with bed.running() as server, await connect(server) as stream:
        head = b"POST /echo/bytes HTTP/1.1\r\n" + HOST
        await stream.send_all(head + b"Content-Length: 10\r\n\r\nabc")
        assert status_of(await read_all(stream)) == 408


async def test_a_client_that_closes_its_half_still_gets_its_answer():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(b"GET /echo/hello HTTP/1.1\r\n" + HOST + b"\r\n")
        await stream.send_eof()
        assert status_of(await read_all(stream)) == 200


async def test_a_half_open_connection_without_a_request_is_closed():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_eof()
        assert await read_all(stream) == b""


async def test_a_client_that_does_not_read_its_answer_is_dropped():
    bed = Bed()
    bed.options["timing"] = HttpTiming(write=0.2)

    async def large(request: object) -> dict[str, str]:
        return {"large": "x" * 20_000_000}

    bed.routes.append(Route("GET", "/large", large))
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(b"GET /echo/large HTTP/1.1\r\n" + HOST + b"\r\n")
        while not server.traffic.requests or server.traffic.connections:
            await trio.sleep(0.01)
        assert len(await read_all(stream)) < 20_000_000


async def test_too_many_requests_at_once_are_refused_with_503():
    bed = Bed()
    bed.options["max_inflight"] = 1
    waiting, release = trio.Event(), trio.Event()

    async def wait(request: object) -> dict[str, bool]:
        waiting.set()
        await release.wait()
        return {"done": True}

    bed.routes.append(Route("GET", "/wait", wait))
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(b"GET /echo/wait HTTP/1.1\r\n" + CLOSE + b"\r\n")
        await waiting.wait()
        answer = await ask(server, b"GET /echo/hello HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert status_of(answer) == 503
        assert body_of(answer)["kind"] == "OVERLOADED"
        assert b"Retry-After: 1" in answer
        release.set()
        assert body_of(await read_all(stream)) == {"done": True}


async def test_connections_over_the_maximum_are_closed_at_once():
    bed = Bed()
    bed.options["max_connections"] = 2
    async with bed.running() as server:
        kept = [await connect(server) for _ in range(2)]
        while server.traffic.connections < 2:
            await trio.sleep(0.01)
        async with await connect(server) as stream:
            assert await read_all(stream) == b""
        for stream in kept:
            await stream.aclose()
        while server.traffic.connections:
            await trio.sleep(0.01)
        answer = await ask(server, b"GET /echo/hello HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert status_of(answer) == 200


async def test_the_listener_survives_running_out_of_descriptors(monkeypatch: pytest.MonkeyPatch):
    bed = Bed()
    real, failures = socket.socket.accept, iter([errno.EMFILE, errno.ECONNABORTED, errno.ENFILE])

    def accept(self: socket.socket) -> object:
        failure = next(failures, None)
        if failure is not None:
            raise OSError(failure, "injected")
        return real(self)

    async with bed.running() as server:
        monkeypatch.setattr(socket.socket, "accept", accept)
        answer = await ask(server, b"GET /echo/hello HTTP/1.1\r\n" + CLOSE + b"\r\n")
        assert status_of(answer) == 200
