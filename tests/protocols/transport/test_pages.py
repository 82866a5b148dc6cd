"""Pages: what belongs to no route table is served by a Quart application through Hypercorn."""

import httpx
import pytest
import trio
from quart import Response, request
from quart_trio import QuartTrio

from protocols.fallback import request_bytes
from protocols.http import Request as Parsed
from tests.protocols.transport.client import handshake
from tests.protocols.transport.support import Bed, ask, body_of, connect, read_all, status_of


def pages() -> QuartTrio:
    """A small site."""
    app = QuartTrio(__name__)
    app.config["events"] = []

    @app.before_serving
    async def started() -> None:
        app.config["events"].append("started")

    @app.after_serving
    async def stopped() -> None:
        app.config["events"].append("stopped")

    @app.route("/")
    async def index() -> str:
        return "<h1>what runs here</h1>"

    @app.route("/form", methods=["POST"])
    async def form() -> dict[str, str]:
        return dict(await request.form) | {"q": request.args.get("q", "")}

    @app.route("/headers")
    async def headers() -> dict[str, str | None]:
        return {"x-name": request.headers.get("X-Name"), "client": request.remote_addr}

    @app.route("/raise")
    async def fault() -> str:
        raise RuntimeError("a page's own fault")

    @app.route("/large")
    async def large() -> Response:
        return Response("x" * 3_000_000)

    @app.route("/wait")
    async def wait() -> str:
        app.config["events"].append("waiting")
        try:
            await trio.sleep(30)
        except trio.Cancelled:
            app.config["events"].append("cancelled")
            raise
        return ""

    return app


@pytest.fixture
def bed() -> Bed:
    made = Bed()
    made.options["fallback_app"] = pages()
    return made


def get(path: str, *headers: bytes) -> bytes:
    lines = [b"GET %s HTTP/1.1" % path.encode(), b"Host: localhost", *headers]
    return b"\r\n".join([*lines, b"", b""])


async def test_pages_and_endpoints_share_the_port(bed: Bed):
    async with (
        bed.running() as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        for _ in range(2):
            page = await client.get("/")
            assert page.text == "<h1>what runs here</h1>"
            assert page.headers["connection"] == "close"
            assert (await client.get("/echo/hello")).json()["hello"] == "you"
        answer = await client.post("/form?q=a%20b", data={"name": "Ann"})
        assert answer.json() == {"name": "Ann", "q": "a b"}
        assert (await client.get("/unknown")).status_code == 404
        large = await client.get("/large")
        assert len(large.content) == 3_000_000
    assert bed.options["fallback_app"].config["events"] == ["started", "stopped"]


async def test_a_surface_never_answers_with_a_page(bed: Bed):
    """X-C21."""
    async with bed.running() as server:
        answer = await ask(server, get("/echo/unknown", b"Connection: close"))
        assert body_of(answer)["surface"] == "echo"


async def test_one_request_is_handed_over_and_the_connection_closes(bed: Bed):
    async with bed.running() as server:
        answer = await ask(server, get("/") + get("/echo/hello"))
        assert answer.count(b"HTTP/1.1 ") == 1
        assert b"connection: close" in answer.lower()
        assert b"\r\nserver:" not in answer.lower()


async def test_a_chunked_form_reaches_the_page_whole(bed: Bed):
    async with bed.running() as server:
        answer = await ask(
            server,
            b"POST /form HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n"
            b"Content-Type: application/x-www-form-urlencoded\r\n\r\n"
            b"4\r\nname\r\n4\r\n=Ann\r\n0\r\n\r\n",
        )
        assert body_of(answer) == {"name": "Ann", "q": ""}


async def test_non_ascii_headers_and_odd_targets_kill_nothing(bed: Bed):
    async with bed.running() as server:
        answer = await ask(server, get("/headers", "X-Name: Zoë".encode()))
        assert status_of(answer) == 200
        assert body_of(answer)["client"] == "127.0.0.1"
        for hostile in (
            get("/headers", b"X-Name: \xff\xfe\x80"),
            get("/%ff%00%0d%0a"),
            get("/?" + "%ff" * 50),
            get("/", b"Cookie: \xff=\xfe; ;;=", b"Accept-Language: \x80\x81"),
            get("/", b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c",
                b"HTTP2-Settings: AAMAAABkAAQAAP__"),
            get("/", b"Expect: 100-continue", b"TE: trailers", b"Trailer: X"),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            get("/", b"Transfer-Encoding: chunked") + b"zzz\r\n",
            get("/", b"Content-Length: 5"),
        ):  # fmt: skip
            async with await connect(server) as stream:
                await stream.send_all(hostile)
                await stream.send_eof()
                assert not (await read_all(stream)).startswith(b"HTTP/1.1 101")
        assert status_of(await ask(server, get("/"))) == 200
        assert server.traffic.failures == 0


async def test_an_upgrade_never_reaches_the_page_application(bed: Bed):
    async with bed.running() as server:
        assert status_of(await ask(server, handshake("/"))) == 404


@pytest.mark.expects_error_log
async def test_a_failing_page_is_a_500_and_the_server_lives(bed: Bed):
    async with bed.running() as server:
        assert status_of(await ask(server, get("/raise"))) == 500
        assert status_of(await ask(server, get("/"))) == 200


@pytest.mark.expects_error_log
async def test_an_application_that_breaks_the_protocol_breaks_its_connection_only():
    async def broken(scope: dict[str, object], receive: object, send: object) -> None:
        if scope["type"] == "lifespan":
            raise RuntimeError("no lifespan here")
        await send({"type": "nonsense"})  # type: ignore[operator]

    bed = Bed()
    bed.options["fallback_app"] = broken
    async with bed.running() as server:
        for _ in range(2):
            await ask(server, get("/"))
        answer = await ask(server, get("/echo/hello", b"Connection: close"))
        assert status_of(answer) == 200


async def test_a_client_that_leaves_cancels_its_page(bed: Bed):
    events = bed.options["fallback_app"].config["events"]
    async with bed.running() as server:
        async with await connect(server) as stream:
            await stream.send_all(get("/wait"))
            while "waiting" not in events:
                await trio.sleep(0.01)
        while server.traffic.connections:
            await trio.sleep(0.01)
    assert "cancelled" in events


async def test_a_reader_that_stops_does_not_hold_up_the_end(bed: Bed):
    """Hypercorn's own sends are shielded: a slow reader would block shutdown for ever."""
    async with bed.running() as server, await connect(server) as stream:
        await stream.send_all(get("/large"))
        await stream.receive_some(100)
        started = trio.current_time()
        await server.drain(0.2)
        assert trio.current_time() - started < 2


def test_what_is_handed_over_is_one_clean_message():
    parsed = Parsed(
        "POST", "/form", "q=1",
        {"host": "a", "transfer-encoding": "chunked", "upgrade": "h2c", "connection": "upgrade",
         "x-name": "Zo\xeb"},
        b"abc",
    )  # fmt: skip
    assert request_bytes(parsed) == (
        b"POST /form?q=1 HTTP/1.1\r\nhost: a\r\nx-name: Zo\xeb\r\ncontent-length: 3\r\n"
        b"connection: close\r\n\r\nabc"
    )
