"""What processes use: CPU seconds and resident memory of a process and all its descendants."""

from dataclasses import dataclass

import psutil


@dataclass(frozen=True, kw_only=True)
class Usage:
    """CPU seconds so far (user and system) and resident bytes now, of a whole process tree."""

    cpu_s: float
    rss_bytes: int


def usage(pid: int) -> Usage:
    """The tree under `pid`, itself included; a child that ended counts through its parent."""
    root = psutil.Process(pid)
    cpu_s, rss_bytes = 0.0, 0
    for process in (root, *root.children(recursive=True)):
        try:
            times, memory = process.cpu_times(), process.memory_info()
        except psutil.NoSuchProcess:
            continue
        cpu_s += times.user + times.system + times.children_user + times.children_system
        rss_bytes += memory.rss
    return Usage(cpu_s=cpu_s, rss_bytes=rss_bytes)
