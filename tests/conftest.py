"""What every test may use.

`dsn`   a fresh, migrated database of the test's own
`pool`  a Pool on it
`rng`   a random.Random seeded from TEST_SEED and the test's name; the seed is shown on failure

A test fails when anything logs at ERROR, unless it is marked `expects_error_log`.
"""

import itertools
import logging
import os
import random
import subprocess
import sys
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import structlog
import trio
from psycopg.conninfo import make_conninfo

from assembly.awake import AwakeClock
from storage.migrate import migrate
from storage.pool import Pool

SEED = int(os.environ.get("TEST_SEED") or random.SystemRandom().randrange(1 << 32))
TEMPLATE = "migrated_template"
ROOT = Path(__file__).parent.parent


def pytest_configure(config: pytest.Config) -> None:
    # A machine that is frozen for a while must not fail what waits for an answer: every test
    # without a clock of its own runs on the server's.
    trio._core._run.SystemClock = AwakeClock  # type: ignore[misc,assignment]
    # Nor may a machine that is busy: no test is about how long it takes.
    hypothesis.settings.register_profile(
        "house", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
    )
    hypothesis.settings.load_profile("house")
    config.addinivalue_line("markers", "expects_error_log: the test provokes ERROR log records")
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.processors.format_exc_info,
            structlog.processors.KeyValueRenderer(key_order=["event"]),
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )


class _ErrorRecords(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Asynchronous fixtures are set up and torn down within this too."""
    errors = _ErrorRecords()
    logging.getLogger().addHandler(errors)
    try:
        result = yield
    finally:
        logging.getLogger().removeHandler(errors)
    if errors.records and item.get_closest_marker("expects_error_log") is None:
        shown = "\n".join(f"{record.name}: {record.getMessage()}" for record in errors.records)
        pytest.fail(f"unexpected ERROR log:\n{shown}", pytrace=False)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.append(("random seed", f"TEST_SEED={SEED}"))
    return report


@pytest.fixture
def rng(request: pytest.FixtureRequest) -> random.Random:
    return random.Random(f"{SEED}:{request.node.name}")


@pytest.fixture(scope="session")
def postgres_dsn(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The maintenance database of a PostgreSQL that lasts for the whole run."""
    data_dir = tmp_path_factory.mktemp("data")
    with subprocess.Popen(
        [sys.executable, "-m", "tests.database", str(data_dir)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        dsn = server.stdout.readline().strip()
        assert dsn, "the test database did not start; its complaint stands above"
        yield dsn
        # Leaving the block closes its standard input, which stops it, and waits.


@pytest.fixture(scope="session")
def _template(postgres_dsn: str) -> str:
    """Migrate one database; the tests' own are copied from it."""
    with psycopg.connect(postgres_dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {TEMPLATE}")
    trio.run(migrate, make_conninfo(postgres_dsn, dbname=TEMPLATE))
    return TEMPLATE


_numbers = itertools.count(1)


def fresh_database(postgres_dsn: str, template: str) -> Iterator[str]:
    """One new database made from `template`, dropped afterwards."""
    name = f"test_{next(_numbers)}"
    with psycopg.connect(postgres_dsn, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        yield make_conninfo(postgres_dsn, dbname=name)
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def empty_dsn(postgres_dsn: str) -> Iterator[str]:
    """A database of the test's own without any table."""
    yield from fresh_database(postgres_dsn, "template0")


@pytest.fixture
def dsn(postgres_dsn: str, _template: str) -> Iterator[str]:
    """A database of the test's own with all migrations applied."""
    yield from fresh_database(postgres_dsn, _template)


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[Pool]:
    async with Pool.opened(dsn) as opened:
        yield opened
