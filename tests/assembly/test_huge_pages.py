"""assembly.huge_pages: which memory is asked for, and that asking does it no harm."""

import mmap
from pathlib import Path

import pytest

from assembly import huge_pages

MIB = 1024 * 1024
SMAPS = Path("/proc/self/smaps")
ARENAS = 0x7F0000000000
STACK = 0x7F1000000000
PROGRAM = 0x400000


def _smaps(start: int, size: int, access: str, name: str, resident: int, huge: int) -> list[str]:
    return [
        f"{start:x}-{start + size:x} {access} 00000000 00:00 0 {name}",
        f"Size:           {size // 1024} kB",
        f"Rss:            {resident // 1024} kB",
        f"AnonHugePages:  {huge // 1024} kB",
        "VmFlags: rd wr mr mw me ac sd",
    ]


def _asked(lines: list[str]) -> list[tuple[int, int]]:
    """Start and length of what was asked for; both pieces of advice came, in order."""
    calls: list[tuple[int, int, int]] = []
    huge_pages.ask(lines, lambda *call: calls.append(call))
    assert [advice for _, _, advice in calls] == [14, 25] * (len(calls) // 2)
    return [call[:2] for call in calls[::2]]


def test_memory_in_use_is_asked_for():
    assert _asked(_smaps(ARENAS, 40 * MIB, "rw-p", "", 39 * MIB, 0)) == [(ARENAS, 40 * MIB)]
    assert _asked(_smaps(ARENAS, 4 * MIB, "rw-p", "[heap]", 4 * MIB, 0)) == [(ARENAS, 4 * MIB)]


@pytest.mark.parametrize(
    "lines",
    [
        _smaps(ARENAS, 40 * MIB, "rw-p", "", 40 * MIB, 40 * MIB),  # they are huge already
        _smaps(STACK, 8 * MIB, "rw-p", "", 60 * 1024, 0),  # a thread's stack
        _smaps(ARENAS, 8 * MIB, "rw-p", "", 5 * MIB, 0),  # three eighths would be added
        _smaps(STACK, 8 * MIB, "rw-p", "[stack]", 8 * MIB, 0),
        _smaps(PROGRAM, 8 * MIB, "r-xp", "/usr/bin/python3.11", 8 * MIB, 0),
        _smaps(PROGRAM, 8 * MIB, "rw-s", "/dev/shm/x", 8 * MIB, 0),
    ],
)
def test_nothing_else_is(lines: list[str]):
    assert _asked(lines) == []


def test_each_mapping_is_judged_by_its_own_numbers():
    lines = _smaps(STACK, 8 * MIB, "rw-p", "", 0, 0)
    lines += _smaps(ARENAS, 8 * MIB, "rw-p", "", 8 * MIB, 2 * MIB)
    lines += _smaps(PROGRAM, 8 * MIB, "rw-p", "/usr/bin/python3.11", 8 * MIB, 0)
    assert _asked(lines) == [(ARENAS, 8 * MIB)]


@pytest.mark.skipif(not SMAPS.exists(), reason="only Linux tells of its mappings")
def test_what_is_in_memory_stays_as_it_was():
    pattern = bytes(range(256)) * 4096 * 16
    with mmap.mmap(-1, len(pattern), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(pattern)
        here = [m for m in huge_pages.mappings(SMAPS.read_text().splitlines()) if m.is_wanted]
        assert sum(m.resident for m in here) >= len(pattern)
        huge_pages._ask_now(huge_pages._madvise())
        assert memory[:] == pattern
