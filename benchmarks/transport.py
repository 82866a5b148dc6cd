"""What the transport costs: WebSocket echo, a small JSON GET, and memory of idle sockets.

    python -m benchmarks.transport [--seconds 3] [--idle 10000]

The server runs in a process of its own and only it is measured: CPU by its own process time,
memory by its resident set. The load comes from this process over raw sockets. 250 bytes of JSON
in, 80 out, decoded and encoded as a surface would.
"""

import argparse
import os
import resource
import selectors
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import psutil
import trio

from actors.connection import Connection
from actors.session import SocketLimits
from protocols.http import Request, json_response
from protocols.listener import serve
from protocols.server import Server
from protocols.sockets import Admission, SocketRoute
from protocols.sse import EventStream, Sink
from protocols.web import Route, Surface, plain_error


class Ask(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    type: str
    data: dict[str, str]


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    type: str
    data: str
    timestamp: int


decode = msgspec.json.Decoder(Ask).decode
encode = msgspec.json.Encoder().encode


class Echo:
    """Decodes a request and answers it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    async def opened(self) -> None: ...

    async def text(self, data: bytes) -> None:
        ask = decode(data)
        reply = Reply(type=ask.type, data=ask.data["reference"], timestamp=1735689600)
        self.connection.send_text(encode(reply))

    async def binary(self, data: bytes) -> None: ...

    def closed(self) -> None: ...


async def admit(request: Request) -> Admission:
    return Echo


async def balance(request: Request) -> object:
    return {"balance": "1000.50", "currency": "USD", "account": request.query.get("account")}


async def health(request: Request) -> object:
    return json_response({"status": "ok"})


async def listen(sink: Sink) -> None:
    sink.send(b"{}", event="heartbeat")
    await sink.wait_closed()


async def events(request: Request) -> EventStream:
    return EventStream(listen)


async def run_server() -> None:
    surface = Surface(
        name="bench",
        prefix="/bench",
        render_error=plain_error,
        routes=(Route("GET", "/balance", balance), Route("GET", "/events", events)),
        sockets=(SocketRoute("/ws", admit, SocketLimits(ping_interval=600, read_timeout=900)),),
    )
    async with trio.open_nursery() as nursery:

        async def start(task_status: trio.TaskStatus[Server]) -> None:
            await serve(host="127.0.0.1", port=0, surfaces=[surface], task_status=task_status)

        server = await nursery.start(start)
        print(server.port, flush=True)
        await trio.to_thread.run_sync(sys.stdin.read)
        nursery.cancel_scope.cancel()


@contextmanager
def server_process() -> Iterator[tuple[int, psutil.Process]]:
    command = [sys.executable, "-m", "benchmarks.transport", "--server"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline()), psutil.Process(process.pid)
        finally:
            assert process.stdin is not None
            process.stdin.close()


HANDSHAKE = (
    b"GET /bench/ws HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
GET = (
    b"GET /bench/balance?account=ACC-USD-12345 HTTP/1.1\r\nHost: localhost:3000\r\n"
    b"User-Agent: bench/1\r\nAccept: application/json\r\n"
    b"Authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789\r\n\r\n"
)


def client_frame(payload: bytes) -> bytes:
    """One masked text frame (mask 0, which is a mask all the same)."""
    assert 126 <= len(payload) < 65536
    return b"\x81\xfe" + len(payload).to_bytes(2, "big") + bytes(4) + payload


EVENTS = b"GET /bench/events HTTP/1.1\r\nHost: localhost\r\n\r\n"


def ask_frame() -> bytes:
    ask = Ask(type="get_balance", data={"reference": "REF-0123456789", "note": ""})
    ask.data["note"] = "x" * (250 - len(encode(ask)))
    return client_frame(encode(ask))


def open_sockets(port: int, count: int, greeting: bytes = b"") -> list[socket.socket]:
    """`count` connections; each has sent `greeting` and read the head of the answer."""
    opened = []
    for _ in range(count):
        client = socket.create_connection(("127.0.0.1", port))
        client.sendall(greeting)
        opened.append(client)
    for client in opened if greeting else ():
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += client.recv(4096)
        assert b" 101 " in answer or b" 200 " in answer, answer
    return opened


def load(clients: list[socket.socket], message: bytes, seconds: float) -> float:
    """One message in flight per client; messages per second."""
    selector = selectors.EpollSelector()
    for client in clients:
        client.setblocking(False)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        selector.register(client, selectors.EVENT_READ)
        client.send(message)
    count, started = 0, time.perf_counter()
    end = started + seconds
    while time.perf_counter() < end:
        for key, _ in selector.select(1):
            client = key.fileobj  # type: ignore[assignment]
            client.recv(4096)
            client.send(message)
            count += 1
    took = time.perf_counter() - started
    selector.close()
    return count / took


def measure(name: str, message: bytes, count: int, seconds: float, greeting: bytes) -> None:
    """Rate and CPU of one message in flight on each of `count` connections."""
    with server_process() as (port, process):
        clients = open_sockets(port, count, greeting)
        load(clients, message, min(0.5, seconds))
        for client in clients:
            client.setblocking(True)
            client.recv(65536)
        before = sum(process.cpu_times()[:2])
        rate = load(clients, message, seconds)
        cpu = sum(process.cpu_times()[:2]) - before
        print(
            f"{name:32} {count:6} connections {rate:9,.0f} /s "
            f"{cpu / (rate * seconds) * 1e6:7.1f} µs CPU each",
            flush=True,
        )
        for client in clients:
            client.close()


def measure_idle(name: str, count: int, greeting: bytes) -> None:
    """Resident memory of connections that say nothing."""
    with server_process() as (port, process):
        for warm in open_sockets(port, 100, greeting):
            warm.close()
        time.sleep(0.5)
        before = process.memory_info().rss
        started = time.perf_counter()
        clients = []
        for _ in range(0, count, 500):
            clients += open_sockets(port, min(500, count - len(clients)), greeting)
        took = time.perf_counter() - started
        time.sleep(1)
        each = (process.memory_info().rss - before) / count / 1024
        print(
            f"{name:32} {count:6} connections {each:9.1f} KB each, {took:.1f} s to open", flush=True
        )
        for client in clients:
            client.close()


def main() -> None:
    """Run one benchmark after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--idle", type=int, default=10_000)
    options = parser.parse_args()
    if options.server:
        trio.run(run_server)
        return
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}")
    for count in (64, 1000):
        measure("WebSocket request and reply", ask_frame(), count, options.seconds, HANDSHAKE)
    measure("GET small JSON, keep-alive", GET, 64, options.seconds, b"")
    measure_idle("idle WebSocket", options.idle, HANDSHAKE)
    measure_idle("idle event stream", options.idle // 5, EVENTS)


if __name__ == "__main__":
    main()
