"""What tests of a database that goes away have in common."""

from collections import Counter

import trio

from domain.ledger import Recorded, Refusal
from tests.ledger.house import House, transfer

ANN, BEN = 1, 2

Answers = dict[str, Recorded | Refusal | None]

END_WRITER = """
SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity
WHERE application_name = 'daftari writer' AND datname = current_database()
"""


async def ask_all(house: House, keys: list[str], answers: Answers) -> None:
    async def ask(key: str) -> None:
        answers[key] = None
        answers[key] = await house.ledger.record(transfer(ANN, BEN, 1, key=key))

    async with trio.open_nursery() as nursery:
        for key in keys:
            nursery.start_soon(ask, key)


async def one_committing_and_one_queued(
    house: House, nursery: trio.Nursery, answers: Answers
) -> None:
    """Of Ann's 100: "first" waits at the closed door of its commit, "second" for its turn."""
    await house.fund(ANN, 100)
    house.store.commits.close()
    nursery.start_soon(ask_all, house, ["first"], answers)
    await house.store.commits.until_waiting()
    nursery.start_soon(ask_all, house, ["second"], answers)
    while not house.journal.queued:
        await trio.sleep(0.001)


async def recorded_keys(house: House) -> Counter[str]:
    rows = await house.pool.fetch("SELECT key FROM idempotency")
    return Counter(key for (key,) in rows)
