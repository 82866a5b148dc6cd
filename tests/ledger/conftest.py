"""`house`: a running ledger on the test's own database."""

from collections.abc import AsyncIterator

import pytest

from tests.ledger.house import House, living


@pytest.fixture
async def house(dsn: str) -> AsyncIterator[House]:
    async with living(dsn) as running:
        yield running
