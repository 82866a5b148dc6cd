"""The server's memory in huge pages, where the system has them (Linux).

Python asks for memory a mebibyte at a time and reads all over it. In pages of 4 KiB, finding them
takes 6 to 8 % of the CPU time of a transfer at a thousand sockets (benchmarks/RESULTS.md, "Huge
pages"). As distributions set it up, Linux gives huge pages to those who ask, and Python does not
ask. So this does, whenever there is a good deal more memory than before, one huge page at a time:
whoever touches what is being moved waits for it, and a hundred in a row are felt by every client.
"""

import ctypes
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog
import trio

log = structlog.get_logger(__name__)

_EVERY_S: Final = 2.0
_MIB: Final = 1024 * 1024
_GROWN: Final = 16 * _MIB  # by so much, before it is worth another look
_HUGE: Final = 2 * _MIB  # where pages are 4 KiB; elsewhere the system refuses, which is harmless
_PAUSE_S: Final = 0.02  # between two of them: one takes half a millisecond to two
_TOO_LONG_S: Final = 0.05  # for one of them
_LATER_S: Final = 60.0
# Of <linux/mman.h>: for what comes later, and for what is there, at once (Linux 6.1).
_HUGEPAGE, _COLLAPSE = 14, 25
_SETTING: Final = Path("/sys/kernel/mm/transparent_hugepage/enabled")
_MAPPINGS: Final = Path("/proc/self/smaps")
_SIZES: Final = Path("/proc/self/statm")
_HEAD: Final = re.compile(r"([0-9a-f]+)-([0-9a-f]+) (\S{4}) \S+ \S+ \d+ *(.*)")

Advise = Callable[[int, int, int], object]
"""madvise(2): address, length in bytes, advice."""


@dataclass(slots=True)
class Mapping:
    """A piece of memory; `resident` and of that `huge` in bytes."""

    start: int
    end: int
    access: str
    name: str
    resident: int = 0
    huge: int = 0

    @property
    def is_wanted(self) -> bool:
        """Whether it is memory of ours, nearly all in use, and not in huge pages yet.

        What is not in use would be from then on, such as the rest of a thread's stack.
        """
        ours = self.access == "rw-p" and self.name in ("", "[heap]")
        small = self.resident - self.huge
        return ours and small >= _MIB // 2 and 4 * self.resident >= 3 * (self.end - self.start)


def mappings(lines: Iterable[str]) -> Iterator[Mapping]:
    """Of the lines of /proc/PID/smaps."""
    mapping: Mapping | None = None
    for line in lines:
        if (head := _HEAD.match(line)) is not None:
            if mapping is not None:
                yield mapping
            mapping = Mapping(int(head[1], 16), int(head[2], 16), head[3], head[4])
        elif mapping is not None and line.startswith("Rss:"):
            mapping.resident = int(line.split()[1]) * 1024
        elif mapping is not None and line.startswith("AnonHugePages:"):
            mapping.huge = int(line.split()[1]) * 1024
    if mapping is not None:
        yield mapping


def wanted(lines: Iterable[str]) -> list[Mapping]:
    """Those of `lines` to be had in huge pages."""
    return [mapping for mapping in mappings(lines) if mapping.is_wanted]


def pages(mapping: Mapping) -> range:
    """Where huge pages begin that lie in it as a whole."""
    first = -(-mapping.start // _HUGE) * _HUGE
    return range(first, mapping.end - _HUGE + 1, _HUGE)


async def run(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Ask as memory grows, until cancelled."""
    task_status.started()
    if not _are_given():
        await trio.sleep_forever()
    advise, asked_at = _madvise(), 0
    while True:
        size = _resident()
        if size > asked_at + _GROWN:
            if await ask(advise):
                asked_at = size
            else:
                await trio.sleep(_LATER_S)
        await trio.sleep(_EVERY_S)


async def ask(advise: Advise) -> bool:
    """Have all wanted memory in huge pages; False when the system has to make room for them.

    That takes it a fifth of a second for one, and the database's core: it is left alone then."""
    # Read here, in a few milliseconds: a thread would have to win the interpreter back for every
    # few KiB of it, and take it from everybody else as often.
    for mapping in wanted(_MAPPINGS.read_text().splitlines()):
        advise(mapping.start, mapping.end - mapping.start, _HUGEPAGE)
        for start in pages(mapping):
            began = trio.current_time()
            await trio.to_thread.run_sync(advise, start, _HUGE, _COLLAPSE)
            if trio.current_time() - began > _TOO_LONG_S:
                return False
            await trio.sleep(_PAUSE_S)
    return True


def _are_given() -> bool:
    """Whether the system has huge pages and its administrator lets us ask for them."""
    try:
        return "[never]" not in _SETTING.read_text()
    except OSError:
        return False


def _resident() -> int:
    return int(_SIZES.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _madvise() -> Advise:
    function = ctypes.CDLL(None).madvise
    function.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)
    advise: Advise = function
    return advise
