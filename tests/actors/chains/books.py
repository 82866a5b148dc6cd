"""Who keeps the books, on a real ledger and a rail that answers what the test says."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec
import trio

from actors.account import Accounts
from actors.chain_books import ChainBooks
from actors.chain_orders import ChainAnswer, ChainPayments
from actors.chains import Unknown
from actors.clock import Clock
from actors.feed import Feeds
from actors.journal import Journal
from actors.ledger import Ledger
from actors.payment_parts import Parts
from actors.payments import Payments
from actors.rates import RatesUnavailable
from domain.chains.tokens import known_contracts, table_of
from domain.chains.transfers import Deposit, DepositState, Withdrawal, WithdrawalState
from domain.events import Fact, person
from domain.fx import Quote
from domain.ledger import AccountKey, Intent, Posting, Recorded, SystemPurpose, system, wallet
from domain.money import units_of
from domain.payments import Kind, Payment, State
from storage import audit, nexuspay
from storage.accounts import PostgresAccounts
from storage.alerts import PostgresAlerts
from storage.events import PostgresEvents
from storage.journal import PostgresJournal
from storage.payments import PostgresPayments
from storage.pool import Pool
from storage.verify import verify
from tests.actors.payments.house import AWAY, SECRET
from tests.actors.payments.provider import Provider, Urls

ALICE = 4711
USDT = wallet(ALICE, "USDT")
ADDRESS = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"
_WRITERS = (audit, nexuspay)  # of rows that are written with a journal
_ALICE = """
INSERT INTO users (id, object_id, email_verified, email_proved_us, phone_verified, first_name,
                   role, token_version, wallet_active, wallet_address, deleted, created_us,
                   last_login_us, totp_enabled, totp_pending_wrong, totp_last_step, revision)
VALUES (%s, repeat('a', 24), false, 0, false, 'Alice', 'user', 0, true, %s, false, 0, 0, false,
        0, 0, 0)
"""
WALLET = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
DAY_US = 86_400_000_000


class Rail(ChainPayments):
    """Answers as told, and remembers what it was asked."""

    def __init__(self) -> None:
        self.answer: ChainAnswer = Unknown()
        self.asked: list[str] = []
        self.told: list[str] = []

    async def pay(self, payment: Payment) -> ChainAnswer:
        await trio.lowlevel.checkpoint()
        self.asked.append(payment.ref)
        return self.answer

    def tell(self, chain: str) -> None:
        self.told.append(chain)


class Rates:
    """One for one, or none at all."""

    away = False

    async def quote(self, one: str, other: str) -> Quote:
        if self.away:
            raise RatesUnavailable(f"{one}/{other}")
        return Quote(id=1, base=one, quote=other, rate=units_of("2"), at_us=0)


@dataclass
class Books:
    pool: Pool
    clock: Clock
    ledger: Ledger
    payments: Payments
    books: ChainBooks
    rail: Rail
    rates: Rates = field(default_factory=Rates)

    async def funded(self, amount: str, key: AccountKey = USDT) -> None:
        source = system(key.asset, SystemPurpose.SANDBOX_FUNDING)
        posting = Posting(source, key, units_of(amount), "Funding")
        assert isinstance(
            await self.ledger.record(Intent(kind="FUNDING", postings=(posting,))), Recorded
        )

    async def made(self, kind: Kind, **members: Any) -> Payment:
        """A payment of Alice's in USDT on TRON."""
        now_us = self.clock.now_us()
        is_deposit = kind is Kind.CRYPTO_DEPOSIT
        draft = Payment(
            id=0,
            ref="",
            kind=kind,
            state=State.WAITING if is_deposit else State.SENDING,
            account=USDT,
            user_id=ALICE,
            asset="USDT",
            amount=units_of("100"),
            local_asset="USDT",
            local_amount=units_of("100"),
            usd_amount=units_of("100"),
            address=ADDRESS,
            chain="TRC20",
            created_us=now_us,
            due_us=now_us + DAY_US,
        )
        if not is_deposit:
            fees = {"fee": units_of("0.50"), "network_fee": units_of("1.50")}
            draft = replaced(draft, held=draft.amount, **fees)
        made = await self.payments.create(replaced(draft, **members), "TST")
        assert isinstance(made, tuple), made
        return made[0]

    async def state(self, payment: Payment, *states: State) -> Payment:
        """The payment once it is in one of those states."""
        found = await self.payments.until(payment.id, lambda p: p.state in states, 5)
        assert found is not None
        assert found.state in states, found
        return found

    async def balance(self, key: AccountKey) -> tuple[int, int]:
        """Posted and available units."""
        account = await self.ledger.accounts.get(key)
        return (0, 0) if account is None else (account.posted, account.available)

    async def facts(self, user_id: int = ALICE) -> list[Fact]:
        found = await PostgresEvents(self.pool).since(person(user_id), 0, 100)
        return [fact for _, fact in found]

    async def alerts(self) -> list[str]:
        return [row[0] for row in await self.pool.fetch("SELECT kind FROM alerts ORDER BY id")]

    async def sound(self) -> None:
        report = await verify(self.pool)
        assert report.balanced, report.differences


def replaced(payment: Payment, **members: Any) -> Payment:
    changed: Payment = msgspec.structs.replace(payment, **members)
    return changed


def deposit(state: DepositState = DepositState.CONFIRMED, **members: Any) -> Deposit:
    """Sixty USDT to Alice at the cashier."""
    return Deposit(
        **{
            "id": 1,
            "chain": "tron",
            "token": "USDT",
            "tx_hash": "ab" * 32,
            "ordinal": 0,
            "address": ADDRESS,
            "owner": ALICE,
            "purpose": "cashier",
            "amount_raw": 60_000_000,
            "block": 7,
            "block_hash": "cd" * 32,
            "state": state,
            "units": units_of("60"),
            **members,
        }
    )


def withdrawal(payment: Payment, state: WithdrawalState, **members: Any) -> Withdrawal:
    return Withdrawal(
        **{
            "id": payment.ref,
            "chain": "tron",
            "token": "USDT",
            "address": ADDRESS,
            "amount_raw": 98_000_000,
            "state": state,
            "tx_hash": "ef" * 32,
            **members,
        }
    )


@asynccontextmanager
async def keeping(dsn: str) -> AsyncIterator[Books]:
    clock, rail, rates = Clock(), Rail(), Rates()
    async with Pool.opened(dsn, 4) as pool, trio.open_nursery() as nursery:
        accounts = Accounts(PostgresAccounts(pool), clock)
        journal = Journal(PostgresJournal(dsn), Feeds(), clock)
        ledger = Ledger(accounts, journal)
        parts = Parts(
            store=PostgresPayments(pool),
            alerts=PostgresAlerts(pool),
            ledger=ledger,
            rail=Provider(),  # type: ignore[arg-type]
            urls=Urls(),
            clock=clock,
            unavailable=AWAY,
            chains=rail,
        )
        payments = Payments(parts, SECRET)
        books = ChainBooks(ledger, rates, table_of(known_contracts()), clock, AWAY)
        books.payments = payments
        await pool.execute(_ALICE, [ALICE, WALLET])
        for part in (journal, accounts, payments):
            await nursery.start(part.run)
        yield Books(pool, clock, ledger, payments, books, rail, rates)
        nursery.cancel_scope.cancel()
