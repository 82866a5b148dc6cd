"""The server's memory in huge pages, where the system has them (Linux).

Python asks for memory a mebibyte at a time and reads all over it. In pages of 4 KiB, finding them
takes 6 to 8 % of the CPU time of a transfer at a thousand sockets (benchmarks/RESULTS.md, "Huge
pages"). As distributions set it up, Linux gives huge pages to those who ask, and Python does not
ask. So this does, whenever there is a good deal more memory than before.
"""

import ctypes
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import structlog
import trio

log = structlog.get_logger(__name__)

_EVERY_S: Final = 2.0
_MIB: Final = 1024 * 1024
_GROWN: Final = 16 * _MIB  # by so much, before it is worth another look
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


def ask(lines: Iterable[str], advise: Advise) -> None:
    """Ask for huge pages for all wanted mappings of `lines`; the system may not have any."""
    for mapping in mappings(lines):
        if mapping.is_wanted:
            length = mapping.end - mapping.start
            advise(mapping.start, length, _HUGEPAGE)
            advise(mapping.start, length, _COLLAPSE)


async def run(*, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
    """Ask as memory grows, until cancelled; in a thread, so that nobody waits for it."""
    task_status.started()
    if not _are_given():
        await trio.sleep_forever()
    advise, asked_at = _madvise(), 0
    while True:
        size = _resident()
        if size > asked_at + _GROWN:
            await trio.to_thread.run_sync(partial(_ask_now, advise))
            asked_at = size
        await trio.sleep(_EVERY_S)


def _ask_now(advise: Advise) -> None:
    ask(_MAPPINGS.read_text().splitlines(), advise)


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
