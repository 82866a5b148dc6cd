"""What a running server says of itself, fetched once over HTTP for all these tests."""

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.conftest import fresh_database
from tests.documents.running import Snapshot, taken


@pytest.fixture(scope="session")
def snapshot(
    postgres_dsn: str, _template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Snapshot]:
    folder: Path = tmp_path_factory.mktemp("documents")
    databases = fresh_database(postgres_dsn, _template)
    yield trio.run(functools.partial(taken, next(databases), folder))
    next(databases, None)
