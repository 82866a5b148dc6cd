"""The loopback server every simulator stands on, asked by a real HTTP client."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
import trio

from providers.sandbox import server
from providers.sandbox.server import Handler, Hangup, HttpReply, HttpRequest, serve_http


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(lambda task_status: serve_http(handler, task_status=task_status))
        yield f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


async def echo(request: HttpRequest) -> HttpReply:
    text = f"{request.method} {request.path} {request.query} {request.headers.get('x-a')}"
    return HttpReply(201, text.encode() + request.body, "text/plain", (("x-b", "2"),))


async def test_a_request_reaches_the_handler_whole_and_its_reply_comes_back() -> None:
    async with serving(echo) as base, httpx.AsyncClient() as client:
        reply = await client.post(f"{base}/a%20b?c=1&d=", headers={"X-A": "1"}, content=b"!body")
    assert reply.status_code == 201
    assert reply.text == "POST /a b {'c': '1', 'd': ''} 1!body"
    assert reply.headers["x-b"] == "2"
    assert reply.headers["content-type"] == "text/plain"


async def test_one_connection_carries_many_requests() -> None:
    stream_bytes = b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n"
    async with serving(echo) as base:
        stream = await trio.open_tcp_stream("127.0.0.1", int(base.rsplit(":", 1)[1]))
        async with stream:
            for number in range(3):
                await stream.send_all(stream_bytes % number)
                assert f"GET /{number} ".encode() in await stream.receive_some(4096)


async def test_a_handler_that_hangs_up_sends_nothing() -> None:
    async def leave(_request: HttpRequest) -> HttpReply:
        raise Hangup

    async with serving(leave) as base, httpx.AsyncClient() as client:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(base)


@pytest.mark.expects_error_log
async def test_a_handler_that_fails_is_a_500_and_the_server_lives_on() -> None:
    async def fail(_request: HttpRequest) -> HttpReply:
        raise ZeroDivisionError

    async with serving(fail) as base, httpx.AsyncClient() as client:
        assert (await client.get(base)).status_code == 500
        assert (await client.get(base)).status_code == 500


async def test_a_body_beyond_the_bound_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_BODY_BYTES", 10)
    async with serving(echo) as base, httpx.AsyncClient() as client:
        assert (await client.post(base, content=b"x" * 11)).status_code == 413


async def test_bytes_that_are_not_http_are_answered_400_and_closed() -> None:
    async with serving(echo) as base:
        stream = await trio.open_tcp_stream("127.0.0.1", int(base.rsplit(":", 1)[1]))
        async with stream:
            await stream.send_all(b"\x16\x03\x01\x02\x00 hello\r\n\r\n")
            assert (await stream.receive_some(4096)).startswith(b"HTTP/1.1 400")


async def test_a_silent_connection_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.05)
    async with serving(echo) as base:
        stream = await trio.open_tcp_stream("127.0.0.1", int(base.rsplit(":", 1)[1]))
        async with stream:
            with trio.fail_after(2):
                assert await stream.receive_some(4096) == b""
