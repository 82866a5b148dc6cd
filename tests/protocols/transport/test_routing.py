"""Which surface answers: prefix, Host header, parameters, methods, CORS and hooks."""

from ipaddress import ip_network

import pytest

from protocols.dispatch import forwarded_client
from protocols.http import Request, Response
from protocols.router import Router, Table
from protocols.sockets import SocketRoute
from protocols.web import Cors, ErrorKind, Route, Surface, invalid_field, plain_error
from tests.protocols.transport.support import Bed, ask, body_of, shape, status_of


def request(line: str, *headers: str) -> bytes:
    lines = [f"{line} HTTP/1.1", *headers, "Connection: close", "", ""]
    if not any(header.startswith("Host:") for header in headers):
        lines.insert(1, "Host: localhost")
    return "\r\n".join(lines).encode()


async def nothing(request: Request) -> Response:
    return Response()


def table(*paths: str) -> Table:
    routes = tuple(Route("GET", path, nothing) for path in paths)
    return Table(Surface(name="s", prefix="/s", render_error=plain_error, routes=routes))


async def test_parameters_are_decoded_and_a_literal_wins_over_a_parameter():
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, request("GET /echo/things/a%2Fb%20c/parts/%C3%A9"))
        assert body_of(answer) == {"id": "a/b c", "part": "é"}
        answer = await ask(server, request("GET /echo/things/new/parts/1"))
        assert body_of(answer)["hello"] == "you"


def test_a_nul_in_a_path_is_read_like_broken_utf_8():
    """No text we keep can hold it; the surface still says itself what it thinks of such a name."""
    paths = table("/a/:x", "/b")
    assert paths.find("/a/%00")[1] == paths.find("/a/%ff")[1] == {"x": "\ufffd"}
    assert paths.find("/b%00") is None


def test_the_tree_comes_back_from_a_literal_that_leads_nowhere():
    paths = table("/a/:x/c", "/a/b/:y", "/a/b")
    assert paths.find("/a/b/c")[1] == {"y": "c"}
    assert table("/a/:x/c", "/a/b/d").find("/a/b/c")[1] == {"x": "b"}
    assert paths.find("/a/b")[1] == {}
    assert paths.find("/%61/b") is not None


@pytest.mark.parametrize("path", ["/a", "/a/", "/a//c", "/a/b/", "/a/b/c/d", "/", "", "a/b"])
def test_an_empty_segment_is_no_value_and_a_trailing_slash_another_path(path: str):
    assert table("/a/:x/c", "/a/b/:y", "/a/b").find(path) is None


def test_a_table_that_contradicts_itself_is_refused_at_start():
    for paths in (("/a", "/a"), ("/a/:x", "/a/:y"), ("a",)):
        with pytest.raises(ValueError, match="s: "):
            table(*paths)

    async def admit(request: Request) -> Response:
        return Response()

    with pytest.raises(ValueError, match="two endpoints"):
        Table(
            Surface(
                name="s",
                prefix="/s",
                render_error=plain_error,
                routes=(Route("GET", "/a", nothing),),
                sockets=(SocketRoute("/a", admit),),
            )
        )
    surfaces = [Surface(name=n, prefix="/s", render_error=plain_error) for n in "ab"]
    with pytest.raises(ValueError, match="prefix"):
        Router(surfaces, Surface(name="root", prefix="", render_error=plain_error))


def test_a_host_wins_over_a_prefix_that_its_own_paths_begin_with():
    """The M-Pesa surface's paths begin with /mpesa below its prefix /mpesa."""
    surface = Surface(
        name="mpesa",
        prefix="/mpesa",
        hosts=("mpesa.example",),
        render_error=plain_error,
        routes=(Route("GET", "/mpesa/stk/:hash", nothing),),
    )
    root = Surface(
        name="root",
        prefix="",
        render_error=plain_error,
        routes=(Route("GET", "/healthz", nothing),),
    )
    router = Router([surface], root)

    def find(path: str, host: str) -> tuple[str | None, bool]:
        found = router.find(Request("GET", path, headers={"host": host}))
        return found.surface.name if found.surface else None, found.endpoint is not None

    assert find("/mpesa/stk/h1", "mpesa.example:3000") == ("mpesa", True)
    assert find("/mpesa/mpesa/stk/h1", "mpesa.example") == ("mpesa", True)
    assert find("/mpesa/mpesa/stk/h1", "localhost") == ("mpesa", True)
    assert find("/mpesa/stk/h1", "localhost") == ("mpesa", False)
    assert find("/unknown", "mpesa.example") == ("mpesa", False)
    assert find("/healthz", "mpesa.example") == ("root", True)
    assert find("/unknown", "localhost") == (None, False)
    assert find("/mpesax", "localhost") == (None, False)


@pytest.mark.parametrize(
    ("line", "host", "status", "surface", "kind"),
    [
        ("GET /echo/unknown", "localhost", 404, "echo", "NOT_FOUND"),
        ("GET /echo", "localhost", 404, "echo", "NOT_FOUND"),
        ("GET /other/hello", "localhost", 404, "other", "NOT_FOUND"),
        ("GET /unknown", "localhost", 404, "root", "NOT_FOUND"),
        ("GET /unknown", "echo.example", 404, "echo", "NOT_FOUND"),
        ("GET /echo/../../etc/passwd", "localhost", 404, "echo", "NOT_FOUND"),
        ("DELETE /echo/hello", "localhost", 405, "echo", "METHOD_NOT_ALLOWED"),
        ("POST /healthz", "localhost", 405, "root", "METHOD_NOT_ALLOWED"),
    ],
)
async def test_framework_errors_have_the_shape_of_the_surface(
    line: str, host: str, status: int, surface: str, kind: str
):
    """X-C21."""
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, request(line, f"Host: {host}"))
        assert status_of(answer) == status
        assert body_of(answer)["surface"] == surface
        assert body_of(answer)["kind"] == kind
        assert (b"Allow: GET, HEAD, OPTIONS" in answer) == (status == 405)


async def test_a_host_reaches_its_surface_without_the_prefix():
    bed = Bed()
    async with bed.running() as server:
        for host in ("echo.example", "ECHO.example:3000"):
            answer = await ask(server, request("GET /hello", f"Host: {host}"))
            assert status_of(answer) == 200
        assert status_of(await ask(server, request("GET /hello"))) == 404


async def test_head_is_get_without_a_body():
    bed = Bed()
    async with bed.running() as server:
        full = await ask(server, request("GET /echo/hello"))
        head = await ask(server, request("HEAD /echo/hello"))
        assert head.endswith(b"\r\n\r\n")
        length = b"content-length: %d" % len(full.partition(b"\r\n\r\n")[2])
        assert length in full
        assert length in head
        assert (await ask(server, request("HEAD /echo/unknown"))).endswith(b"\r\n\r\n")


@pytest.mark.expects_error_log
async def test_a_preflight_is_answered_on_every_path_and_answers_are_exposed():
    """X-C25."""
    bed = Bed()
    bed.surface_options["cors"] = Cors(origins=("*",))
    async with bed.running() as server:
        answer = await ask(
            server,
            request(
                "OPTIONS /echo/greet", "Origin: https://a.example",
                "Access-Control-Request-Method: POST",
            ),
        )  # fmt: skip
        assert status_of(answer) == 204
        assert b"Access-Control-Allow-Origin: *" in answer
        assert b"Access-Control-Allow-Methods: OPTIONS, POST" in answer
        assert b"Authorization" in answer
        for path in ("/echo/hello", "/echo/unknown", "/echo/raise"):
            answer = await ask(server, request(f"GET {path}", "Origin: https://a.example"))
            assert b"Access-Control-Allow-Origin: *" in answer
            assert b"Access-Control-Expose-Headers: X-RateLimit-Limit" in answer
            assert b"Allow-Credentials" not in answer
        assert b"Access-Control" not in await ask(server, request("GET /echo/hello"))


async def test_only_the_configured_origins_are_let_in():
    """X-C25."""
    bed = Bed()
    bed.surface_options["cors"] = Cors(origins=("https://a.example",))
    async with bed.running() as server:
        answer = await ask(server, request("GET /echo/hello", "Origin: https://a.example"))
        assert b"Access-Control-Allow-Origin: https://a.example" in answer
        answer = await ask(server, request("GET /echo/hello", "Origin: https://b.example"))
        assert b"Access-Control-Allow-Origin" not in answer
        assert b"Vary: Origin" in answer


async def test_hooks_run_in_order_and_limits_count_failed_logins_too():
    bed = Bed()
    seen: list[str] = []

    async def authenticate(request: Request, route: Route) -> Response | None:
        seen.append(f"authenticate {route.access}")
        if route.access == "user" and request.bearer != "good":
            return shape("echo")(401, ErrorKind.BAD_REQUEST, "unauthorized")
        request.principal = request.bearer
        return None

    async def limit(request: Request, route: Route) -> Response | None:
        seen.append(f"limit {request.principal}")
        return shape("echo")(429, ErrorKind.OVERLOADED, "") if "slow" in request.raw_query else None

    def finish(request: Request, route: Route | None, response: Response) -> Response:
        seen.append(f"finish {response.status}")
        return response.with_headers(("X-RateLimit-Limit", "10"))

    async def mine(request: Request) -> dict[str, str]:
        return {"principal": request.principal}

    bed.surface_options |= {"authenticate": authenticate, "limit": limit, "finish": finish}
    bed.routes.append(Route("GET", "/mine", mine, access="user"))
    async with bed.running() as server:
        answer = await ask(server, request("GET /echo/mine", "Authorization: Bearer good"))
        assert body_of(answer) == {"principal": "good"}
        assert status_of(await ask(server, request("GET /echo/mine"))) == 401
        assert status_of(await ask(server, request("GET /echo/mine?slow"))) == 429
        answer = await ask(server, request("GET /echo/unknown"))
        assert b"X-RateLimit-Limit: 10" in answer
    assert seen == [
        "authenticate user", "limit good", "finish 200",
        "authenticate user", "limit None", "finish 401",
        "authenticate user", "limit None", "finish 429",
        "finish 404",
    ]  # fmt: skip


async def test_the_forwarded_address_counts_only_behind_a_configured_proxy():
    """X-C20."""
    header = "X-Forwarded-For: 10.9.9.9, 203.0.113.7"
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, request("GET /echo/hello", header))
        assert body_of(answer)["client"] == "127.0.0.1"
    bed.options["trusted_proxies"] = (ip_network("127.0.0.0/8"),)
    async with bed.running() as server:
        answer = await ask(server, request("GET /echo/hello", header))
        assert body_of(answer)["client"] == "203.0.113.7"


@pytest.mark.parametrize(
    ("chain", "peer", "client"),
    [
        ("203.0.113.7", "10.0.0.1", "203.0.113.7"),
        ("1.1.1.1, 203.0.113.7, 10.0.0.2", "10.0.0.1", "203.0.113.7"),
        ("1.1.1.1", "203.0.113.9", "203.0.113.9"),
        ("nonsense", "10.0.0.1", "10.0.0.1"),
        ("10.0.0.3", "10.0.0.1", "10.0.0.3"),
    ],
)
def test_the_client_is_the_last_address_that_is_not_a_proxy(chain: str, peer: str, client: str):
    """X-C20."""
    assert forwarded_client(chain, peer, (ip_network("10.0.0.0/8"),)) == client


@pytest.mark.parametrize(
    ("detail", "field"),
    [
        ("Expected `str`, got `int` - at `$.payload.phone`", "payload.phone"),
        ("Object missing required field `email`", "email"),
        ("Expected `object`, got `array`", None),
    ],
)
def test_the_invalid_member_is_found_in_the_decoders_message(detail: str, field: str | None):
    assert invalid_field(detail) == field
