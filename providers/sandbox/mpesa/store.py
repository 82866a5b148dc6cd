"""Where the simulated Safaricom remembers: an outside system does not forget when we restart."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final, Protocol

import trio

_LOG: Final = "operations.jsonl"


class SimulatorStore(Protocol):
    """An append-only log of lines without a line feed in them."""

    def load(self) -> list[bytes]:
        """Every whole line so far, oldest first."""
        ...

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """Replace everything, all or nothing. Only before the first append."""
        ...

    async def append(self, line: bytes) -> None:
        """Durable when it returns."""
        ...


class FileStore:
    """One file in `folder`; concurrent appends share one fsync."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _LOG
        self._waiting: list[bytes] = []
        self._appended = 0
        self._durable = 0
        self._lock = trio.Lock()

    def load(self) -> list[bytes]:
        """See `SimulatorStore.load`; what a crash left half written is dropped."""
        if not self._path.exists():
            return []
        whole, feed, _torn = self._path.read_bytes().rpartition(b"\n")
        return whole.split(b"\n") if feed else []

    def rewrite(self, lines: Iterable[bytes]) -> None:
        """See `SimulatorStore.rewrite`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_suffix(".new")
        with fresh.open("wb") as file:
            file.writelines(line + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)

    async def append(self, line: bytes) -> None:
        """See `SimulatorStore.append`. Whoever gets the lock writes for all who wait; the
        number waiting is bounded by the number of open connections and payments in flight."""
        self._waiting.append(line)
        self._appended += 1
        mine = self._appended
        async with self._lock:
            if self._durable >= mine:
                return
            batch, self._waiting = self._waiting, []
            try:
                # Taken lines belong to others too: a cancelled leader must still write them.
                with trio.CancelScope(shield=True):
                    await trio.to_thread.run_sync(self._write, batch)
            except OSError:
                self._waiting[:0] = batch
                raise
            self._durable += len(batch)

    def _write(self, lines: list[bytes]) -> None:
        with self._path.open("ab") as file:
            file.writelines(line + b"\n" for line in lines)
            file.flush()
            os.fsync(file.fileno())
