"""The cashier on its real storage, across restarts of the server."""

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import trio

from actors.account import Accounts
from actors.clock import Clock
from actors.feed import Feeds
from actors.idempotency import Idempotency
from actors.journal import Journal
from actors.ledger import Ledger
from actors.messenger import Messenger
from actors.payment_parts import Parts
from actors.payments import Payments
from actors.people import Authenticated, NewPerson, People
from actors.rails import Paid
from actors.reviews import Decision, Ruled, Ruling
from domain.identity import AccessTokens, FixedCodes, Profile
from domain.ledger import (
    AccountKey,
    Intent,
    Posting,
    Recorded,
    SystemPurpose,
    receipt_code,
    system,
    wallet,
)
from domain.money import units_of
from protocols.cashier.service import Cashier
from protocols.cashier.session import Session
from protocols.expiry import Expiries
from storage import audit as audit_storage
from storage.accounts import PostgresAccounts
from storage.codes import Codes
from storage.crypto import SecretBox
from storage.errors import Unavailable
from storage.events import PostgresEvents
from storage.idempotency import PostgresIdempotency
from storage.journal import PostgresJournal
from storage.partners import load_partners
from storage.payments import PostgresPayments
from storage.pool import Pool
from storage.reads import PostgresLedgerReads
from storage.users import Users
from storage.verify import verify
from tests.actors.users.house import Gateway
from tests.protocols.cashier.books import START_US, Market
from tests.protocols.cashier.house import PEER, USER, Client, FakeConnection
from tests.protocols.cashier.payments import Alerts, Rail, Urls
from tests.protocols.cashier.test_withdrawals import MPESA, settled


class Server:
    """One run of the process on the test's database."""

    def __init__(self, cashier: Cashier, rail: Rail) -> None:
        self.cashier = cashier
        self.rail = rail

    async def connect(self, user_id: int, resume_from: int | None = None) -> Client:
        people = self.cashier.people
        profile = await people.profile(user_id)
        assert profile is not None
        who = await people.authenticate(people.issue_token(profile, ("pwd",)))
        assert isinstance(who, Authenticated)
        connection = FakeConnection()
        session = Session(self.cashier, connection, who, resume_from)  # type: ignore[arg-type]
        await session.opened()
        return Client(session, connection)

    async def settle_in(self) -> None:
        """Two people; USER has 100.00 USD."""
        for user_id, phone in ((USER, "+254712345890"), (PEER, "+254712000002")):
            new = NewPerson(user_id=user_id, phone=phone, phone_verified=True)
            assert isinstance(await self.cashier.people.create(new), Profile)
        source = system("USD", SystemPurpose.SANDBOX_FUNDING)
        posting = Posting(source, wallet(USER, "USD"), units_of("100"), "Funding")
        funded = await self.cashier.ledger.record(Intent(kind="DEPOSIT", postings=(posting,)))
        assert isinstance(funded, Recorded)


@asynccontextmanager
async def serving(dsn: str, pool: Pool) -> AsyncIterator[Server]:
    clock, feeds, rail, rng = Clock(wall_us=lambda: START_US), Feeds(), Rail(), random.Random(7)
    accounts = Accounts(PostgresAccounts(pool), clock)
    journal = Journal(PostgresJournal(dsn), feeds, clock)
    ledger = Ledger(accounts, journal)
    users = Users(pool, SecretBox(b"k" * 32, rng.randbytes))
    people = People(
        users,
        Codes(pool, users),
        clock=clock,
        messenger=Messenger({"sms": Gateway()}),
        tokens=AccessTokens(b"j" * 32, rng.randbytes),
        codes=FixedCodes("123456"),
        code_key=b"c" * 32,
        random_bytes=rng.randbytes,
        jitter=lambda: 0.0,
    )
    parts = Parts(PostgresPayments(pool), Alerts(), ledger, rail, Urls(), clock)  # type: ignore[arg-type]
    payments = Payments(parts, b"secret")
    cashier = Cashier(
        clock=clock,
        people=people,
        ledger=ledger,
        accounts=PostgresAccounts(pool),
        reads=PostgresLedgerReads(pool),
        rates=Market(),
        partners=await load_partners(pool),
        payments=payments,
        idempotency=Idempotency(PostgresIdempotency(pool), clock),
        feeds=feeds,
        events=PostgresEvents(pool),
        sessions=Expiries(clock),
        unavailable=(Unavailable,),
    )
    async with trio.open_nursery() as nursery:
        for part in (journal.run, accounts.run, people.run, payments.run):
            await nursery.start(part)
        yield Server(cashier, rail)
        nursery.cancel_scope.cancel()


async def verified(client: Client) -> str:
    await client.ask("verification_request", method="otp_sms")
    token: str = (await client.ask("verify_otp", code="123456"))["verification_token"]
    return token


async def test_what_was_answered_before_a_restart_is_true_after_it(dsn: str, pool: Pool) -> None:
    """X-C29, X-C28, FC-27: keys, refusals, events and balances outlive the process."""
    transfer: dict[str, Any] = {"to_user_id": "67890", "amount": 25, "currency": "USD"}
    large = {**transfer, "amount": 999, "idempotency_key": "k2"}
    async with serving(dsn, pool) as server:
        await server.settle_in()
        user = await server.connect(USER)
        peer = await server.connect(PEER, resume_from=0)
        done = await user.ask("transfer", **transfer, idempotency_key="k1")
        refused = await user.refused(
            "transfer", **{**transfer, "amount": 999}, idempotency_key="k2"
        )
        seen = peer.events()[-1]["offset"]
        await user.ask("transfer", **transfer)
    async with serving(dsn, pool) as server:
        user = await server.connect(USER)
        assert await user.ask("transfer", **transfer, idempotency_key="k1") == done
        again = await user.refused("transfer", **large)
        assert again == refused == "insufficient balance"
        changed = await user.refused("transfer", **{**transfer, "amount": 1}, idempotency_key="k1")
        assert changed == "idempotency key already used for a different request"
        number = (await user.ask("get_accounts"))["accounts"][0]["account_number"]
        balance = await user.ask("get_account_balance", account_number=number)
        assert balance["balance"] == 50
        peer = await server.connect(PEER, resume_from=seen)
        assert [e["data"]["amount"] for e in peer.events()[1:]] == [25]


async def test_a_receipt_of_another_surface_is_none_here(dsn: str, pool: Pool) -> None:
    """X-C09: the cashier shows wallets of its currencies, without a chain."""
    async with serving(dsn, pool) as server:
        await server.settle_in()
        user, peer = await server.connect(USER), await server.connect(PEER)
        codes = []
        for key in (AccountKey(USER, "NGN"), AccountKey(USER, "USDC", chain="arbitrum")):
            source = system(key.asset, SystemPurpose.SANDBOX_FUNDING)
            postings = (Posting(source, key, 100_000_000),)
            recorded = await server.cashier.ledger.record(Intent(kind="DEPOSIT", postings=postings))
            assert isinstance(recorded, Recorded)
            codes.append(receipt_code(recorded.receipt))
        for code in codes:
            text = await user.refused("get_transaction_by_receipt", receipt_code=code)
            assert text == "transaction not found"
            text = await peer.refused("get_transaction_by_receipt", receipt_code=code)
            assert text == "unauthorized"


_A_BANK = """
INSERT INTO partners
VALUES (2, 'equity_bank', 'Equity Bank', 'bank_transfer', 'KES', true, 50, 100, 0)
"""
assert audit_storage  # it teaches the journal to write the audit's rows


async def test_a_bank_deposit_waits_for_an_operator_across_a_restart(dsn: str, pool: Pool) -> None:
    """CASH-C60, once a row of partners makes it possible."""
    await pool.execute(_A_BANK)
    async with serving(dsn, pool) as server:
        await server.settle_in()
        user = await server.connect(USER)
        order = {"amount": 1333.30, "local_currency": "KES", "service": "bank_transfer"}
        ref = (await user.ask("deposit_request", **order))["request_ref"]
    async with serving(dsn, pool) as server:
        (review,) = await server.cashier.payments.waiting(10)
        assert (review.reference, review.amount) == (ref, units_of("10"))
        ruling = Ruling(decision=Decision.APPROVE, operator_id=PEER, how="test")
        assert await server.cashier.payments.rule(ref, ruling) == Ruled("completed")
        assert not await server.cashier.payments.waiting(10)
        user = await server.connect(USER)
        shown = await user.ask("get_deposit_status", request_ref=ref)
        assert (shown["status"], shown["amount_usd"]) == ("completed", 10)


async def test_a_bank_withdrawal_waits_for_an_operator_across_a_restart(
    dsn: str, pool: Pool
) -> None:
    """CASH-242, once a row of partners makes it possible; it waits for ever."""
    await pool.execute(_A_BANK)
    async with serving(dsn, pool) as server:
        await server.settle_in()
        user = await server.connect(USER)
        order = {**MPESA, "service": "bank_transfer", "verification_token": await verified(user)}
        ref = (await user.ask("withdraw_request", **order))["request_ref"]
    async with serving(dsn, pool) as server:
        (review,) = await server.cashier.payments.waiting(10)
        assert review.reference == ref
        assert review.reasons == ("equity_bank: transfer 666.65 KES to 254712345678",)
        ruling = Ruling(decision=Decision.APPROVE, operator_id=PEER, how="test")
        assert await server.cashier.payments.rule(ref, ruling) == Ruled("completed")
        assert not await server.cashier.payments.waiting(10)
        report = await verify(pool)
        assert report.balanced, report.differences


async def test_a_withdrawal_survives_a_restart_between_hold_and_result(
    dsn: str, pool: Pool
) -> None:
    """FC-27.2, CASH-C12: the hold is there, the token is spent, the result completes it."""
    async with serving(dsn, pool) as server:
        await server.settle_in()
        user = await server.connect(USER)
        token = await verified(user)
        good = {**MPESA, "verification_token": token}
        assert await user.refused("withdraw_request", **{**good, "amount": 1000}) == (
            "insufficient balance"
        )
        made = await user.ask("withdraw_request", **good)
        await settled()
    async with serving(dsn, pool) as server:
        user = await server.connect(USER)
        number = (await user.ask("get_accounts"))["accounts"][0]["account_number"]
        held = await user.ask("get_account_balance", account_number=number)
        assert (held["available_balance"], held["pending_debit"]) == (94.5, 5.5)
        text = await user.refused("withdraw_request", **good)
        assert text == "invalid or expired verification token"
        payment = await server.cashier.payments.store.by_ref(made["request_ref"])
        assert payment is not None
        assert await server.cashier.payments.evidence(payment.id, Paid(receipt="T1")) == "completed"
        (item,) = (await user.ask("get_history"))["withdrawals"]
        assert item["status"] == "completed"
        shown = await user.ask("get_transaction_by_receipt", receipt_code=made["receipt_code"])
        assert [line["amount"] for line in shown["ledgers"]] == [5, 0.5]
        statement = await user.ask("get_account_statement", account_number=number)
        assert statement["closing_balance"] == 94.5
