"""`provider`: the outside; `house`: payments on the test's own database."""

from collections.abc import AsyncIterator

import pytest
import trio

from tests.actors.payments.house import House, living
from tests.actors.payments.provider import Provider


@pytest.fixture
async def provider() -> AsyncIterator[Provider]:
    provider = Provider()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(provider.run)
        yield provider
        nursery.cancel_scope.cancel()


@pytest.fixture
async def house(dsn: str, provider: Provider) -> AsyncIterator[House]:
    async with living(dsn, provider) as running:
        yield running
