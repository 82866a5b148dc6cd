"""Payments on a real database, beside a provider that outlives them."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from actors.account import Accounts
from actors.callbacks import CallbackIntake, Source
from actors.clock import Clock
from actors.feed import Feeds
from actors.identity_store import StoreUnavailable
from actors.journal import Journal
from actors.ledger import Ledger
from actors.payment_messages import Fulfil
from actors.payment_parts import Parts
from actors.payments import Payments
from domain.events import Fact, person
from domain.ledger import (
    AccountKey,
    Intent,
    Posting,
    Recorded,
    Refusal,
    SystemPurpose,
    system,
    wallet,
)
from domain.money import units_of
from domain.payments import SILENCE_US, Kind, Payment, State
from storage.accounts import PostgresAccounts
from storage.alerts import PostgresAlerts
from storage.errors import Unavailable
from storage.events import PostgresEvents
from storage.pool import Pool
from storage.verify import verify
from tests.actors.payments.killable import (
    Faults,
    KillableCallbacks,
    KillableJournal,
    KillablePayments,
    Killed,
    Points,
)
from tests.actors.payments.provider import Provider, Urls

SECRET = b"a secret of the tests"
AWAY = (Unavailable, StoreUnavailable)
DAY_US = 86_400_000_000
_PATIENCE_S = 60.0  # of a busy machine; nobody waits for it otherwise
_users = iter(range(1001, 1_000_000))


@dataclass
class House:
    """One run of the process."""

    pool: Pool
    clock: Clock
    provider: Provider
    ledger: Ledger
    payments: Payments
    intake: CallbackIntake
    faults: Faults

    async def person(self, balance: str = "100") -> int:
        """Somebody new with so many USD."""
        user_id = next(_users)
        if units_of(balance):
            source = system("USD", SystemPurpose.SANDBOX_FUNDING)
            posting = Posting(source, wallet(user_id, "USD"), units_of(balance), "Funding")
            recorded = await self.ledger.record(Intent(kind="FUNDING", postings=(posting,)))
            assert isinstance(recorded, Recorded)
        else:
            await self.ledger.accounts.open(wallet(user_id, "USD"))
        return user_id

    async def deposit(self, user_id: int, phone: str = "", kes: str = "1000") -> Payment:
        """A push for so many shillings, at 133.33."""
        units = units_of(kes)
        now = self.clock.now_us()
        draft = Payment(
            **self._common(user_id, now, now + SILENCE_US),
            kind=Kind.PARTNER_DEPOSIT,
            state=State.SENDING,
            amount=units * 75 // 10_000 // 10**6 * 10**6,
            usd_amount=units * 75 // 10_000 // 10**6 * 10**6,
            local_asset="KES",
            local_amount=units,
            fee=units_of("0.5"),
            phone=phone or _phone(user_id),
        )
        return await self._create(draft, "DEP")

    async def withdrawal(self, user_id: int, phone: str = "", usd: str = "5") -> Payment:
        """A payout of so many dollars, at 133.33 and a fee of 0.50."""
        units, fee = units_of(usd), units_of("0.5")
        now = self.clock.now_us()
        draft = Payment(
            **self._common(user_id, now, now + SILENCE_US),
            kind=Kind.PARTNER_WITHDRAWAL,
            state=State.SENDING,
            amount=units,
            usd_amount=units,
            local_asset="KES",
            local_amount=units * 13_333 // 100,
            fee=fee,
            held=units + fee,
            phone=phone or _phone(user_id),
        )
        return await self._create(draft, "WTH")

    async def cash(self, user_id: int, agent: int, kind: Kind, usd: str = "50") -> Payment:
        """A deposit or withdrawal by way of an agent; a withdrawal costs 1.00."""
        units, fee = units_of(usd), units_of("1") if kind is Kind.AGENT_WITHDRAWAL else 0
        now = self.clock.now_us()
        draft = Payment(
            **self._common(user_id, now, now + DAY_US),
            kind=kind,
            state=State.WAITING,
            amount=units,
            usd_amount=units,
            local_asset="USD",
            local_amount=units,
            fee=fee,
            held=units + fee if fee else 0,
            agent="AGT-1",
            agent_user=agent,
        )
        return await self._create(draft, "AGT")

    def _common(self, user_id: int, now: int, due: int) -> dict[str, Any]:
        account = wallet(user_id, "USD")
        ids = {"id": 0, "ref": "", "account": account, "user_id": user_id, "asset": "USD"}
        return {**ids, "created_us": now, "due_us": due}

    async def _create(self, draft: Payment, prefix: str) -> Payment:
        made = await self.payments.create(draft, prefix)
        assert not isinstance(made, Refusal), made
        return made[0]

    async def fulfil(self, payment: Payment, agent: int) -> Any:
        """The agent hands over."""
        return await self.payments.fulfil(payment.id, Fulfil(wallet(agent, "USD")))

    async def now(self, payment: Payment) -> Payment:
        """The payment as it is stored."""
        found = await self.payments.store.load(payment.id)
        assert found is not None
        return found

    async def until(self, payment: Payment, *states: State) -> Payment:
        """The payment once it is in one of these states."""
        return await self.eventually(payment, lambda found: found.state in states)

    async def eventually(self, payment: Payment, holds: Any) -> Payment:
        """The payment once `holds` is true of it."""
        found = await self.now(payment)
        with trio.move_on_after(_PATIENCE_S):
            while not holds(found := await self.now(payment)):
                await trio.sleep(0.005)
            return found
        raise AssertionError(f"not in time: {found}")

    async def settled(self) -> None:
        """Until the provider is quiet, every callback is handled and no payment is open. The
        clock is moved on only once everybody has acted on the time that it is, to when the first
        payment's patience ends: however slow the machine, nobody is overtaken by time."""
        doing = ""
        with trio.move_on_after(_PATIENCE_S):
            while True:
                doing = f"callbacks; the provider is quiet: {self.provider.is_quiet}"
                while not self.provider.is_quiet or await self.unhandled():
                    await trio.sleep(0.005)
                doing = "calls, or due payments"
                while waiting := await self.open():
                    if not any(self.acts(payment) for payment in waiting):
                        break
                    await trio.sleep(0.005)
                if not self.provider.is_quiet or await self.unhandled():
                    continue
                if not waiting:
                    return
                first_us = min(payment.due_us for payment in waiting)
                self.clock.advance(max(1, (first_us - self.clock.now_us()) // 10**6 + 1))
        rows = await self.pool.fetch("SELECT source, body, verdict FROM callbacks ORDER BY id")
        raise AssertionError(f"still {doing}: {self.provider.operations}, {rows[-5:]}")

    def acts(self, payment: Payment) -> bool:
        """Whether the payment's actor has something to do before time may pass."""
        is_due = 0 < payment.due_us <= self.clock.now_us()
        return payment.asking or _unasked(payment) or is_due

    async def open(self) -> list[Payment]:
        """Payments that may still move."""
        ids = await self.payments.store.open_ids()
        found = [await self.payments.store.load(payment_id) for payment_id in ids]
        return [payment for payment in found if payment is not None]

    async def unhandled(self) -> int:
        """Callbacks that nobody has finished."""
        rows = await self.pool.fetch("SELECT count(*) FROM callbacks WHERE NOT handled")
        return int(rows[0][0])

    async def alerts(self, payment: Payment) -> list[str]:
        """Kinds of the alerts about a payment."""
        sql = "SELECT kind FROM alerts WHERE ref = %s ORDER BY id"
        return [row[0] for row in await self.pool.fetch(sql, [payment.ref])]

    async def balance(self, key: AccountKey) -> tuple[int, int]:
        """Posted and pending-debit units of an account, as stored."""
        sql = """
        SELECT credits_posted - debits_posted, debits_pending FROM balances b
        JOIN accounts a ON a.id = b.account_id
        WHERE (owner_id, asset, purpose, chain, provider, mode) = (%s, %s, %s, %s, %s, %s)
        """
        rows = await self.pool.fetch(sql, list(key))
        return (int(rows[0][0]), int(rows[0][1])) if rows else (0, 0)

    async def usd(self, user_id: int) -> tuple[str, str]:
        """Balance and held amount of a person in dollars."""
        posted, held = await self.balance(wallet(user_id, "USD"))
        return f"{posted / 10**8:.2f}", f"{held / 10**8:.2f}"

    async def suspended(self, user_id: int) -> int:
        """Whole shillings that wait in somebody's suspense account."""
        key = wallet(user_id, "KES")._replace(purpose=SystemPurpose.SUSPENSE)
        return (await self.balance(key))[0] // 10**8

    async def facts(self, user_id: int) -> list[Fact]:
        """What a person was told, from storage."""
        events: Sequence[tuple[int, Fact]]
        events = await PostgresEvents(self.pool).since(person(user_id), 0, 100)
        return [fact for _, fact in events]

    async def check_books(self) -> None:
        """The ledger is consistent, and our float is what the provider says it is."""
        report = await verify(self.pool)
        assert report.balanced, report.differences
        theirs = 0
        for operation in self.provider.operations:
            if operation.paid:
                theirs += operation.amount if operation.kind == "push" else -operation.amount
        ours, _ = await self.balance(system("KES", SystemPurpose.MPESA_FLOAT))
        assert -ours == theirs * 10**8


async def _die(killed: Killed) -> None:
    raise killed


def _unasked(payment: Payment) -> bool:
    return payment.state is State.SENDING and not payment.asked_us


def _phone(user_id: int) -> str:
    return f"2547{user_id:08d}"


@asynccontextmanager
async def living(
    dsn: str,
    provider: Provider,
    *,
    points: Points | None = None,
    clock: Clock | None = None,
    confirms: bool = False,
) -> AsyncIterator[House]:
    """One run of the process on that database, beside that provider; with `confirms` it asks the
    provider before it believes a callback."""
    points = points or Points()
    clock, feeds = clock or Clock(), Feeds()
    async with Pool.opened(dsn, 6) as pool, trio.open_nursery() as below:
        accounts = Accounts(PostgresAccounts(pool), clock)
        faults = Faults()
        journal = Journal(KillableJournal(dsn, points, faults), feeds, clock)
        for part in (journal.run, accounts.run):
            await below.start(part)
        ledger = Ledger(accounts, journal)
        parts = Parts(
            store=KillablePayments(pool, points, faults),
            alerts=PostgresAlerts(pool),
            ledger=ledger,
            rail=provider,  # type: ignore[arg-type]  # what payments do not use is left out
            urls=Urls(),
            clock=clock,
            unavailable=AWAY,
            confirms=confirms,
        )
        async with _paying(pool, parts, provider, points, faults) as house:
            yield house
        below.cancel_scope.cancel()


@asynccontextmanager
async def _paying(
    pool: Pool, parts: Parts, provider: Provider, points: Points, faults: Faults
) -> AsyncIterator[House]:
    """What ends before the ledger does."""
    payments, clock, ledger = Payments(parts, SECRET), parts.clock, parts.ledger
    assert isinstance(parts.urls, Urls)
    parts.urls.secret_of = payments.callback_secret
    intake = CallbackIntake(KillableCallbacks(pool, points), payments, provider, clock, AWAY)
    async with trio.open_nursery() as nursery:

        async def take(source: Source, hash_: str, key: str, client: str, body: bytes) -> None:
            """The provider is no part of us: it only sees a connection that breaks."""
            try:
                await intake.take(source, hash_, key, client, body)
            except Killed as killed:
                nursery.start_soon(_die, killed)
                raise ConnectionError from killed

        for part in (payments.run, intake.run):
            await nursery.start(part)
        provider.reach, provider.take = points.reach, take
        try:
            yield House(pool, clock, provider, ledger, payments, intake, faults)
        finally:
            provider.reach, provider.take = (lambda _point: None), None
            nursery.cancel_scope.cancel()
