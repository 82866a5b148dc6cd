"""The opening handshake: who gets a socket, and what everybody else gets."""

import pytest
from trio_websocket import open_websocket_url

from protocols.sockets import SocketLimits, offered_subprotocols
from tests.protocols.transport.client import ACCEPT, TEXT, RawSocket, frame, handshake, websocket
from tests.protocols.transport.support import Bed, ask, body_of, connect, status_of


async def test_an_upgrade_is_accepted_with_the_right_key():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        assert b"Sec-WebSocket-Accept: " + ACCEPT in client.head
        assert b"Sec-WebSocket-Extensions" not in client.head
        assert b"Sec-WebSocket-Protocol" not in client.head


@pytest.mark.parametrize(
    ("request_bytes", "status", "kind"),
    [
        (handshake(Sec_WebSocket_Key=""), 400, "BAD_REQUEST"),
        (handshake(Sec_WebSocket_Key="short"), 400, "BAD_REQUEST"),
        (handshake(Sec_WebSocket_Key="not base64 at all!"), 400, "BAD_REQUEST"),
        (handshake(Sec_WebSocket_Version=""), 400, "BAD_REQUEST"),
        (handshake(Sec_WebSocket_Version="8"), 400, "BAD_REQUEST"),
        (handshake(Connection="keep-alive"), 426, "UPGRADE_REQUIRED"),
        (handshake(Upgrade="websocket, h2c"), 426, "UPGRADE_REQUIRED"),
        (handshake(Upgrade="h2c"), 426, "UPGRADE_REQUIRED"),
        (handshake(Upgrade="", Connection=""), 426, "UPGRADE_REQUIRED"),
        (handshake().replace(b"GET", b"POST"), 405, "BAD_REQUEST"),
        (handshake().replace(b"HTTP/1.1", b"HTTP/1.0"), 505, "BAD_REQUEST"),
        (handshake("/echo/unknown"), 404, "NOT_FOUND"),
        (handshake("/echo/hello"), 404, "NOT_FOUND"),
        (handshake("/echo/echo/"), 404, "NOT_FOUND"),
        (handshake("/echo/ws", "Sec-WebSocket-Extensions: =;,"), 400, "BAD_REQUEST"),
        (handshake("/echo/echo/a b"), 400, "BAD_REQUEST"),
    ],
)
async def test_a_wrong_handshake_is_refused_in_the_surfaces_shape(
    request_bytes: bytes, status: int, kind: str
):
    """FM-09, X-C21."""
    bed = Bed()
    bed.limits = SocketLimits(deflate=True)
    async with bed.running() as server:
        answer = await ask(server, request_bytes.replace(b"Host", b"Connection: close\r\nHost"))
        assert status_of(answer) == status
        assert body_of(answer)["surface"] == "echo"
        assert body_of(answer)["kind"] == kind
        if b"Version: 8" in request_bytes:
            assert b"Sec-WebSocket-Version: 13" in answer
    assert bed.log.events == []


async def test_an_upgrade_outside_every_surface_is_404_and_never_a_page():
    bed = Bed()
    async with bed.running() as server:
        assert status_of(await ask(server, handshake("/anything"))) == 404


async def test_a_refusal_by_the_surface_comes_before_the_upgrade():
    """CASH-C01."""
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, handshake("/echo/ws?token=wrong") + frame(TEXT, b"early"))
        assert status_of(answer) == 401
        assert b"content-type: application/json" in answer
        assert body_of(answer)["data"] == {"message": "unauthorized"}
        assert answer.count(b"HTTP/1.1") == 1
    assert bed.log.events == []


@pytest.mark.expects_error_log
async def test_a_failing_admission_is_a_500():
    bed = Bed()
    async with bed.running() as server:
        answer = await ask(server, handshake("/echo/echo/fault"))
        assert (status_of(answer), body_of(answer)["kind"]) == (500, "INTERNAL")


async def test_frames_in_the_same_packet_as_the_upgrade_are_processed():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        client = RawSocket(stream)
        await client.open(handshake() + frame(TEXT, b"one") + frame(TEXT, b"two"))
        assert [await client.message(), await client.message()] == [b"one", b"two"]


async def test_an_upgrade_may_come_late_on_a_reused_connection():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        client = RawSocket(stream)
        await client.open(b"HEAD /echo/hello HTTP/1.1\r\nHost: a\r\n\r\n")
        assert b"200 OK" in client.head
        await client.open(handshake("/echo/echo/late?x=1"))
        assert b" 101 " in client.head
        await client.text(b"hello")
        assert await client.message() == b"hello"


async def test_a_host_reaches_a_socket_without_the_prefix():
    bed = Bed()
    async with bed.running() as server, await connect(server) as stream:
        client = RawSocket(stream)
        await client.open(handshake("/ws", Host="echo.example"))
        assert b" 101 " in client.head


@pytest.mark.parametrize(
    ("offered", "selected"),
    [("bearer, eyJhbGciOi.x.y", b"bearer"), ("chat", None), ("a, bearer", b"bearer")],
)
async def test_the_subprotocol_that_carries_a_token_is_selected(
    offered: str, selected: bytes | None
):
    """CASH-C01."""
    bed = Bed()
    async with bed.running() as server:
        async with websocket(server, "/echo/ws", f"Sec-WebSocket-Protocol: {offered}") as client:
            chosen = [line for line in client.head.split(b"\r\n") if b"Protocol:" in line]
        assert chosen == ([b"Sec-WebSocket-Protocol: " + selected] if selected else [])


async def test_a_library_client_agrees_on_the_subprotocol():
    bed = Bed()
    async with bed.running() as server:
        url = f"ws://127.0.0.1:{server.port}/echo/ws"
        async with open_websocket_url(url, subprotocols=["bearer", "token"]) as ws:
            assert ws.subprotocol == "bearer"


def test_offered_subprotocols_are_listed_in_order():
    from protocols.http import Request

    request = Request("GET", "/", headers={"sec-websocket-protocol": "bearer, a.b.c ,"})
    assert offered_subprotocols(request) == ["bearer", "a.b.c"]
