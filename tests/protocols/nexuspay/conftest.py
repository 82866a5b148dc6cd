"""A running server for each test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.protocols.nexuspay.house import House, serving


@pytest.fixture
async def house(dsn: str, tmp_path: Path) -> AsyncIterator[House]:
    async with serving(dsn, tmp_path) as opened:
        yield opened
