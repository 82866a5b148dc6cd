"""What tests of a database that goes away have in common."""

from collections import Counter

import trio

from domain.ledger import Recorded, Refusal
from tests.ledger.house import House, transfer

ANN, BEN = 1, 2

END_WRITER = """
SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity
WHERE application_name = 'daftari writer' AND datname = current_database()
"""


async def ask_all(
    house: House, keys: list[str], answers: dict[str, Recorded | Refusal | None]
) -> None:
    async def ask(key: str) -> None:
        answers[key] = None
        answers[key] = await house.ledger.record(transfer(ANN, BEN, 1, key=key))

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(ask, key)


async def recorded_keys(house: House) -> Counter[str]:
    rows = await house.pool.fetch("SELECT key FROM idempotency")
    return Counter(key for (key,) in rows)
