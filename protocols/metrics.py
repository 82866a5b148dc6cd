"""The listener's running totals as Prometheus metrics, read only when they are scraped."""

from collections.abc import Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from actors.outbox import Traffic

_GAUGES = {
    "connections": "Client connections open",
    "sockets": "WebSocket connections open",
    "streams": "Event streams open",
    "held_bytes": "Bytes of unfinished WebSocket messages",
}
_COUNTERS = {
    "accepted": "Client connections accepted",
    "refused": "Requests and connections refused by the transport",
    "requests": "HTTP requests",
    "messages_in": "WebSocket messages received",
    "messages_out": "WebSocket messages and stream events sent",
    "bytes_in": "Bytes received",
    "bytes_out": "Bytes sent",
    "slow_consumers": "Connections closed because their client did not read",
    "dead_peers": "Connections closed because their client was silent",
    "failures": "Connections ended by an error of ours",
}


class TrafficCollector(Collector):
    """Registered by the listener while it runs."""

    def __init__(self, traffic: Traffic) -> None:
        self._traffic = traffic

    def collect(self) -> Iterator[Metric]:
        """The metrics as they stand."""
        for name, text in _GAUGES.items():
            yield GaugeMetricFamily(f"daftari_{name}", text, value=getattr(self._traffic, name))
        for name, text in _COUNTERS.items():
            yield CounterMetricFamily(f"daftari_{name}", text, value=getattr(self._traffic, name))
