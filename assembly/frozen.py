"""What the one-file build needs besides (`make binary`).

Its executable unpacks itself into a temporary folder and runs the server as a child. The child must
end with it, kill -9 included, and somebody must remove the folder that a killed one leaves.
"""

import ctypes
import fcntl
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_OURS: Final = "daftari.lock"


def adopt() -> None:
    """Called first; does nothing in an ordinary installation."""
    unpacked = getattr(sys, "_MEIPASS", None)
    if unpacked is None:
        return
    _end_with_parent()
    _keep(Path(unpacked))
    _sweep(Path(unpacked))


def _end_with_parent() -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended in between
            os.kill(os.getpid(), signal.SIGKILL)


def _keep(folder: Path) -> None:
    """Say that the folder is in use; the lock ends with this process, however it ends."""
    lock = os.open(folder / _OURS, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX)


def _sweep(folder: Path) -> None:
    """Remove the folders of executables of ours that were killed."""
    for other in folder.parent.glob("_MEI*"):
        if other == folder or other.is_symlink() or not _is_abandoned(other):
            continue
        shutil.rmtree(other, ignore_errors=True)


def _is_abandoned(folder: Path) -> bool:
    try:
        lock = os.open(folder / _OURS, os.O_RDWR | os.O_CLOEXEC)
    except OSError:  # not one of ours, somebody else's, or just being unpacked
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(lock)
    return folder.stat().st_uid == os.geteuid()
