"""Server-sent events: framing, bounds, disconnects."""

import httpx
import pytest
import trio
from hypothesis import given
from hypothesis import strategies as st

from protocols.http import Request
from protocols.sse import EventStream, Sink, StreamLimits, encode_event
from protocols.web import Cors, Route
from tests.protocols.transport.support import Bed, connect, read_all, read_until, status_of

GET = b"GET /echo/events HTTP/1.1\r\nHost: localhost\r\n"


class Streams:
    """A source that tests drive by hand."""

    def __init__(self, bed: Bed, limits: StreamLimits | None = None) -> None:
        self.sinks: list[Sink] = []
        self.ended: list[str] = []
        self.stop = trio.Event()
        self._limits = limits or StreamLimits()
        bed.routes.append(Route("GET", "/events", self.handler))

    async def handler(self, request: Request) -> EventStream:
        return EventStream(self.source, (("X-Stream", "yes"),), self._limits)

    async def source(self, sink: Sink) -> None:
        self.sinks.append(sink)
        try:
            sink.send(b'{"counter":1}', event="heartbeat", id="1", retry=3000)
            await self.stop.wait()
            self.ended.append("returned")
        except trio.Cancelled:
            self.ended.append("cancelled")
            raise

    async def sink(self, count: int = 1) -> Sink:
        while len(self.sinks) < count:
            await trio.sleep(0.01)
        return self.sinks[-1]


async def test_a_stream_opens_with_the_right_head_and_events_follow_as_they_come():
    """AMKT-C35."""
    bed = Bed()
    bed.surface_options["cors"] = Cors(origins=("*",))
    streams = Streams(bed)
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(GET + b"Origin: https://a.example\r\nLast-Event-ID: 41\r\n\r\n")
        head = await read_until(stream, b"\n\n")
        assert status_of(head) == 200
        for line in (
            b"content-type: text/event-stream; charset=utf-8",
            b"Cache-Control: no-cache",
            b"X-Accel-Buffering: no",
            b"X-Stream: yes",
            b"connection: close",
            b"Access-Control-Allow-Origin: *",
        ):
            assert line in head.split(b"\r\n")
        event = b'id: 1\nevent: heartbeat\nretry: 3000\ndata: {"counter":1}\n\n'
        assert head.endswith(b"\r\n\r\n" + event)
        sink = await streams.sink()
        assert sink.last_event_id == "41"
        sink.send(b"two")
        assert await read_until(stream, b"\n\n") == b"data: two\n\n"
        assert server.traffic.streams == 1


async def test_a_library_client_reads_events():
    bed = Bed()
    streams = Streams(bed)
    async with bed.running() as server, httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{server.port}/echo/events"
        async with client.stream("GET", url) as response:
            lines = response.aiter_lines()
            assert [await anext(lines) for _ in range(2)] == ["id: 1", "event: heartbeat"]
            streams.stop.set()
            assert [line async for line in lines] == ["retry: 3000", 'data: {"counter":1}', ""]


async def test_a_source_that_returns_ends_the_stream_after_what_is_queued():
    bed = Bed()
    streams = Streams(bed)
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(GET + b"\r\n")
        sink = await streams.sink()
        sink.send(b"last")
        streams.stop.set()
        assert (await read_all(stream)).endswith(b"data: last\n\n")
    assert streams.ended == ["returned"]


async def test_closing_the_sink_ends_the_stream_and_its_source():
    """X-C26: a token that expires ends the stream."""
    bed = Bed()
    streams = Streams(bed)
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(GET + b"\r\n")
        sink = await streams.sink()
        sink.send(b"last")
        sink.close()
        sink.send(b"dropped")
        assert (await read_all(stream)).endswith(b"data: last\n\n")
        assert sink.closed
        assert server.traffic.streams == 0
    assert streams.ended == ["cancelled"]


async def test_a_client_that_leaves_is_noticed_at_once():
    bed = Bed()
    streams = Streams(bed)
    async with bed.running() as server:
        async with await connect(server) as stream:
            await stream.send_all(GET + b"\r\n")
            await read_until(stream, b"\n\n")
        while server.traffic.connections:
            await trio.sleep(0.01)
        sink = await streams.sink()
        assert sink.closed
        sink.send(b"dropped")
    assert streams.ended == ["cancelled"]


async def test_a_listener_that_does_not_read_is_disconnected_and_nobody_waits():
    """X-C27."""
    for limits in (
        StreamLimits(max_bytes=100_000),
        StreamLimits(max_events=50, max_bytes=10**9),
        StreamLimits(max_events=10**9, max_bytes=10**9, write_timeout=0.2),
    ):
        bed = Bed()
        streams = Streams(bed, limits)
        async with bed.running() as server, await connect(server) as stream:
            await stream.send_all(GET + b"\r\n")
            sink = await streams.sink()
            started = trio.current_time()
            while not sink.closed:
                sink.send(b"x" * 10_000)
                await trio.sleep(0.001)
            assert trio.current_time() - started < 4
            assert server.traffic.slow_consumers == 1
            assert b"data: x" in await read_all(stream)
        assert streams.ended == ["cancelled"]


@pytest.mark.expects_error_log
async def test_a_failing_source_ends_its_own_stream_only():
    bed = Bed()

    async def source(sink: Sink) -> None:
        sink.send(b"one")
        raise RuntimeError("a source's own fault")

    async def handler(request: Request) -> EventStream:
        return EventStream(source)

    bed.routes.append(Route("GET", "/events", handler))
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(GET + b"\r\n")
        assert (await read_all(stream)).endswith(b"data: one\n\n")
        assert (server.traffic.failures, server.traffic.streams) == (1, 0)


async def test_head_of_a_stream_has_no_body():
    bed = Bed()
    Streams(bed)
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(GET.replace(b"GET", b"HEAD") + b"\r\n")
        assert (await read_all(stream)).endswith(b"\r\n\r\n")


async def test_many_listeners_get_every_event_in_order():
    bed = Bed()
    streams = Streams(bed)
    async with bed.running() as server:
        clients = [await connect(server) for _ in range(200)]
        for client in clients:
            await client.send_all(GET + b"\r\n")
        await streams.sink(200)
        for number in range(20):
            for sink in streams.sinks:
                sink.send(b"%d" % number)
        for sink in streams.sinks:
            sink.close()
        expected = b"".join(b"data: %d\n\n" % number for number in range(20))
        for client in clients:
            assert (await read_all(client)).endswith(expected)
            await client.aclose()
        assert server.traffic.slow_consumers == 0


@pytest.mark.parametrize("bad", ["a\nb", "a\rb", "a\0b"])
def test_an_id_or_event_cannot_forge_an_event(bad: str):
    for name in ("id", "event"):
        with pytest.raises(ValueError, match="single lines"):
            encode_event(b"x", **{name: bad})


@given(st.text(max_size=100))
def test_any_data_is_one_event_and_reads_back_with_plain_line_feeds(text: str):
    wire = encode_event(text.encode(), event="e", id="1").decode()
    assert wire.endswith("\n\n")
    assert "\n\n" not in wire[:-2]
    assert "\r" not in wire
    lines = [line.removeprefix("data: ") for line in wire[:-2].split("\n")[2:]]
    assert "\n".join(lines) == text.replace("\r\n", "\n").replace("\r", "\n")
