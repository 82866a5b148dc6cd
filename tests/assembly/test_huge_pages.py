"""assembly.huge_pages: which memory is asked for, and that asking does it no harm."""

import mmap
from pathlib import Path

import pytest
import trio.testing

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
    """Start and length of what is wanted."""
    return [(m.start, m.end - m.start) for m in huge_pages.wanted(lines)]


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


@pytest.mark.parametrize(
    ("start", "end", "found"),
    [
        (ARENAS, ARENAS + 4 * MIB, [ARENAS, ARENAS + 2 * MIB]),
        (ARENAS + MIB, ARENAS + 5 * MIB, [ARENAS + 2 * MIB]),
        (ARENAS + 1, ARENAS + 4 * MIB - 1, []),
        (ARENAS, ARENAS + MIB, []),
    ],
)
def test_only_whole_huge_pages_are_asked_for(start: int, end: int, found: list[int]):
    assert list(huge_pages.pages(huge_pages.Mapping(start, end, "rw-p", ""))) == found


async def test_a_system_that_has_to_make_room_is_left_alone(
    autojump_clock: trio.testing.MockClock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    listing = tmp_path / "smaps"
    listing.write_text("\n".join(_smaps(ARENAS, 40 * MIB, "rw-p", "", 40 * MIB, 0)))
    monkeypatch.setattr(huge_pages, "_MAPPINGS", listing)
    asked: list[int] = []

    def advise(start: int, _length: int, advice: int) -> None:
        if advice == 25:
            asked.append(start)
            if len(asked) == 3:
                autojump_clock.jump(0.2)

    assert not await huge_pages.ask(advise)
    assert asked == [ARENAS, ARENAS + 2 * MIB, ARENAS + 4 * MIB]
    asked.clear()
    asked += [0] * 3
    assert await huge_pages.ask(advise)
    assert len(asked) == 3 + 20


@pytest.mark.skipif(not SMAPS.exists(), reason="only Linux tells of its mappings")
async def test_what_is_in_memory_stays_as_it_was(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(huge_pages, "_PAUSE_S", 0)
    monkeypatch.setattr(huge_pages, "_TOO_LONG_S", 60)  # other tests want the machine, too
    pattern = bytes(range(256)) * 4096 * 16
    with mmap.mmap(-1, len(pattern), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS) as memory:
        memory.write(pattern)
        here = huge_pages.wanted(huge_pages._MAPPINGS.read_text().splitlines())
        assert sum(m.resident for m in here) >= len(pattern)
        calls: list[tuple[int, int, int]] = []
        real = huge_pages._madvise()

        def advise(*call: int) -> object:
            calls.append(call)
            return real(*call)

        assert await huge_pages.ask(advise)
        assert sum(length for _, length, advice in calls if advice == 25) >= len(pattern) - 4 * MIB
        assert memory[:] == pattern
