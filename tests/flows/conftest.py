"""One sandbox server for all flows, as `make serve` starts it; every test makes its own people."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT
from tests.documents.checking import check_answers
from tests.flows.client import World

SLOWEST_REQUEST_S = 30.0


@contextmanager
def serving(folder: Path, *, port: int = 0, log: str = "server.log") -> Iterator[tuple[str, "Run"]]:
    """The base URL of a server on `folder`, and its process; it is stopped by SIGTERM."""
    environment = {
        **os.environ,
        "CASHIER_MESSAGES_PER_SECOND": "1000000",
        "LOG_LEVEL": "INFO",
    }
    with (folder / log).open("wb") as errors:
        command = [sys.executable, "app.py", "serve", "--port", str(port)]
        run = subprocess.Popen(
            [*command, "--data-dir", str(folder / "data")],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        try:
            assert run.stdout is not None
            line = run.stdout.readline()
            assert line.startswith("listening on "), (folder / log).read_text()[-2000:]
            yield line.split()[-1], run
        finally:
            run.terminate()
            run.wait(20)
            assert run.stdout is not None
            run.stdout.close()


Run = subprocess.Popen[str]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base URL of the server that all flows share."""
    with serving(tmp_path_factory.mktemp("flows")) as (base, _):
        yield base


@pytest.fixture
async def world(server: str) -> AsyncIterator[World]:
    async with httpx.AsyncClient(base_url=server, timeout=SLOWEST_REQUEST_S) as http:
        await check_answers(http)
        yield World(http)
