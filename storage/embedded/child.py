"""Starting PostgreSQL's programs so that they never outlive us.

Whatever ends our process, kill -9 included, must end PostgreSQL: on Linux the kernel sends it the
parent-death signal, elsewhere a watchdog does, that waits for the end of a pipe only we hold.
"""

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Final

from storage.embedded import processes
from storage.embedded.account import Account

_PR_SET_PDEATHSIG: Final = 1
_KERNEL_WATCHES: Final = sys.platform == "linux"
# Nothing of our environment (PGDATA, PGOPTIONS, LD_LIBRARY_PATH of a one-file build) may reach it.
_ENVIRONMENT: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


class Child:
    """A program that dies with us. Started in the thread that runs Trio: the kernel signals when
    the forking *thread* ends, which rules out trio.open_process, that forks in a worker thread."""

    def __init__(
        self,
        command: Sequence[str | Path],
        account: Account,
        log_file: IO[bytes],
        *,
        keep_fds: Sequence[int] = (),
        death_signal: signal.Signals = signal.SIGINT,
        kernel_watches: bool = _KERNEL_WATCHES,
    ) -> None:
        self._popen = subprocess.Popen(  # noqa: S603  # our own command line
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=log_file,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
            pass_fds=keep_fds,
            preexec_fn=_heeding(death_signal, watched=kernel_watches),  # noqa: PLW1509
            **account.popen_options(),
        )
        self.pid = self._popen.pid
        self._watchdog = None if kernel_watches else _Watchdog(self.pid, account, death_signal)

    @property
    def has_ended(self) -> bool:
        """Whether it has ended; keeps its process number from being used again until asked."""
        return self._popen.poll() is not None

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        self._popen.send_signal(number)

    async def wait(self) -> int:
        """Its exit status, once it has ended; negative for a signal."""
        if self._popen.returncode is None:
            await processes.ended(self.pid)
        status = self._popen.wait()
        if self._watchdog is not None:
            self._watchdog.dismiss()
            self._watchdog = None
        return status


class _Watchdog:
    """A shell that signals a process when our end of a pipe closes without a word."""

    def __init__(self, pid: int, account: Account, death_signal: signal.Signals) -> None:
        read_end, self._write_end = os.pipe()
        script = f"read -r _ || kill -s {int(death_signal)} {pid}"
        self._popen = subprocess.Popen(  # noqa: S603  # two integers of ours
            ["/bin/sh", "-c", script],
            stdin=read_end,
            start_new_session=True,
            **account.popen_options(),
        )
        os.close(read_end)

    def dismiss(self) -> None:
        os.write(self._write_end, b"\n")
        os.close(self._write_end)
        self._popen.wait()


def _heeding(death_signal: signal.Signals, *, watched: bool) -> Callable[[], None]:
    """What the child does between fork and exec, after it has changed its user (which would
    clear the setting). It only makes system calls: other threads' locks may be held there."""
    prctl = ctypes.CDLL(None, use_errno=True).prctl if watched else None
    parent = os.getpid()
    number = int(death_signal)

    def in_child() -> None:
        # What a shell script starts with & ignores SIGINT, and so would the child until it has
        # set up its own handler.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        if prctl is not None:
            prctl(_PR_SET_PDEATHSIG, number)
            if os.getppid() != parent:  # it died before the call above
                os._exit(1)

    return in_child
