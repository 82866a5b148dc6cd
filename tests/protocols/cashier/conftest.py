"""The in-memory cashier for every test that wants one."""

from collections.abc import AsyncIterator

import pytest

from tests.protocols.cashier.house import House, opened


@pytest.fixture
async def house() -> AsyncIterator[House]:
    async with opened() as house:
        yield house
