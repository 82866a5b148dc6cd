"""`world`: a simulated Safaricom, a client of it and a receiver of callbacks, all on loopback."""

from collections.abc import AsyncIterator

import pytest

from providers.sandbox.mpesa.account import Account, Vault
from tests.providers.mpesa.support import MemoryStore, Receiver, World, simulating


@pytest.fixture(scope="session")
def vault() -> Vault:
    """One key pair for all tests."""
    return Vault(Account())


@pytest.fixture
async def world(vault: Vault) -> AsyncIterator[World]:
    async with simulating(vault, MemoryStore(), Receiver()) as running:
        yield running
