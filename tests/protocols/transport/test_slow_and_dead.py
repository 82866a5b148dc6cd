"""Peers that are silent, do not read, or stop in the middle (FC-26, X-C27)."""

from dataclasses import replace

import trio

from actors.liveness import NEVER, TimerWheel
from actors.outbox import Flusher, Traffic
from actors.session import SocketLimits
from tests.protocols.transport.client import CLOSE, PING, PONG, TEXT, frame, websocket
from tests.protocols.transport.support import Bed

QUICK = SocketLimits(
    ping_interval=0.1, read_timeout=0.35, write_timeout=0.3, close_timeout=0.2, max_bytes=200_000
)


async def test_pings_come_at_their_interval_and_a_peer_that_answers_lives():
    """FC-26.1."""
    bed = Bed()
    bed.limits = QUICK
    async with bed.running() as server, websocket(server) as client:
        started = trio.current_time()
        for number in range(1, 8):
            opcode, payload = await client.receive()
            assert opcode == PING
            took = trio.current_time() - started
            assert number * 0.1 - 0.05 < took < number * 0.1 + 0.3
            await client.send(frame(PONG, payload))
        assert server.traffic.sockets == 1


async def test_a_peer_that_never_answers_is_closed_at_the_read_timeout():
    """FC-26.2."""
    bed = Bed()
    bed.limits = QUICK
    async with bed.running() as server, websocket(server) as client:
        started = trio.current_time()
        code, reason = await client.closing()
        assert 0.3 < trio.current_time() - started < 0.8
        assert (code, reason) == (1011, "ping timeout")
        while server.traffic.sockets:
            await trio.sleep(0.01)
        assert server.traffic.dead_peers == 1
        assert trio.current_time() - started < 1


async def test_a_peer_that_talks_lives_without_pongs():
    bed = Bed()
    bed.limits = QUICK
    async with bed.running() as server, websocket(server) as client:
        for _ in range(8):
            await client.text(b"x")
            await trio.sleep(0.1)
        assert server.traffic.sockets == 1


async def test_what_we_send_keeps_a_socket_alive_only_where_the_surface_says_so():
    """MPWS-C12."""
    for life_by_sending in (True, False):
        bed = Bed()
        bed.limits = replace(QUICK, life_by_sending=life_by_sending)
        async with bed.running() as server, websocket(server):
            while not bed.log.connections:
                await trio.sleep(0.01)
            for _ in range(8):
                bed.log.connections[0].send_text(b"event")
                await trio.sleep(0.1)
            assert bed.log.connections[0].is_open == life_by_sending


async def test_a_handler_that_takes_long_is_not_held_against_the_peer():
    bed = Bed()
    bed.limits = QUICK
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"wait")
        await bed.log.waiting.wait()
        await trio.sleep(0.8)
        bed.log.release.set()
        assert await client.message() == b"wait"
        assert server.traffic.dead_peers == 0


async def test_a_reader_that_stops_is_cut_off_and_nobody_else_notices():
    """FC-26.3, X-C27: full queue."""
    bed = Bed()
    bed.limits = replace(QUICK, ping_interval=60, read_timeout=60)
    async with bed.running() as server, websocket(server) as slow, websocket(server) as other:
        while len(bed.log.connections) < 2:
            await trio.sleep(0.01)
        started = trio.current_time()
        sent = 0
        while bed.log.connections[0].is_open:
            for connection in bed.log.connections:
                connection.send_text(b"%06d" % sent + b"x" * 2000)
            assert await other.message() == b"%06d" % sent + b"x" * 2000
            sent += 1
            assert sent < 50_000
        assert server.traffic.slow_consumers == 1
        while server.traffic.sockets > 1:
            await trio.sleep(0.01)
        assert trio.current_time() - started < 5
        # What the slow one does get is whole, in order and ends; nothing in between is missing.
        received = []
        try:
            while True:
                opcode, payload = await slow.receive()
                if opcode == TEXT:
                    received.append(int(payload[:6]))
        except (EOFError, trio.BrokenResourceError):
            pass
        assert received == list(range(len(received)))
        await other.text(b"alive")
        assert await other.message() == b"alive"


async def test_more_frames_than_the_queue_takes_close_with_1008():
    """X-C27: 256 frames, whatever their size."""
    bed = Bed()
    bed.limits = SocketLimits(max_bytes=20_000_000, close_timeout=5)
    async with bed.running() as server, websocket(server) as client:
        while not bed.log.connections:
            await trio.sleep(0.01)
        connection = bed.log.connections[0]
        connection.send_text(b"x" * 8_000_000)  # blocks the socket
        await trio.sleep(0.05)
        for number in range(256):
            connection.send_text(b"%d" % number)
            assert connection.is_open == (number < 255)
        assert (await client.receive())[1] == b"x" * 8_000_000
        code, reason = await client.closing()
        assert (code, reason) == (1008, "too slow")


async def test_a_burst_within_one_handler_is_no_overflow_for_a_reader_that_keeps_up():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(*(frame(TEXT, b"%d" % number) for number in range(1000)))
        for number in range(1000):
            assert await client.message() == b"%d" % number
        assert server.traffic.slow_consumers == 0


async def test_a_write_that_stalls_is_cut_off_at_the_write_timeout():
    """X-C27: within 10 s of the stalled write."""
    bed = Bed()
    bed.limits = replace(QUICK, ping_interval=60, read_timeout=60)
    async with bed.running() as server, websocket(server) as client:
        while not bed.log.connections:
            await trio.sleep(0.01)
        bed.log.connections[0].send_text(b"x" * 8_000_000)
        started = trio.current_time()
        while server.traffic.sockets:
            await trio.sleep(0.01)
        assert 0.25 < trio.current_time() - started < 1.5
        assert bed.log.connections[0].closed_because == "write timeout"
        assert await client.ended()
    assert bed.log.events == ["opened", "closed"]


async def test_a_slow_reader_that_does_read_gets_everything():
    bed = Bed()
    bed.limits = replace(QUICK, ping_interval=60, read_timeout=60)
    async with bed.running() as server, websocket(server) as client:
        while not bed.log.connections:
            await trio.sleep(0.01)
        bed.log.connections[0].send_text(b"x" * 2_000_000)
        await trio.sleep(0.1)
        assert len(await client.message()) == 2_000_000
        await client.text(b"after")
        assert await client.message() == b"after"
        assert server.traffic.slow_consumers == 0


async def test_a_flood_of_pings_costs_neither_the_queue_nor_the_order():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(*(frame(PING, b"%d" % number) for number in range(5000)))
        await client.text(b"end")
        received = [await client.receive() for _ in range(5001)]
        # An answer may overtake pongs that are due in the same moment, never the other way.
        assert (TEXT, b"end") in received
        pongs = [int(payload) for opcode, payload in received if opcode == PONG]
        assert pongs == list(range(5000))
        assert server.traffic.slow_consumers == 0


async def test_a_ping_flood_from_a_peer_that_does_not_read_is_cut_off():
    bed = Bed()
    bed.limits = replace(QUICK, ping_interval=60, read_timeout=60)
    async with bed.running() as server, websocket(server) as client:
        pings = frame(PING, b"x" * 125) * 500
        try:
            for _ in range(2000):
                await client.stream.send_all(pings)
        except trio.BrokenResourceError:
            pass
        while server.traffic.sockets:
            await trio.sleep(0.01)
        assert server.traffic.slow_consumers == 1
        assert bed.log.connections[0].closed_because == "too slow"


async def test_a_peer_that_vanishes_ends_its_session():
    bed = Bed()
    async with bed.running() as server:
        async with websocket(server) as client:
            await client.text(b"hello")
            await client.message()
        while server.traffic.sockets:
            await trio.sleep(0.01)
        assert bed.log.events == ["opened", "closed"]
        assert bed.log.connections[0].closed_because == ""


async def test_a_half_closed_peer_gets_the_answers_it_is_owed():
    bed = Bed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(TEXT, b"one"), frame(TEXT, b"two"))
        await client.stream.send_eof()
        assert [await client.message(), await client.message()] == [b"one", b"two"]
        assert await client.ended()


async def test_a_close_while_the_queue_is_full_still_says_its_code():
    bed = Bed()
    bed.limits = SocketLimits(max_bytes=20_000_000, close_timeout=0.3)
    async with bed.running() as server, websocket(server) as client:
        while not bed.log.connections:
            await trio.sleep(0.01)
        connection = bed.log.connections[0]
        connection.send_text(b"x" * 4_000_000)
        connection.send_text(b"last")
        connection.close(4401, "token expired")
        await trio.sleep(0.5)  # longer than a close may take that has been sent
        assert len(await client.message()) == 4_000_000
        assert await client.message() == b"last"
        opcode, payload = await client.receive()
        assert (opcode, payload[:2]) == (CLOSE, (4401).to_bytes(2, "big"))


class _Item:
    def __init__(self, *again: float) -> None:
        self.timer_slot = 0
        self.looked_at: list[float] = []
        self._again = list(again)

    def on_timer(self, now: float) -> float:
        self.looked_at.append(now)
        return now + self._again.pop(0) if self._again else NEVER


async def test_the_wheel_is_late_by_a_tick_at_most_and_never_early(autojump_clock: object):
    wheel = TimerWheel(0.25)
    async with trio.open_nursery() as nursery:
        await nursery.start(wheel.run)
        start = trio.current_time()
        items = {at: _Item() for at in (0.0, 0.1, 0.25, 1.0, 53.9, 54.0, 960.0)}
        for at, item in items.items():
            wheel.watch(item, start + at)
        repeated = _Item(10.0, 10.0)
        wheel.watch(repeated, start + 5)
        await trio.sleep(1000)
        for at, item in items.items():
            assert len(item.looked_at) == 1
            assert 0 <= item.looked_at[0] - (start + at) <= 0.5
        assert len(repeated.looked_at) == 3
        assert repeated.timer_slot == 0
        nursery.cancel_scope.cancel()


async def test_the_wheel_holds_an_item_once_and_lets_go_of_what_is_forgotten(
    autojump_clock: object,
):
    wheel = TimerWheel(0.25)
    async with trio.open_nursery() as nursery:
        await nursery.start(wheel.run)
        now = trio.current_time()
        moved, forgotten = _Item(), _Item()
        wheel.watch(moved, now + 100)
        wheel.watch_sooner(moved, now + 200)
        wheel.watch_sooner(moved, now + 10)
        wheel.watch(forgotten, now + 10)
        wheel.forget(forgotten)
        await trio.sleep(300)
        assert len(moved.looked_at) == 1
        assert moved.looked_at[0] - now < 11
        assert forgotten.looked_at == []
        assert wheel._buckets == {}
        nursery.cancel_scope.cancel()


async def test_a_flusher_that_is_gone_does_not_take_its_senders_down():
    flusher = Flusher(TimerWheel(), Traffic())
    async with trio.open_nursery() as nursery:
        await nursery.start(flusher.run)
        nursery.cancel_scope.cancel()
    flusher.drain_later(None)  # type: ignore[arg-type]
