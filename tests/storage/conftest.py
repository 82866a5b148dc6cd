"""`bare_pool`: a Pool on a database without our tables, for tests of storage's own base."""

from collections.abc import AsyncIterator

import pytest

from storage.pool import Pool


@pytest.fixture
async def bare_pool(empty_dsn: str) -> AsyncIterator[Pool]:
    async with Pool.opened(empty_dsn) as opened:
        yield opened
