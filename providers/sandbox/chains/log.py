"""What a simulated chain remembers: records appended to one file, read back at the next start.

An outside system does not forget when we restart: its heights, nonces and coins must go on where
our records of it stopped.
"""

import io
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

_LENGTH_BYTES: Final = 4
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder().decode

Record = list[Any]


class Log(Protocol):
    """An append-only list of records: a name, then numbers, texts and bytes."""

    def load(self) -> list[Record]: ...

    def append(self, *record: Any) -> None: ...

    def close(self) -> None:
        """Let go of what it holds; the next append takes it again."""
        ...


class Forgetful:
    """Remembers as long as the process."""

    def __init__(self) -> None:
        self._records: list[bytes] = []

    def load(self) -> list[Record]:
        return [_decode(record) for record in self._records]

    def append(self, *record: Any) -> None:
        self._records.append(_encode(record))

    def close(self) -> None:
        """Nothing is held."""


class FileLog:
    """One file; a record that a crash left half written is dropped. Not fsynced: after a power
    cut the simulated outside world may have lost its last moments."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedWriter | None = None

    def load(self) -> list[Record]:
        if not self._path.exists():
            return []
        data, records, place = self._path.read_bytes(), [], 0
        while place + _LENGTH_BYTES <= len(data):
            end = place + _LENGTH_BYTES + int.from_bytes(data[place : place + 4], "big")
            if end > len(data):
                break
            records.append(_decode(data[place + _LENGTH_BYTES : end]))
            place = end
        if place < len(data):
            with self._path.open("r+b") as file:
                file.truncate(place)
        return records

    def append(self, *record: Any) -> None:
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("ab")
        data = _encode(record)
        self._file.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        self._file.flush()

    def close(self) -> None:
        """Also without this nothing is lost."""
        if self._file is not None:
            self._file.close()
            self._file = None
