"""Ports for servers that are started again at the same address."""

import random
import socket
from contextlib import suppress
from typing import Final

# Below those that systems give to outgoing connections: one of these may have the port meanwhile.
_PORTS: Final = range(20_000, 32_000)


def lasting_port() -> int:
    """A port nobody listens on; whoever stops listening there finds it free again."""
    while True:
        port = random.choice(_PORTS)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
