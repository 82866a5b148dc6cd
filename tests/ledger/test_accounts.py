"""One live account a key: recovered once for all askers, passivated without losing a unit."""

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

import pytest
import trio
import trio.testing

from actors.account import Account
from actors.identity_store import StoreUnavailable
from domain.ledger import AccountKey, Hold, Intent, Recorded, Refusal, wallet
from storage.accounts import PostgresAccounts
from storage.errors import UniqueViolation
from storage.pool import Pool
from tests.ledger.house import House, living, transfer

ANN, BEN = 1, 2
ANNS, BENS = wallet(ANN, "USD"), wallet(BEN, "USD")


class Askers:
    """What each of many simultaneous askers for one account got."""

    def __init__(self, house: House, key: AccountKey) -> None:
        self._house = house
        self._key = key
        self.answers: list[Account | None] = []
        self.errors: list[Exception] = []

    async def ask(self) -> None:
        try:
            self.answers.append(await self._house.ledger.accounts.get(self._key))
        except (StoreUnavailable, RuntimeError) as error:
            self.errors.append(error)


async def test_a_thousand_askers_share_one_recovery_and_one_account(house: House) -> None:
    await house.fund(ANN, 5)
    house.passivate()
    house.accounts.loaded.clear()
    askers = Askers(house, ANNS)
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(askers.ask)
    assert house.accounts.loaded == [[ANNS]]
    assert len(askers.answers) == 1000
    assert len({id(account) for account in askers.answers}) == 1
    assert askers.answers[0] is house.ledger.accounts.peek(ANNS)


async def test_storage_that_fails_answers_everyone_and_the_next_asker_tries_again(
    house: House,
) -> None:
    await house.fund(ANN, 5)
    house.passivate()
    house.accounts.fault = StoreUnavailable("away")
    askers = Askers(house, ANNS)
    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(askers.ask)
    assert len(askers.errors) == 1000
    assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.UNAVAILABLE
    house.accounts.fault = None
    await house.must(transfer(ANN, BEN, 5))
    await house.balances()


async def test_an_asker_that_leaves_does_not_take_the_recovery_along(house: House) -> None:
    await house.fund(ANN, 5)
    house.passivate()
    house.accounts.loads.close()
    askers = Askers(house, ANNS)
    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(askers.ask)
        with trio.move_on_after(0.02):
            await house.ledger.accounts.get(ANNS)
        house.accounts.loads.open()
    assert len(askers.answers) == 10


async def test_those_who_ask_at_the_same_time_share_one_query(house: House) -> None:
    house.accounts.loaded.clear()
    keys = [wallet(owner, "USD") for owner in range(1, 101)]
    askers = [Askers(house, key) for key in keys]
    async with trio.open_nursery() as nursery:
        for asker in askers:
            nursery.start_soon(asker.ask)
    assert [set(batch) for batch in house.accounts.loaded] == [set(keys)]
    assert all(asker.answers == [None] for asker in askers)


async def test_an_expected_account_is_there_when_it_is_asked_for(house: House) -> None:
    await house.fund(ANN, 5)
    house.passivate()
    house.accounts.loaded.clear()
    house.ledger.accounts.expect(ANNS)
    house.ledger.accounts.expect(ANNS)
    house.accounts.loads.close()
    await house.accounts.loads.until_waiting()
    house.ledger.accounts.expect(ANNS)  # it is being recovered already
    askers = Askers(house, ANNS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(askers.ask)
        house.accounts.loads.open()
    house.ledger.accounts.expect(ANNS)
    await trio.testing.wait_all_tasks_blocked()
    assert house.accounts.loaded == [[ANNS]]
    assert askers.answers == [house.ledger.accounts.peek(ANNS)]
    await house.must(transfer(ANN, BEN, 5))
    await house.balances()


async def test_an_expectation_that_fails_is_nobodys_failure(house: House) -> None:
    await house.fund(ANN, 5)
    house.passivate()
    house.accounts.fault = StoreUnavailable("away")
    house.ledger.accounts.expect(ANNS)
    house.ledger.accounts.expect(BENS)
    await trio.testing.wait_all_tasks_blocked()
    house.accounts.fault = None
    house.ledger.accounts.expect(BENS)  # who has no account: that changes nothing
    await house.must(transfer(ANN, BEN, 5))
    await house.balances()


async def test_the_oldest_leave_first_and_those_in_flight_stay(dsn: str) -> None:
    async with living(dsn, resident_limit=3) as house:
        for owner in range(1, 7):
            await house.ledger.accounts.open(wallet(owner, "USD"))
        assert [key.owner for key in house.ledger.accounts.resident] == [4, 5, 6]
        oldest = house.ledger.accounts.peek(wallet(4, "USD"))
        assert oldest is not None
        oldest.in_flight += 1
        await house.ledger.accounts.open(wallet(7, "USD"))
        assert [key.owner for key in house.ledger.accounts.resident] == [4, 6, 7]


async def test_nobody_waits_for_a_directory_that_has_stopped(dsn: str) -> None:
    """architecture.md, "Actors": on stop everything queued is answered."""
    async with trio.open_nursery() as outside, living(dsn) as house:
        house.accounts.loads.close()
        loading, waiting = Askers(house, ANNS), Askers(house, BENS)
        outside.start_soon(Askers(house, wallet(10, "USD")).ask)
        await house.accounts.loads.until_waiting(1)  # the query that is under way
        outside.start_soon(loading.ask)
        outside.start_soon(waiting.ask)
        await trio.testing.wait_all_tasks_blocked()
        house.scope.cancel()
    assert len(loading.errors) == len(waiting.errors) == 1
    house.ledger.accounts.expect(ANNS)
    with pytest.raises(RuntimeError, match="stopped"):
        await house.ledger.accounts.get(ANNS)


async def test_many_openers_open_one_account(house: House) -> None:
    opened: list[Account] = []

    async def open_it() -> None:
        opened.append(await house.ledger.accounts.open(ANNS))

    async with trio.open_nursery() as nursery:
        for _ in range(50):
            nursery.start_soon(open_it)
    assert len({id(account) for account in opened}) == 1
    assert await house.count("SELECT count(*) FROM accounts") == 1
    assert await house.count("SELECT count(*) FROM balances") == 1


async def test_an_opener_that_meets_the_number_of_another_first_finds_the_account_there(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A platform account's number is fixed: of two openers the second may meet the number's
    index before the key's, which alone the statement lets pass."""
    store, key = PostgresAccounts(pool), AccountKey(0, "KES", "FX_POSITION")
    insert = pool.execute

    async def beaten(sql: str, values: Mapping[str, Any]) -> int:
        await insert(sql, values)
        raise UniqueViolation("accounts_number_key")

    monkeypatch.setattr(pool, "execute", beaten)
    await store.open(key, 1, None)
    [found] = await store.load([key])
    assert found.number == "SYS-KES-FX_POSITION-REAL"


async def test_a_number_that_is_anothers_is_refused(pool: Pool) -> None:
    store = PostgresAccounts(pool)
    await store.open(AccountKey(1, "USD"), 1, "ACC-MINE")
    with pytest.raises(UniqueViolation):
        await store.open(AccountKey(2, "USD"), 1, "ACC-MINE")
    assert await store.load([AccountKey(2, "USD")]) == []


async def test_a_slow_opener_gets_what_happened_since_not_what_it_once_read(house: House) -> None:
    """Otherwise the money that came meanwhile could be overwritten, and the rest spent twice."""
    house.accounts.after_openings.close()
    opened: list[Account] = []

    async def open_it() -> None:
        opened.append(await house.ledger.accounts.open(ANNS))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_it)
        await house.accounts.after_openings.until_waiting()
        await house.ledger.accounts.get(ANNS)  # the row is there, the opener has not noticed
        house.accounts.after_openings.open()
        await house.fund(ANN, 100)
        house.accounts.after_openings.close()
        house.passivate()
        house.accounts.after_openings.open()
    assert opened[0].posted == 100
    await house.must(transfer(ANN, BEN, 100))
    await house.balances()


async def test_a_recovery_older_than_the_opening_does_not_hide_the_account(house: House) -> None:
    house.accounts.openings.close()
    opened: list[Account] = []

    async def open_it() -> None:
        opened.append(await house.ledger.accounts.open(ANNS))

    askers = Askers(house, ANNS)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(open_it)
        await house.accounts.openings.until_waiting()
        house.accounts.after_loads.close()
        nursery.start_soon(askers.ask)
        await house.accounts.after_loads.until_waiting()  # it found no row
        house.accounts.openings.open()  # now there is one, and the opener joins that recovery
        while await house.count("SELECT count(*) FROM accounts") == 0:
            await trio.sleep(0.001)
        await trio.testing.wait_all_tasks_blocked(0.01)
        house.accounts.after_loads.open()
    assert askers.answers == [None]
    assert opened[0] is house.ledger.accounts.peek(ANNS)


async def test_an_account_in_flight_is_not_passivated(house: House) -> None:
    await house.fund(ANN, 10)
    house.store.commits.close()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(house.must, transfer(ANN, BEN, 10))
        await house.store.commits.until_waiting()
        house.passivate()
        assert house.ledger.accounts.peek(ANNS) is not None
        assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.INSUFFICIENT_FUNDS
        house.store.commits.open()
    await house.balances()


@pytest.mark.parametrize("resident_limit", [3, 8, 20])
async def test_passivation_under_load_lets_nobody_spend_twice(
    dsn: str, rng: random.Random, resident_limit: int
) -> None:
    """`DoorAccounts.load` complains when a key would come alive a second time."""
    people = range(1, 41)
    async with living(dsn, resident_limit=resident_limit) as house:
        for owner in people:
            await house.fund(owner, 30)
        answers: Counter[tuple[int, bool]] = Counter()

        async def spend(owner: int) -> None:
            answer = await house.ledger.record(transfer(owner, 100 + rng.randrange(20), 10))
            answers[owner, isinstance(answer, Recorded)] += 1

        async with trio.open_nursery() as nursery:
            for owner in rng.sample([*people] * 8, 320):
                nursery.start_soon(spend, owner)
        assert all(answers[owner, True] == 3 and answers[owner, False] == 5 for owner in people)
        assert len(house.accounts.loaded) > 10
        await house.journal.drain()
        house.passivate()
        assert not house.ledger.accounts.resident
        await house.balances()


async def test_a_hold_survives_passivation(house: House) -> None:
    await house.fund(ANN, 10)
    await house.must(Intent(kind="HOLD", place=Hold(ANNS, 8)))
    house.passivate()
    assert await house.ledger.record(transfer(ANN, BEN, 3)) is Refusal.INSUFFICIENT_FUNDS
    await house.must(transfer(ANN, BEN, 2))
    await house.balances()


async def test_memory_that_contradicts_the_database_cannot_overwrite_it(house: House) -> None:
    """The batch statement compares before it writes: a second live account would be found out."""
    await house.fund(ANN, 10)
    account = house.ledger.accounts.peek(ANNS)
    assert account is not None
    account.credits_posted += 1000
    account.sequence += 7
    assert await house.ledger.record(transfer(ANN, BEN, 500)) is Refusal.CONFLICT
    account.sequence -= 7
    account.debits_pending += 1
    assert await house.ledger.record(transfer(ANN, BEN, 500)) is Refusal.CONFLICT
    house.passivate()
    await house.must(transfer(ANN, BEN, 10))
    await house.balances()


async def test_a_locked_account_pays_nothing_and_is_found_locked_again(house: House) -> None:
    await house.fund(ANN, 10)
    account = house.ledger.accounts.peek(ANNS)
    assert account is not None
    assert await house.accounts.set_locked(account.number, True)
    house.passivate()
    assert await house.ledger.record(transfer(ANN, BEN, 1)) is Refusal.ACCOUNT_LOCKED
    assert await house.accounts.set_locked(account.number, False)
    house.passivate()
    await house.must(transfer(ANN, BEN, 1))
    assert not await house.accounts.set_locked("ACC-USD-0", True)


async def test_accounts_are_numbered_by_currency_or_by_wish(house: House) -> None:
    plain = await house.ledger.accounts.open(ANNS)
    assert plain.number == f"ACC-USD-{plain.id}"
    wished = await house.ledger.accounts.open(BENS, "ACC-USD-12345")
    assert wished.number == "ACC-USD-12345"
    found = await house.accounts.by_number("ACC-USD-12345")
    assert found is not None
    assert found.key == BENS
    assert await house.accounts.by_number("ACC-USD-1") is None
