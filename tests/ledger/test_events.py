"""Events by offset: read again by whoever resumes, purged when old (X-C28)."""

from domain.events import TransferReceived, person
from domain.ledger import Recorded
from storage.events import PostgresEvents
from tests.ledger.house import House, transfer

ANN, BEN, COY = 1, 2, 3


async def test_a_feed_is_read_from_any_offset_in_order(house: House) -> None:
    events = PostgresEvents(house.pool)
    await house.fund(ANN, 100)
    recorded: list[Recorded] = []
    for units in (1, 2, 3):
        recorded.append(await house.must(transfer(ANN, BEN, units)))
        await house.must(transfer(ANN, COY, 7))
    found = await events.since(person(BEN), 0, 10)
    assert [offset for offset, _ in found] == [1, 3, 5]
    assert [fact for _, fact in found] == [
        TransferReceived(
            from_user=ANN, amount=units, asset="USD", description="", receipt=each.receipt
        )
        for units, each in zip((1, 2, 3), recorded, strict=True)
    ]
    assert [offset for offset, _ in await events.since(person(BEN), 1, 1)] == [3]
    assert await events.newest(person(BEN)) == 5
    assert await events.newest(person(ANN)) == 0
    assert not await events.since(person(BEN), 5, 10)


async def test_a_purge_remembers_how_far_it_went(house: House) -> None:
    events = PostgresEvents(house.pool)
    await house.fund(ANN, 100)
    assert await events.purge(2**62) == 0
    assert await events.forgotten() == 0
    for _ in range(3):
        last = await house.must(transfer(ANN, BEN, 1))
    assert await events.purge(last.recorded_us) == 2
    assert await events.forgotten() == 2
    assert [offset for offset, _ in await events.since(person(BEN), 0, 10)] == [3]
    await house.balances()
