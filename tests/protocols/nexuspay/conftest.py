"""One server of its own process for all tests here; each gets a minute of its own.

`house`  the running server, its rate limits fresh and its rates as they come
`pool`   a Pool on that server's database
"""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from storage.pool import Pool
from tests.conftest import ROOT, fresh_database
from tests.protocols.nexuspay.house import House

_STOPS_WITHIN_S = 30.0
_NEXT_MINUTE_S = 61  # every window of the rate limits is over (document, "Rate Limits")


class Serving(NamedTuple):
    """Where the shared server listens, and what it keeps its data in."""

    port: int
    dsn: str


@pytest.fixture(scope="session")
def _serving(
    postgres_dsn: str, _template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Serving]:
    folder = tmp_path_factory.mktemp("nexuspay")
    for dsn in fresh_database(postgres_dsn, _template):
        with open(folder / "log", "wb") as log, _started(dsn, folder, log.fileno()) as server:
            try:
                yield Serving(_port(server), dsn)
            finally:
                server.send_signal(signal.SIGTERM)
                assert server.wait(_STOPS_WITHIN_S) == 0
        errors = [line for line in (folder / "log").read_text().splitlines() if "[error" in line]
        assert not errors, "\n".join(errors)


def _started(dsn: str, folder: Path, log: int) -> "subprocess.Popen[str]":
    options = {"DATABASE_URL": dsn, "DATA_DIR": str(folder), "APP_PORT": "0"}
    return subprocess.Popen(
        [sys.executable, "app.py", "serve"],
        cwd=ROOT,
        env={**os.environ, **options},
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    )


def _port(server: "subprocess.Popen[str]") -> int:
    assert server.stdout is not None
    line = server.stdout.readline().strip()
    assert line.startswith("listening on "), "the server did not start"
    return int(line.rpartition(":")[2])


@pytest.fixture
async def house(_serving: Serving) -> AsyncIterator[House]:
    async with House.visiting(_serving.port) as opened:
        await opened.advance(_NEXT_MINUTE_S)
        yield opened


@pytest.fixture
async def pool(_serving: Serving) -> AsyncIterator[Pool]:
    async with Pool.opened(_serving.dsn) as opened:
        yield opened
