"""Stopping: what is in flight is finished, sockets hear 1001, then everything is closed."""

import pytest
import trio
from prometheus_client import CollectorRegistry, generate_latest

from protocols.http import Request
from protocols.listener import serve
from protocols.sse import EventStream, Sink
from protocols.web import Route
from tests.protocols.transport.client import CLOSE, TEXT, frame, handshake, websocket
from tests.protocols.transport.support import Bed, ask, body_of, connect, read_all, status_of

CLOSE_HEADERS = b"Host: a\r\nConnection: close\r\n\r\n"


async def test_a_drain_finishes_requests_and_says_goodbye_to_sockets():
    bed = Bed()
    waiting, release = trio.Event(), trio.Event()

    async def wait(request: Request) -> dict[str, bool]:
        waiting.set()
        await release.wait()
        return {"done": True}

    async def source(sink: Sink) -> None:
        sink.send(b"one")
        await trio.sleep_forever()

    async def events(request: Request) -> EventStream:
        return EventStream(source)

    bed.routes += [Route("GET", "/wait", wait), Route("GET", "/events", events)]
    async with bed.running() as server, trio.open_nursery() as nursery:
        async with (
            websocket(server) as client,
            await connect(server) as busy,
            await connect(server) as idle,
            await connect(server) as streaming,
        ):
            await busy.send_all(b"GET /echo/wait HTTP/1.1\r\nHost: a\r\n\r\n")
            await streaming.send_all(b"GET /echo/events HTTP/1.1\r\nHost: a\r\n\r\n")
            await waiting.wait()
            while not server.traffic.streams:
                await trio.sleep(0.01)
            nursery.start_soon(server.drain, 5)
            assert await client.closing() == (1001, "server stopping")
            assert await read_all(idle) == b""
            assert (await read_all(streaming)).endswith(b"data: one\n\n")

            answer = await ask(server, b"GET /healthz HTTP/1.1\r\n" + CLOSE_HEADERS)
            assert status_of(answer) == 503
            answer = await ask(server, b"GET /echo/hello HTTP/1.1\r\n" + CLOSE_HEADERS)
            assert (status_of(answer), body_of(answer)["kind"]) == (503, "OVERLOADED")
            assert status_of(await ask(server, handshake())) == 503

            release.set()
            answer = await read_all(busy)
            assert body_of(answer) == {"done": True}
            assert b"connection: close" in answer
        while server.traffic.connections:
            await trio.sleep(0.01)
        await trio.sleep(0.1)
        with pytest.raises(OSError, match="connect"):
            await connect(server)


async def test_a_drain_does_not_wait_longer_than_its_grace():
    bed = Bed()

    async def never(request: Request) -> None:
        await trio.sleep_forever()

    bed.routes.append(Route("GET", "/never", never))
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(b"GET /echo/never HTTP/1.1\r\nHost: a\r\n\r\n")
        while not server.inflight:
            await trio.sleep(0.01)
        started = trio.current_time()
        await server.drain(0.2)
        assert await read_all(stream) == b""
        assert 0.15 < trio.current_time() - started < 2


async def test_a_handler_in_a_socket_gets_the_grace_too():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(TEXT, b"wait"))
        await bed.log.waiting.wait()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(server.drain, 5)
            await trio.sleep(0.05)
            assert bed.log.events == ["opened"]
            bed.log.release.set()
            assert [(await client.receive())[0] for _ in range(2)] == [TEXT, CLOSE]
    assert bed.log.events == ["opened", "released", "closed"]


async def test_cancelling_the_server_still_says_1001():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"hello")
        await client.message()
        server.scope.cancel()
        assert await client.closing() == (1001, "server stopping")
    assert bed.log.events == ["opened", "closed"]


async def test_serve_returns_after_a_drain_and_frees_the_port():
    registry = CollectorRegistry()
    port = 0
    for _ in range(2):
        async with trio.open_nursery() as nursery:

            async def start(task_status: trio.TaskStatus, port: int = port) -> None:
                await serve(
                    host="127.0.0.1",
                    port=port,
                    surfaces=(),
                    registry=registry,
                    task_status=task_status,
                )

            server = await nursery.start(start)
            port = server.port
            assert status_of(await ask(server, b"GET / HTTP/1.1\r\n" + CLOSE_HEADERS)) == 404
            text = generate_latest(registry).decode()
            assert "daftari_requests_total 1.0" in text
            assert "daftari_connections " in text
            await server.drain(1)
    assert generate_latest(registry) == b""


async def test_a_taken_port_is_an_error_at_start():
    bed = Bed()
    async with bed.running() as server:
        with pytest.raises(OSError, match="in use"):
            await serve(host="127.0.0.1", port=server.port, surfaces=())
