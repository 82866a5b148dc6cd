"""Transactions and businesses on a real database: lists, filters, totals, insights."""

import random
from collections.abc import Sequence
from typing import Any, LiteralString, cast

import msgspec
import pytest

from actors.nexus_store import TransactionMade
from domain.nexuspay.business import Business, merchant_code, merchant_number
from domain.nexuspay.codes import object_id, transaction_id
from domain.nexuspay.paging import Page
from domain.nexuspay.transactions import (
    Filters,
    Operation,
    Status,
    Transaction,
    Type,
)
from storage.businesses import PostgresBusinesses
from storage.driver import Row
from storage.nexuspay import PostgresTransactions
from storage.pool import Params, Pool
from storage.writes import write

USER, OTHER = 700, 701
NOW_US = 1_700_000_000_000_000
DAY_US = 86_400_000_000
ALL = Page(1, 100)


def some(rng: random.Random, **members: Any) -> Transaction:
    fields = {
        "id": transaction_id(rng.randbytes(16)),
        "user_id": USER,
        "owner": True,
        "type": rng.choice(list(Type)),
        "status": rng.choice(list(Status)),
        "operation": Operation.SEND,
        "chain": rng.choice(["arbitrum", "polygon", "celo"]),
        "token": rng.choice(["USDC", "ETH"]),
        "amount": rng.randrange(1, 10**20),
        "kes": rng.randrange(10**12),
        "usd": rng.randrange(10**12),
        "rate": 13333000000,
        "usd_rate": 10**8,
        "created_us": NOW_US - rng.randrange(60 * DAY_US),
    }
    return Transaction(**{**fields, **members})


async def put(pool: Pool, *transactions: Transaction, address: str = "") -> None:
    async with pool.transaction() as connection:
        for transaction in transactions:
            await write(connection, TransactionMade(transaction, address))


def newest_first(transactions: list[Transaction]) -> list[Transaction]:
    return sorted(transactions, key=lambda t: (t.created_us, t.id), reverse=True)


def matches(transaction: Transaction, filters: Filters) -> bool:
    """An independent reading of what a filter means."""
    for name in ("status", "type", "chain", "token"):
        wanted = getattr(filters, name)
        if wanted is not None and getattr(transaction, name) != wanted:
            return False
    after = filters.from_us is None or transaction.created_us >= filters.from_us
    return after and (filters.to_us is None or transaction.created_us <= filters.to_us)


async def test_every_filter_lists_and_counts_what_it_says(pool: Pool, rng: random.Random) -> None:
    """NXPY-506, NXPY-C49: filters combine with AND; the total is that of the filtered set."""
    made = [some(rng) for _ in range(150)]
    await put(pool, *made, some(rng, user_id=OTHER))
    store = PostgresTransactions(pool)
    choices = {
        "status": [None, Status.COMPLETED, Status.ERROR],
        "type": [None, Type.TOKEN_TRANSFER],
        "chain": [None, "celo"],
        "token": [None, "ETH"],
        "from_us": [None, NOW_US - 30 * DAY_US],
        "to_us": [None, NOW_US - 10 * DAY_US],
    }
    for _ in range(40):
        filters = Filters(**{name: rng.choice(values) for name, values in choices.items()})
        expected = newest_first([t for t in made if matches(t, filters)])
        found, _ = await store.history(USER, filters, Page(1, 20), NOW_US)
        assert (list(found.transactions), found.total) == (expected[:20], len(expected)), filters
        later, _ = await store.history(USER, filters, Page(2, 20), NOW_US)
        assert list(later.transactions) == expected[20:40]


async def test_a_page_beyond_the_end_is_empty_with_the_same_total(
    pool: Pool, rng: random.Random
) -> None:
    """NXPY-C39."""
    await put(pool, some(rng), some(rng))
    found, _ = await PostgresTransactions(pool).history(USER, Filters(), Page(50, 10), NOW_US)
    assert (found.transactions, found.total) == ([], 2)


async def test_a_transaction_is_found_by_either_id_and_by_its_person_alone(
    pool: Pool, rng: random.Random
) -> None:
    """NXPY-C23, NXPY-571; every member comes back as it was stored."""
    members = msgspec.structs.asdict(some(rng))
    members |= {"balance": 10**24 + 1, "code": "ABC123XYZ", "retries": 2, "reason": "why"}
    made = Transaction(**members)
    await put(pool, made)
    store = PostgresTransactions(pool)
    assert await store.find(USER, made.id) == made
    assert await store.find(USER, object_id(made.id)) == made
    assert await store.find(OTHER, made.id) is None
    assert await store.find_any(object_id(made.id)) == made


async def test_administrators_see_a_transfer_once_and_addresses_see_both_sides(
    pool: Pool, rng: random.Random
) -> None:
    sent = some(rng, type=Type.TOKEN_TRANSFER, chain="celo")
    received = msgspec.structs.replace(sent, user_id=OTHER, owner=False)
    await put(pool, sent, address="0xABC")
    await put(pool, received, address="0xdef")
    store = PostgresTransactions(pool)
    assert await store.everybodys(Filters(), ALL) == ([sent], 1)
    assert await store.everybodys(Filters(user_id=OTHER), ALL) == ([], 0)
    assert await store.by_address("0xabC", None, ALL) == ([sent], 1)
    assert await store.by_address("0xDEF", "celo", ALL) == ([received], 1)
    assert await store.by_address("0xdef", "base", ALL) == ([], 0)
    assert await store.by_address("", None, ALL) == ([], 0)


async def test_insights_count_all_transactions_of_a_person(pool: Pool, rng: random.Random) -> None:
    """NXPY-C49, NXPY-C50: three counts, volumes of completed ones, recent activity."""
    made = [some(rng) for _ in range(200)]
    await put(pool, *made, some(rng, user_id=OTHER))
    _, insights = await PostgresTransactions(pool).history(USER, Filters(), ALL, NOW_US)
    completed = [t for t in made if t.status is Status.COMPLETED]
    pending = [t for t in made if t.status in (Status.PENDING, Status.RESERVED)]
    assert (insights.completed, insights.pending) == (len(completed), len(pending))
    assert insights.total == 200
    assert (insights.usd, insights.kes) == (
        sum(t.usd for t in completed),
        sum(t.kes for t in completed),
    )
    assert insights.average_usd == insights.usd // len(completed) // 10**6 * 10**6
    recent = [sum(t.created_us > NOW_US - days * DAY_US for t in made) for days in (1, 7, 30)]
    assert [insights.last_day, insights.last_week, insights.last_month] == recent
    chains = [t.chain for t in made]
    assert chains.count(insights.chain) == max(map(chains.count, chains))


async def test_insights_of_nobody_are_zeros_and_nothing(pool: Pool) -> None:
    """NXPY-C50."""
    _, insights = await PostgresTransactions(pool).history(USER, Filters(), ALL, NOW_US)
    assert (insights.total, insights.usd, insights.average_usd) == (0, 0, 0)
    assert (insights.chain, insights.token) == (None, None)


async def test_totals_follow_a_change_of_status(pool: Pool, rng: random.Random) -> None:
    made = some(rng, status=Status.PENDING)
    await put(pool, made)
    sql = "UPDATE nexus_transactions SET status = 'completed' WHERE transaction_id = %s"
    await pool.execute(sql, [made.id])
    store = PostgresTransactions(pool)
    _, insights = await store.history(USER, Filters(), ALL, NOW_US)
    assert (insights.pending, insights.completed, insights.usd) == (0, 1, made.usd)
    found, _ = await store.history(USER, Filters(status=Status.PENDING), ALL, NOW_US)
    assert found.total == 0


async def test_every_list_goes_by_an_index(dsn: str) -> None:
    """Pages, counts and sorts; how long they take is measured by `benchmarks reads`."""
    month = {"from_us": NOW_US - 40 * DAY_US, "to_us": NOW_US - DAY_US}
    wanted: list[tuple[Filters, Page]] = [
        (Filters(), Page(1, 10)),
        (Filters(), Page(900, 100)),
        (Filters(chain="lisk", status=Status.FAILED, type=Type.TOKEN_TRANSFER), Page(1, 100)),
        (Filters(token="BTC", **month), Page(3, 50)),
        (Filters(type=Type.FIAT_TO_CRYPTO, status=Status.ERROR), Page(1, 10)),
    ]
    async with Pool.opened(dsn, session="SET enable_seqscan = off") as pool:
        explained = _Explained(pool)
        store = PostgresTransactions(cast(Pool, explained))
        for filters, page in wanted:
            await store.history(USER, filters, page, NOW_US)
            await store.everybodys(filters, page)
    assert len(explained.plans) == 4 * len(wanted) + 1
    for plan in explained.plans:
        assert "Scan" in plan
        assert "Seq Scan" not in plan, plan


class _Explained:
    """A pool that keeps how every statement is carried out."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.plans: list[str] = []

    async def fetch(self, sql: LiteralString, params: Params = ()) -> Sequence[Row]:
        rows = await self._pool.fetch("EXPLAIN " + sql, params)
        self.plans.append("\n".join(row[0] for row in rows))
        return await self._pool.fetch(sql, params)

    async def fetch_one(self, sql: LiteralString, params: Params = ()) -> Row | None:
        rows = await self.fetch(sql, params)
        return rows[0] if rows else None


def shop(**members: Any) -> Business:
    fields = {
        "id": "b-1",
        "user_id": USER,
        "name": "Coffee Shop",
        "owner_name": "John Doe",
        "location": "Nairobi, Kenya",
        "type": "retail",
        "phone": "+254712345678",
        "created_us": NOW_US,
    }
    return Business(**{**fields, **members})


async def test_a_person_has_one_business_and_its_number_comes_with_completion(pool: Pool) -> None:
    """NXPY-C34, NXPY-C35."""
    store = PostgresBusinesses(pool)
    assert await store.save_pending(shop()) == shop()
    again = await store.save_pending(shop(id="b-2", name="Tea Shop", created_us=NOW_US + 5))
    assert again == shop(name="Tea Shop"), "the pending one keeps its id"
    done = await store.complete("b-1", "0xAb", NOW_US + 9)
    assert done == shop(name="Tea Shop", number=1, address="0xAb", completed_us=NOW_US + 9)
    assert await store.complete("b-1", "0xCd", NOW_US + 10) is None
    assert await store.save_pending(shop(id="b-3", name="Bar")) == done
    other = await store.save_pending(shop(id="b-4", user_id=OTHER))
    assert await store.complete("b-4", "0xEf", NOW_US) is not None
    assert await store.by_number(2) == await store.by_id(other.id)
    assert await store.by_address("0xAB") == done
    assert await store.by_address("") is None


@pytest.mark.parametrize(
    ("code", "number"),
    [("NEXUS001", 1), ("NEXUS1234", 1234), ("NEXUS1", None), ("NOPE", None), ("NEXUS0x1", None)],
)
def test_a_merchant_code_is_nexus_and_at_least_three_digits(code: str, number: int | None) -> None:
    assert merchant_number(code) == number
    assert number is None or merchant_code(number) == code
