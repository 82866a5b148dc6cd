"""Which sockets have something to read, from one edge-triggered epoll for all of them.

Waiting for a socket through Trio costs two system calls to arm and disarm it for every message
(10 µs of 130 a transfer). Here each socket is registered once, one task waits for the whole set,
and a transport hears of every edge.
"""

import select
from typing import Final, Protocol

import trio

# Others get a turn in between: readers may do their work right here.
_EVENTS_AT_ONCE: Final = 64
# After these there is nothing to wait for any more: the next read tells what happened.
_ENDS: Final = (
    select.EPOLLHUP | select.EPOLLERR | select.EPOLLRDHUP if hasattr(select, "epoll") else 0
)


class Reader(Protocol):
    """What hears of edges."""

    def readable(self, ended: bool) -> None:
        """There is something to read; with `ended`, the last of it."""
        ...


class Readiness:
    """One a listener, started by it; ends when it is cancelled. Linux only."""

    available: Final = hasattr(select, "epoll")

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Reader] = {}

    def add(self, fd: int, reader: Reader) -> None:
        """Tell `reader` of every edge on `fd` from now on."""
        self._readers[fd] = reader
        self._epoll.register(fd, select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLET)

    def remove(self, fd: int) -> None:
        """Forget `fd`; must come before it is closed."""
        if self._readers.pop(fd, None) is not None and not self._epoll.closed:
            self._epoll.unregister(fd)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Pass edges on until cancelled."""
        task_status.started()
        with self._epoll:
            while True:
                await trio.lowlevel.wait_readable(self._epoll.fileno())
                for fd, events in self._epoll.poll(0, _EVENTS_AT_ONCE):
                    # A handler of this very round may have closed it.
                    reader = self._readers.get(fd)
                    if reader is not None:
                        reader.readable(bool(events & _ENDS))
