"""The load generator for machines without a C compiler: same arguments and output as `c/load.c`.

One thread, one epoll (or what `selectors` has), one read and one write per transfer, no JSON
parsing: a reply is told from an event by the text behind its first `"type"`.
"""

import json
import os
import random
import re
import resource
import select
import selectors
import socket
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

HANDSHAKES = 100  # in flight at once: below any listen backlog
DRAIN_S = 15.0
_TYPE = re.compile(rb'"type"[: ]*"([a-z_]*)"')
_UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Authorization: Bearer {token}\r\n\r\n"
)


@dataclass(slots=True)
class Conn:
    """One connection; `sent_at` is 0 when nothing is in flight."""

    sock: socket.socket
    user: str
    state: str = "upgrading"
    sent_at: float = 0.0
    rest: bytes = b""


@dataclass(slots=True)
class Window:
    """What fell between `start` and `end` (seconds of the monotonic clock)."""

    start: float = 0.0
    end: float = 0.0
    counts: Counter[str] = field(default_factory=Counter)
    samples_s: list[float] = field(default_factory=list)


def masked(opcode: int, payload: bytes) -> bytes:
    """One client frame with a random mask."""
    n = len(payload)
    key = random.randbytes(4)
    head = bytes([0x80 | opcode, 0x80 | n]) if n < 126 else b""
    if n >= 126:
        head = bytes([0x80 | opcode, 0xFE]) + n.to_bytes(2, "big")
    long_key = int.from_bytes((key * (n // 4 + 1))[:n], "big")
    body = (int.from_bytes(payload, "big") ^ long_key).to_bytes(n, "big")
    return head + key + body


class Loader:
    """All connections of one run."""

    def __init__(self, recipients: list[str], use_keys: bool) -> None:
        self.recipients = recipients
        self.use_keys = use_keys
        self.sending = False
        self.total: Counter[str] = Counter()
        self.window = Window()
        self.first_refusal = ""
        self.conns: list[Conn] = []
        self._selector = selectors.DefaultSelector()

    def open_all(self, host: str, port: int, path: str, credentials: list[list[str]]) -> None:
        """Connect, upgrade and wait for the greeting of every connection."""
        for token, user in credentials:
            sock = socket.create_connection((host, port))
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.sendall(_UPGRADE.format(host=host, port=port, path=path, token=token).encode())
            sock.setblocking(False)
            conn = Conn(sock, user)
            self.conns.append(conn)
            self._selector.register(sock, selectors.EVENT_READ, conn)
            while len(self.conns) - self.total["connected"] > HANDSHAKES:
                self.turn(1.0)
        while self.total["connected"] < len(self.conns):
            if self.total["lost"]:
                raise SystemExit("load: a connection was lost before it was greeted")
            self.turn(1.0)

    def turn(self, timeout_s: float) -> None:
        """Read whatever is ready once."""
        for key, _ in self._selector.select(timeout_s):
            self._readable(key.data)

    def send_transfer(self, conn: Conn) -> None:
        """Put one transfer to a random recipient in flight."""
        to = random.choice(self.recipients)
        while to == conn.user:
            to = random.choice(self.recipients)
        key = f',"idempotency_key":"{os.urandom(12).hex()}"' if self.use_keys else ""
        text = (
            f'{{"type":"transfer","data":{{"to_user_id":"{to}","amount":0.01,"currency":"USD",'
            f'"description":"Payment for services"{key}}}}}'
        )
        frame = masked(1, text.encode())
        conn.sent_at = time.monotonic()
        conn.sock.send(frame)

    def _readable(self, conn: Conn) -> None:
        try:
            data = conn.sock.recv(65536)
        except BlockingIOError:
            return
        except ConnectionError:
            data = b""
        if not data:
            self._lose(conn)
            return
        buffer = conn.rest + data if conn.rest else data
        at = 0
        if conn.state == "upgrading":
            at = self._upgraded(conn, buffer)
        while conn.state == "open" and len(buffer) >= at + 2:
            length, head = buffer[at + 1], 2
            if length == 126:
                length, head = int.from_bytes(buffer[at + 2 : at + 4], "big"), 4
            end = at + head + length
            if len(buffer) < end:
                break
            self._frame(conn, buffer[at] & 15, buffer[at + head : end])
            at = end
        conn.rest = buffer[at:]

    def _upgraded(self, conn: Conn, buffer: bytes) -> int:
        end = buffer.find(b"\r\n\r\n")
        if end < 0:
            return 0
        if buffer[9:12] != b"101":
            raise SystemExit(f"load: refused: {buffer[:200]!r}")
        conn.state = "open"
        return end + 4

    def _frame(self, conn: Conn, opcode: int, payload: bytes) -> None:
        if opcode == 9:
            conn.sock.send(masked(10, payload))
        elif opcode == 8:
            self._lose(conn)
        elif opcode == 1:
            found = _TYPE.search(payload)
            kind = found.group(1).decode() if found else "other"
            self._count(kind, conn, payload)

    def _count(self, kind: str, conn: Conn, payload: bytes) -> None:
        now = time.monotonic()
        inside = self.window.start <= now < self.window.end
        self.total[kind] += 1
        if inside:
            self.window.counts[kind] += 1
        if kind not in ("success", "error"):
            return
        # Nothing is sent after the window, so the slowest requests, answered only while
        # draining, count in the latencies too.
        if kind == "success" and 0 < self.window.start <= now:
            self.window.samples_s.append(now - conn.sent_at)
        if kind == "error" and not self.first_refusal:
            self.first_refusal = payload[:255].decode(errors="replace")
        conn.sent_at = 0.0
        if self.sending:
            self.send_transfer(conn)

    def _lose(self, conn: Conn) -> None:
        self._selector.unregister(conn.sock)
        conn.sock.close()
        conn.state = "lost"
        self.total["lost"] += 1
        if conn.sent_at:
            self.total["unanswered"] += 1
            conn.sent_at = 0.0

    def transfers(self, payers: int, warmup_s: float, measure_s: float) -> dict[str, object]:
        """Warm up, measure, drain; the result has the members of `load.Result`."""
        self.sending = True
        window = self.window
        window.start = time.monotonic() + warmup_s
        window.end = window.start + measure_s
        for conn in self.conns[:payers]:
            self.send_transfer(conn)
        while time.monotonic() < window.start:
            self.turn(0.001)
        print("measuring", flush=True)
        cpu_s = _cpu_s()
        while time.monotonic() < window.end:
            self.turn(0.001)
        cpu_s = _cpu_s() - cpu_s
        self.sending = False
        print("measured", flush=True)
        until = time.monotonic() + DRAIN_S
        while any(c.sent_at for c in self.conns) and time.monotonic() < until:
            self.turn(0.01)
        self.total["unanswered"] += sum(1 for c in self.conns if c.sent_at)
        return self._result(measure_s, cpu_s)

    def _result(self, seconds: float, cpu_s: float) -> dict[str, object]:
        counts, total, samples = self.window.counts, self.total, sorted(self.window.samples_s)

        def percentile_us(p: float) -> int:
            return int(samples[min(int(p * len(samples)), len(samples) - 1)] * 1e6)

        shares = {"p50_us": 0.5, "p99_us": 0.99, "p999_us": 0.999, "max_us": 1.0}
        return {
            "transfers": counts["success"],
            "seconds": seconds,
            "refusals": counts["error"],
            "events": counts["transfer_received"],
            "lost": total["lost"],
            **{name: percentile_us(p) if samples else 0 for name, p in shares.items()},
            "cpu_s": cpu_s,
            "total_successes": total["success"],
            "total_refusals": total["error"],
            "total_events": total["transfer_received"],
            "unanswered": total["unanswered"],
            "first_refusal": self.first_refusal,
        }


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Run with the twelve arguments described at the head of `c/load.c`."""
    mode, host, port, path, credentials_path, recipients_path, *numbers = sys.argv[1:]
    payers, listeners, warmup_s, measure_s, keys, seed = numbers
    random.seed(int(seed))
    everyone = int(payers) + int(listeners)
    with open(credentials_path) as lines:
        credentials = [line.split() for line in lines][:everyone]
    with open(recipients_path) as lines:
        recipients = lines.read().split()
    loader = Loader(recipients, keys == "1")
    loader.open_all(host, int(port), path, credentials)
    print("ready", flush=True)
    if mode == "idle":
        while not select.select([sys.stdin], [], [], 0)[0]:
            loader.turn(0.2)
        print(json.dumps({"connections": everyone, "lost": loader.total["lost"]}))
        return
    print(json.dumps(loader.transfers(int(payers), float(warmup_s), float(measure_s))))


if __name__ == "__main__":
    main()
