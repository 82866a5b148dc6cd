"""Transfers at a steady rate, whatever the server does: latency counts from when each was due."""

import time
from collections import Counter
from dataclasses import dataclass

from benchmarks.load import Target
from benchmarks.load_python import Conn, Loader, Window

DRAIN_S = 10.0


@dataclass(frozen=True, kw_only=True)
class Paced:
    """Answered transfers of one window, and how long each took from when it was due."""

    rate: float
    p50_us: float
    p99_us: float
    refusals: int
    unsent: int


class PacedLoader(Loader):
    """One transfer every 1/rate seconds, on whichever connection is free; due time is its
    `sent_at`, so that one that had to wait for a free connection counts as slow."""

    def steady(self, rate: float, seconds: float) -> Paced:
        """Send for so long, drain, and tell. `unsent` found no free connection to the end."""
        start = time.monotonic() + 0.05
        self.window = Window(start, start + seconds + DRAIN_S, Counter(), [])
        free, sent, total = list(self.conns), 0, round(rate * seconds)
        while sent < total and time.monotonic() < start + seconds + DRAIN_S:
            due = start + sent / rate
            # Never spinning: what is late already is not hastened by taking the server's core.
            self.turn(min(max(due - time.monotonic(), 0.0 if free else 0.001), 0.005))
            if not free:
                free = [conn for conn in self.conns if not conn.sent_at]
            while free and sent < total and time.monotonic() >= due:
                self._send_due(free.pop(), due)
                sent += 1
                due = start + sent / rate
        took = time.monotonic() - start
        until = time.monotonic() + DRAIN_S
        while any(conn.sent_at for conn in self.conns) and time.monotonic() < until:
            self.turn(0.01)
        samples = sorted(self.window.samples_s)
        if not samples:
            raise RuntimeError(f"no transfer was answered: {self.total} {self.first_refusal}")
        return Paced(
            rate=len(samples) / took,
            p50_us=samples[len(samples) // 2] * 1e6,
            p99_us=samples[len(samples) * 99 // 100] * 1e6,
            refusals=self.total["error"],
            unsent=total - sent,
        )

    def _send_due(self, conn: Conn, due: float) -> None:
        self.send_transfer(conn)
        conn.sent_at = due


def opened(target: Target) -> PacedLoader:
    """Every credential of the target connected and greeted."""
    loader = PacedLoader(target.recipients, use_keys=False)
    credentials = [[token, user] for token, user in target.credentials]
    loader.open_all(target.host, target.port, target.path, credentials)
    return loader
