"""Messages on an open socket: order, fragments, limits and close codes."""

import gc
import weakref

import pytest
import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio_websocket import ConnectionClosed, open_websocket_url

from actors.session import SocketLimits
from tests.protocols.transport.client import (
    BINARY,
    CLOSE,
    CONT,
    PING,
    PONG,
    TEXT,
    frame,
    websocket,
)
from tests.protocols.transport.support import Bed


async def test_messages_are_echoed_in_order():
    bed = Bed()
    async with (
        bed.running() as server,
        open_websocket_url(f"ws://127.0.0.1:{server.port}/echo/ws") as ws,
    ):
        texts = [f"message {number} ü" for number in range(100)]
        for text in texts:
            await ws.send_message(text)
        assert [await ws.get_message() for _ in texts] == texts
    assert bed.log.events == ["opened", "closed"]


async def test_a_text_of_every_length_class_comes_back_whole():
    bed = Bed()
    bed.limits = SocketLimits(max_message=70_000)
    async with bed.running() as server, websocket(server) as client:
        for size in (0, 1, 125, 126, 127, 4095, 65535, 65536, 70_000):
            await client.text(b"x" * size)
            assert len(await client.message()) == size


async def test_a_message_of_the_limit_is_processed_and_one_byte_more_closes_with_1009():
    """CASH-C64."""
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"x" * 1000)
        assert len(await client.message()) == 1000
        await client.send(frame(TEXT, b"x" * 1001), frame(TEXT, b"after"))
        code, _ = await client.closing()
        assert code == 1009
    assert b"after" not in bed.log.texts


async def test_fragments_count_together_towards_the_limit():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(TEXT, b"a" * 600, fin=False), frame(CONT, b"b" * 400))
        assert await client.message() == b"a" * 600 + b"b" * 400
        await client.send(frame(TEXT, b"a" * 600, fin=False), frame(CONT, b"b" * 401))
        assert (await client.closing())[0] == 1009


async def test_the_announced_size_alone_closes_with_1009():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(b"\x81\xff" + (2**40).to_bytes(8, "big") + b"\0\0\0\0")
        assert (await client.closing())[0] == 1009


async def test_control_frames_between_fragments_are_answered_and_disturb_nothing():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(
            frame(TEXT, b"a", fin=False), frame(CONT, b"", fin=False), frame(PING, b"p"),
            frame(CONT, b"b", fin=False), frame(PONG, b"unasked"), frame(CONT, b""),
        )  # fmt: skip
        received = [await client.receive(), await client.receive()]
        assert sorted(received) == [(TEXT, b"ab"), (PONG, b"p")]


async def test_a_character_split_over_fragments_is_one_character():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        whole = "ü".encode()
        await client.send(frame(TEXT, whole[:1], fin=False), frame(CONT, whole[1:]))
        assert await client.message() == whole


async def test_binary_messages_reach_their_own_handler():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(BINARY, b"\xff\0", fin=False), frame(CONT, b"\1"))
        assert await client.message() == b"binary 3"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(TEXT, b"\xff"), 1007),
        (frame(TEXT, b"\xc3", fin=False) + frame(CONT, b"x"), 1007),
        (frame(TEXT, b"x", mask=None), 1002),
        (frame(TEXT, b"x", rsv=4), 1002),
        (frame(3, b"x"), 1002),
        (frame(11, b"x"), 1002),
        (frame(CONT, b"x"), 1002),
        (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002),
        (frame(PING, b"x" * 126), 1002),
        (frame(PING, b"x", fin=False), 1002),
        (frame(CLOSE, b"\x03"), 1002),
        (frame(CLOSE, (1005).to_bytes(2, "big")), 1002),
        (frame(CLOSE, (1000).to_bytes(2, "big") + b"\xff"), 1007),
    ],
)
async def test_protocol_violations_close_with_the_standard_code(data: bytes, code: int):
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(TEXT, b"before"), data, frame(TEXT, b"after"))
        assert await client.message() == b"before"
        assert (await client.closing())[0] == code
    assert bed.log.texts == [b"before"]
    assert bed.log.events == ["opened", "closed"]


async def test_a_close_is_answered_after_the_answers_to_what_came_before_it():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        close = frame(CLOSE, (4000).to_bytes(2, "big") + b"bye")
        await client.send(frame(TEXT, b"last words"), close, frame(TEXT, b"too late"))
        assert await client.message() == b"last words"
        assert await client.closing() == (4000, "bye")
    assert bed.log.texts == [b"last words"]


async def test_a_close_without_code_is_answered():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(CLOSE, b""))
        assert await client.receive() == (CLOSE, b"")
        assert await client.ended()


async def test_a_session_closes_with_a_code_of_the_application():
    """X-C26, FC-28."""
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(TEXT, b"one"), frame(TEXT, b"bye"), frame(TEXT, b"ignored"))
        assert await client.message() == b"one"
        opcode, payload = await client.receive()
        assert (opcode, payload) == (CLOSE, (4401).to_bytes(2, "big") + b"token expired")
        await client.send(frame(TEXT, b"crossing"), frame(CLOSE, payload))
        assert await client.ended()
        connection = bed.log.connections[0]
        assert (connection.close_code, connection.closed_because) == (4401, "token expired")
        connection.send_text(b"nobody hears this")
        assert not connection.is_open
    assert bed.log.texts == [b"one", b"bye"]
    assert bed.log.events == ["opened", "closed"]


async def test_a_library_client_sees_the_code():
    bed = Bed()
    async with (
        bed.running() as server,
        open_websocket_url(f"ws://127.0.0.1:{server.port}/echo/ws") as ws,
    ):
        await ws.send_message("bye")
        with pytest.raises(ConnectionClosed) as closed:
            await ws.get_message()
        assert closed.value.reason.code == 4401
        # The library leaves its end open when the server closes first.
        await ws._stream.aclose()


async def test_a_peer_that_does_not_answer_a_close_is_cut_off():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"bye")
        assert (await client.receive())[0] == CLOSE
        started = trio.current_time()
        while server.traffic.sockets:
            await trio.sleep(0.01)
        assert 0.2 < trio.current_time() - started < 2


async def test_a_long_close_reason_is_cut_to_fit():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"x")
        bed.log.connections[0].close(4000, "ü" * 200)
        code, reason = await client.closing()
        assert code == 4000
        assert reason
        assert reason == "ü" * len(reason)


@pytest.mark.expects_error_log
async def test_a_failing_session_closes_its_own_socket_with_1011_and_nothing_else():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client, websocket(server) as other:
        await client.text(b"raise")
        assert (await client.closing())[0] == 1011
        await other.text(b"still here")
        assert await other.message() == b"still here"
        assert server.traffic.failures == 1
    assert bed.log.events == ["opened", "opened", "closed", "closed"]


@pytest.mark.expects_error_log
async def test_a_session_that_cannot_be_made_closes_with_1011():
    bed = Bed()
    async with bed.running() as server, websocket(server, "/echo/echo/no-session") as client:
        assert (await client.closing())[0] == 1011


async def test_unfinished_messages_of_all_sockets_together_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr("actors.connection._MAX_HELD_BYTES", 250_000)
    bed = Bed()
    bed.limits = SocketLimits(max_message=1_000_000)
    async with bed.running() as server:
        async with websocket(server) as first, websocket(server) as second:
            await first.send(frame(TEXT, b"x" * 150_000)[:-1])
            while server.traffic.held_bytes < 149_999:
                await trio.sleep(0.01)
            await second.send(frame(TEXT, b"x" * 90_000, fin=False))
            while server.traffic.held_bytes < 239_999:
                await trio.sleep(0.01)
            await second.send(frame(CONT, b"x" * 90_000)[:-1])
            assert (await second.closing())[0] == 1013
            await first.send(b"\0")
            assert len(await first.message()) == 150_000
        while server.traffic.sockets:
            await trio.sleep(0.01)
        assert server.traffic.held_bytes == 0


async def test_a_closed_socket_is_freed_without_the_garbage_collector():
    bed = Bed()
    async with bed.running() as server:
        for _ in range(3):
            async with websocket(server) as client:
                await client.text(b"hello")
                await client.message()
        while server.traffic.connections:
            await trio.sleep(0.01)
        alive = [weakref.ref(connection._protocol) for connection in bed.log.connections]
        gc.disable()
        try:
            bed.log.connections.clear()
            await trio.sleep(0.05)
            assert [ref() for ref in alive] == [None] * 3
        finally:
            gc.enable()


async def test_the_next_message_waits_until_the_handler_has_returned():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(TEXT, b"wait"), frame(TEXT, b"next"))
        await bed.log.waiting.wait()
        await trio.sleep(0.02)
        assert bed.log.texts == [b"wait"]
        bed.log.release.set()
        assert [await client.message(), await client.message()] == [b"wait", b"next"]


async def test_a_handler_in_the_middle_is_not_cancelled_when_its_socket_dies():
    """A handler may be waiting for a commit: it gets its grace."""
    bed = Bed()
    bed.limits = SocketLimits(write_timeout=0.1, close_timeout=0.1)
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"wait")
        await bed.log.waiting.wait()
        bed.log.connections[0].lost()
        await trio.sleep(0.05)
        assert bed.log.events == ["opened"]
        bed.log.release.set()
        while server.traffic.sockets:
            await trio.sleep(0.01)
    assert bed.log.events == ["opened", "released", "closed"]


async def test_a_handler_that_outlives_its_socket_is_cancelled_after_its_grace():
    bed = Bed()
    bed.limits = SocketLimits(handler_grace=0.1)
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"wait")
        await bed.log.waiting.wait()
        bed.log.connections[0].lost()
        while server.traffic.sockets:
            await trio.sleep(0.01)
    assert bed.log.events == ["opened", "closed"]


async def test_a_client_that_floods_while_it_is_not_answered_is_held_back_by_tcp():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"wait")
        await bed.log.waiting.wait()
        with trio.move_on_after(0.5) as blocked:
            for _ in range(400):
                await client.send(frame(TEXT, b"x" * 900) * 50)
        assert blocked.cancelled_caught
        assert len(bed.log.texts) == 1
        assert server.traffic.bytes_in < 200_000
        bed.log.release.set()


async def test_messages_and_bytes_are_counted():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"hello")
        await client.message()
        traffic = server.traffic
        assert (traffic.sockets, traffic.messages_in, traffic.messages_out) == (1, 1, 1)
        assert traffic.bytes_in > 11
        assert traffic.bytes_out > 7


@settings(max_examples=25)
@given(
    texts=st.lists(st.text(max_size=200), min_size=1, max_size=10),
    cuts=st.lists(st.integers(1, 40), min_size=1, max_size=20),
)
def test_however_the_bytes_are_cut_the_messages_are_the_same(texts: list[str], cuts: list[int]):
    async def run() -> None:
        bed = Bed()
        data = b"".join(frame(TEXT, text.encode()) for text in texts)
        async with bed.running() as server, websocket(server) as client:
            at = 0
            for cut in cuts:
                await client.stream.send_all(data[at : at + cut] or b"")
                at += cut
                await trio.lowlevel.checkpoint()
            await client.stream.send_all(data[at:])
            assert [await client.message() for _ in texts] == [text.encode() for text in texts]

    trio.run(run)
