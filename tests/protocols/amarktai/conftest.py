"""One server for the folder, in a process of its own; every test makes its own people."""

import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import pytest

from tests.conftest import ROOT, fresh_database
from tests.protocols.amarktai.house import REQUESTS_PER_MINUTE, House

_STOPS_WITHIN_S = 30.0


@pytest.fixture(scope="session")
def base_url(
    postgres_dsn: str, _template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Where the server is."""
    folder = tmp_path_factory.mktemp("amarktai")
    environ = os.environ | {
        "AMARKTAI_REQUESTS_PER_MINUTE": str(REQUESTS_PER_MINUTE),
        "AMARKTAI_HOSTS": "api.amarktai.example",
        "LOG_LEVEL": "WARNING",
        "SANDBOX_TICK_MILLISECONDS": "50",
    }
    for dsn in fresh_database(postgres_dsn, _template):
        command = [sys.executable, "app.py", "serve", "--port", "0", "--database-url", dsn]
        with (
            (folder / "server.log").open("wb") as errors,
            subprocess.Popen(
                [*command, "--data-dir", str(folder / "data")],
                cwd=ROOT,
                env=environ,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            ) as server,
        ):
            assert server.stdout is not None
            line = server.stdout.readline()
            assert line.startswith("listening on "), (folder / "server.log").read_text()[-2000:]
            yield line.split()[-1]
            server.terminate()
            assert server.wait(_STOPS_WITHIN_S) == 0
        log = (folder / "server.log").read_text().splitlines()
        # A test makes a bot crash.
        errors = [line for line in log if "[error" in line and "child=\"bots '" not in line]
        assert not errors, "\n".join(errors)


@pytest.fixture
async def house(base_url: str) -> AsyncIterator[House]:
    async with House.visiting(int(base_url.rpartition(":")[2])) as house:
        yield house
