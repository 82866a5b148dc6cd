"""Ending processes as a crash does."""

import os
import signal
import subprocess
from pathlib import Path

from storage.embedded import processes
from storage.embedded.cluster import Cluster


def kill(process: subprocess.Popen[str], data_dir: Path, *, database_too: bool) -> None:
    """kill -9 a process that owns DATA_DIR; with `database_too` every PostgreSQL process of it."""
    doomed = [process.pid]
    if database_too:
        postmaster = Cluster(data_dir).running_postmaster()
        assert postmaster is not None
        doomed += [postmaster, *processes.children(postmaster)]
    for pid in doomed:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue  # it went with the others
