"""Processes that need not be ours: do they live, what are they, whose children are they."""

import os
import signal
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import trio

_PROC: Final = Path("/proc")
_HAS_PROC: Final = (_PROC / "self" / "stat").exists()
_POLL_S: Final = 0.02


async def ended(pid: int) -> None:
    """Return once process `pid` has ended (a zombie has)."""
    if not hasattr(os, "pidfd_open"):
        while is_alive(pid):
            await trio.sleep(_POLL_S)
        return
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        await trio.lowlevel.checkpoint()
        return
    try:
        await trio.lowlevel.wait_readable(fd)
    finally:
        os.close(fd)


def is_alive(pid: int) -> bool:
    """Whether a process with this number exists and has not ended."""
    if _HAS_PROC:
        return any(state != "Z" for number, state, _ in _listed((pid,)) if number == pid)
    return any(number == pid and state != "Z" for number, state, _ in _shown())


def is_postgres_on(pid: int, cluster: Path) -> bool:
    """Whether process `pid` really is a postgres whose working directory is `cluster`.

    A number in a stale file may by now belong to anything; nothing else may be signalled.
    """
    if _HAS_PROC:
        try:
            name = (_PROC / str(pid) / "comm").read_text(encoding="ascii").strip()
            return name == "postgres" and os.path.samefile(_PROC / str(pid) / "cwd", cluster)
        except (OSError, ValueError):
            return False
    words = _ps("command=", "-p", str(pid)).split()
    return bool(words) and Path(words[0]).name == "postgres" and str(cluster) in words


def children(pid: int) -> list[int]:
    """The process numbers of `pid`'s children."""
    if _HAS_PROC:
        numbers = [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]
        return [child for child, _, parent in _listed(numbers) if parent == pid]
    return [child for child, _, parent in _shown() if parent == pid]


def signal_each(pids: Sequence[int], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may be gone already."""
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            continue


def _listed(pids: Sequence[int]) -> Iterator[tuple[int, str, int]]:
    """Number, state letter and parent of those of `pids` that exist, from /proc."""
    for pid in pids:
        try:
            text = (_PROC / str(pid) / "stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        # The name in parentheses may itself hold spaces and parentheses.
        state, parent = text.rpartition(")")[2].split()[:2]
        yield pid, state, int(parent)


def _shown() -> Iterator[tuple[int, str, int]]:
    """The same for every process, where there is no /proc."""
    for line in _ps("pid=,stat=,ppid=", "-A").splitlines():
        pid, state, parent = line.split()
        yield int(pid), state[:1], int(parent)


def _ps(columns: str, *selection: str) -> str:
    command = ["/bin/ps", "-ww", "-o", columns, *selection]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout  # noqa: S603
