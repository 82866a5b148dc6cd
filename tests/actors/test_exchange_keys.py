"""Keys at exchanges, where the store of keys is away."""

from types import SimpleNamespace
from typing import Any

import pytest

from actors.clock import Clock
from actors.exchange_keys import ExchangeKeys, StoredKeys
from actors.identity_store import StoreUnavailable
from tests.actors.bots.house import KEYS, FakeExchange

NOW_US = 1_700_000_000_000_000


class Shelf:
    """Remembers one person's keys; cannot be written."""

    async def of(self, user_id: int) -> list[StoredKeys]:
        return [
            StoredKeys(
                user_id=user_id,
                platform="luno",
                keys=KEYS,
                valid=True,
                checked_us=0,
                latency_ms=1,
                can_withdraw=None,
                stored_us=1,
            )
        ]

    async def checked(self, stored: StoredKeys) -> None:
        raise StoreUnavailable("away")


async def test_a_store_that_is_away_reaches_whoever_asks_for_the_health_as_it_is():
    """AMKT-080: 503, not a fault; a nursery would wrap what is raised inside it."""
    anybody: Any = SimpleNamespace()
    shelf: Any = Shelf()
    keys = ExchangeKeys(
        shelf,
        {"luno": FakeExchange()},
        anybody,
        Clock(0, lambda: NOW_US),
        allow_withdrawals=False,
    )
    profile: Any = SimpleNamespace(user_id=1, email_proved_at_us=0)
    with pytest.raises(StoreUnavailable):
        await keys.health(profile)
