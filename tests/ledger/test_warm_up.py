"""After a start the accounts that moved last are in memory before they are asked for."""

import trio

from actors.account import Account
from actors.warm_up import PORTION, WarmUp
from domain.ledger import wallet
from storage.errors import Unavailable
from storage.users import store_errors
from tests.ledger.house import FUNDS, House, living, transfer

ANN, BEN, CAT, DAN = 1, 2, 3, 4


def moved(house: House) -> dict[object, tuple[int, int, int]]:
    """What is in memory, by key."""
    resident = house.ledger.accounts.resident.values()
    return {a.key: (a.posted, a.sequence, a.last_us) for a in resident}


async def test_everybody_comes_as_they_were(house: House) -> None:
    """In portions; the next transfer between any two asks the database for nothing."""
    async with trio.open_nursery() as nursery:
        for owner in range(1, PORTION + 6):
            nursery.start_soon(house.fund, owner, owner)
    await house.must(transfer(BEN, ANN, 2))
    before = moved(house)
    assert len(before) > PORTION
    house.passivate()
    assert not moved(house)
    await WarmUp(house.accounts, house.ledger.accounts).run()
    assert moved(house) == before
    house.accounts.loaded.clear()
    await house.must(transfer(ANN, PORTION + 5, 3))
    assert house.accounts.loaded == []
    await house.balances()


async def test_those_that_moved_last_come_when_not_all_have_a_place(dsn: str) -> None:
    async with living(dsn) as house:
        for owner in (ANN, BEN, CAT, DAN):
            await house.fund(owner, 9)
        await house.must(transfer(BEN, DAN, 1))
    async with living(dsn, resident_limit=3) as house:
        await WarmUp(house.accounts, house.ledger.accounts).run()
        assert set(moved(house)) == {FUNDS, wallet(BEN, "USD"), wallet(DAN, "USD")}


async def test_owners_are_told_of_unless_they_are_deleted(house: House) -> None:
    """A transfer asks whether its recipient is there: nobody has to look that up either."""
    await house.pool.execute(_PEOPLE, [[ANN, BEN], [False, True]])
    for owner in (ANN, BEN, CAT):
        await house.fund(owner, 9)
    house.passivate()
    seen: list[int] = []
    house.accounts.seen = seen.append
    await WarmUp(house.accounts, house.ledger.accounts).run()
    assert seen == [ANN]


async def test_what_moved_since_it_was_read_is_not_overwritten(house: House) -> None:
    await house.fund(ANN, 9)
    stale = await house.accounts.latest(0, 0, PORTION)
    await house.must(transfer(ANN, BEN, 4))
    directory = house.ledger.accounts
    assert directory.adopt(stale)
    assert {account.posted for account in directory.resident.values()} == {-9, 5, 4}
    await house.balances()


async def test_what_is_being_recovered_is_left_to_the_recovery(house: House) -> None:
    """Two lives of one account would both spend its money."""
    await house.fund(ANN, 9)
    house.passivate()
    found = await house.accounts.latest(0, 0, PORTION)
    house.accounts.after_loads.close()
    directory = house.ledger.accounts
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.must, transfer(ANN, BEN, 4))
        await house.accounts.after_loads.until_waiting()
        adopted = directory.adopt(found)
        house.accounts.after_loads.open()
    assert adopted
    ann = directory.peek(wallet(ANN, "USD"))
    assert ann is not None
    assert all(ann is not account for account in found)
    await house.balances()


async def test_a_read_is_given_up_once_memory_is_full(dsn: str) -> None:
    """What was passivated meanwhile may have moved since the read."""
    async with living(dsn, resident_limit=3) as house:
        directory = house.ledger.accounts
        await house.fund(ANN, 9)
        stale = await house.accounts.latest(0, 0, PORTION)
        for owner in (BEN, CAT, DAN):
            await house.must(transfer(ANN, owner, 1))
        before = dict(directory.resident)
        assert not directory.adopt(stale)
        assert directory.resident == before
        await house.balances()


async def test_a_database_that_goes_away_ends_it_quietly(house: House) -> None:
    await house.fund(ANN, 9)
    house.passivate()
    store = _Away(house)
    await WarmUp(store, house.ledger.accounts).run()
    assert store.asked == 1
    assert not moved(house)
    await house.must(transfer(ANN, BEN, 4))


_PEOPLE = """
INSERT INTO users (id, object_id, email_verified, email_proved_us, phone_verified, first_name,
    role, token_version, wallet_active, deleted, created_us, last_login_us, totp_enabled,
    totp_pending_wrong, totp_last_step, revision)
SELECT id, lpad(id::text, 24, '0'), false, 0, false, '', 'user', 0, true, deleted, 0, 0, false, 0,
    0, 0
FROM unnest(%s::bigint[], %s::boolean[]) AS made (id, deleted)
"""


class _Away:
    """Storage that is away once portions are asked for."""

    def __init__(self, house: House) -> None:
        self._house = house
        self.asked = 0

    async def moved_since(self, count: int) -> int:
        return await self._house.accounts.moved_since(count)

    async def latest(self, since_us: int, after_id: int, count: int) -> list[Account]:
        self.asked += 1
        with store_errors():
            raise Unavailable("gone")
