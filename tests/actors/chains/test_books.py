"""Facts of the chain rail become journals, each once (issue C.1, C.2; CORE-010)."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from actors.chain_rail import Refused
from actors.chains import Sent
from actors.identity_store import StoreUnavailable
from actors.reviews import Decision, NotRuled, Ruled, Ruling
from domain.chain_settlement import custody
from domain.chains.transfers import DepositState, Withdrawal, WithdrawalKind, WithdrawalState
from domain.events import (
    DepositCompleted,
    TransactionMoved,
    WithdrawalCompleted,
    WithdrawalFailed,
)
from domain.ledger import AccountKey, SystemPurpose, system
from domain.money import units_of
from domain.payments import Kind, State
from tests.actors.chains.books import ADDRESS, ALICE, USDT, Books, deposit, keeping, withdrawal

SIXTY, HUNDRED = units_of("60"), units_of("100")
OPEN = (State.PENDING, State.UNKNOWN)


@pytest.fixture
async def books(dsn: str) -> AsyncIterator[Books]:
    async with keeping(dsn) as kept:
        yield kept
        await kept.sound()


# Deposits


async def test_a_confirmed_deposit_is_credited_once_however_often_it_is_told(books: Books) -> None:
    for state in DepositState:
        await books.books.deposit_changed(deposit(state))
    await books.books.deposit_changed(deposit())
    assert await books.balance(USDT) == (SIXTY, SIXTY)
    assert (await books.balance(custody("USDT", "tron")))[0] == -SIXTY
    assert len(await books.facts()) == 1


@pytest.mark.parametrize("state", [DepositState.SEEN, DepositState.RETRACTED])
async def test_what_is_not_confirmed_is_not_credited(books: Books, state: DepositState) -> None:
    await books.books.deposit_changed(deposit(state))
    assert await books.balance(USDT) == (0, 0)


async def test_what_is_dropped_after_it_was_credited_is_for_a_person(books: Books) -> None:
    await books.books.deposit_changed(deposit())
    await books.books.deposit_changed(deposit(DepositState.REVERSED))
    assert await books.alerts() == ["chain_deposit_reversed"]
    assert await books.balance(USDT) == (SIXTY, SIXTY)


async def test_dust_credits_nothing_and_tells_nobody(books: Books) -> None:
    await books.books.deposit_changed(deposit(units=0))
    assert await books.facts() == []
    assert await books.payments.store.history(ALICE, [Kind.CRYPTO_DEPOSIT], 10, 0) == []


async def test_a_deposit_completes_the_request_for_as_much_else_the_oldest(books: Books) -> None:
    oldest = await books.made(Kind.CRYPTO_DEPOSIT)
    other = await books.made(Kind.CRYPTO_DEPOSIT, address="another")
    exact = await books.made(Kind.CRYPTO_DEPOSIT, amount=SIXTY, local_amount=SIXTY)
    await books.books.deposit_changed(deposit())
    await books.books.deposit_changed(deposit(ordinal=1))
    refs = [fact.ref for fact in await books.facts() if isinstance(fact, DepositCompleted)]
    assert refs == [exact.ref, oldest.ref]
    done = await books.state(oldest, State.COMPLETED)
    assert (done.amount, done.usd_amount) == (SIXTY, SIXTY)
    assert done.local_amount == oldest.local_amount  # as it was announced (CASH-209)
    await books.state(other, State.WAITING)


async def test_a_late_deposit_is_credited_though_its_request_has_expired(books: Books) -> None:
    """CASH-C41: the address is the user's."""
    asked = await books.made(Kind.CRYPTO_DEPOSIT, due_us=books.clock.now_us())
    await books.state(asked, State.EXPIRED)
    await books.books.deposit_changed(deposit())
    assert await books.balance(USDT) == (SIXTY, SIXTY)
    (fact,) = [f for f in await books.facts() if isinstance(f, DepositCompleted)]
    assert fact.ref != asked.ref
    await books.state(asked, State.EXPIRED)


@pytest.mark.parametrize(("purpose", "kind"), [("user", "WALLET"), ("business", "BUSINESS")])
async def test_tokens_go_to_the_account_of_their_chain(
    books: Books, purpose: str, kind: str
) -> None:
    came = deposit(chain="polygon", token="USDC", purpose=purpose)
    for _ in range(2):
        await books.books.deposit_changed(came)
    key = AccountKey(ALICE, "USDC", kind, "polygon")
    assert await books.balance(key) == (SIXTY, SIXTY)
    (fact,) = await books.facts()
    assert isinstance(fact, TransactionMoved)
    assert fact.status == "confirmed"
    rows = await books.pool.fetch("SELECT status, tx_hash, usd::text FROM nexus_transactions")
    assert [tuple(row) for row in rows] == [("completed", came.tx_hash, str(2 * SIXTY))]


async def test_another_token_at_a_cashiers_address_is_not_lost(books: Books) -> None:
    """A wallet has one chain a currency; what comes on another is credited as that chain's."""
    await books.books.deposit_changed(deposit(chain="arbitrum", token="DAI"))
    assert await books.balance(AccountKey(ALICE, "DAI", chain="arbitrum")) == (SIXTY, SIXTY)


async def test_money_does_not_wait_for_rates(books: Books) -> None:
    books.rates.away = True
    await books.books.deposit_changed(deposit())
    await books.books.deposit_changed(deposit(chain="polygon", token="USDC", purpose="user"))
    assert await books.balance(USDT) == (SIXTY, SIXTY)


# Withdrawals


async def test_a_withdrawal_is_held_then_sent_then_settled_with_its_fees(books: Books) -> None:
    """FC-14; what the transaction cost is the platform's."""
    await books.funded("250")
    payment = await books.made(Kind.CRYPTO_WITHDRAWAL)
    await books.state(payment, State.UNKNOWN)
    assert await books.balance(USDT) == (units_of("250"), units_of("150"))
    await books.books.withdrawal_changed(withdrawal(payment, WithdrawalState.SENT))
    assert (await books.state(payment, State.PENDING)).conversation == "ef" * 32
    done = withdrawal(payment, WithdrawalState.CONFIRMED, fee_raw=1_100_001)
    for _ in range(2):
        await books.books.withdrawal_changed(done)
    assert await books.balance(USDT) == (units_of("150"), units_of("150"))
    assert (await books.balance(custody("USDT", "tron")))[0] == units_of("98")
    assert (await books.balance(custody("TRX", "tron")))[0] == units_of("1.100001")
    for asset, purpose, amount in (
        ("USDT", SystemPurpose.FEE_INCOME, "0.50"),
        ("USDT", SystemPurpose.NETWORK_INCOME, "1.50"),
        ("TRX", SystemPurpose.NETWORK_COST, "-1.100001"),
    ):
        assert (await books.balance(system(asset, purpose)))[0] == units_of(amount)
    assert [type(fact) for fact in await books.facts()] == [WithdrawalCompleted]


@pytest.mark.parametrize("state", [WithdrawalState.FAILED, WithdrawalState.REFUSED])
async def test_what_was_never_paid_is_given_back_whole(
    books: Books, state: WithdrawalState
) -> None:
    await books.funded("250")
    payment = await books.made(Kind.CRYPTO_WITHDRAWAL)
    for _ in range(2):
        await books.books.withdrawal_changed(withdrawal(payment, state, reason="reverted"))
    assert await books.balance(USDT) == (units_of("250"), units_of("250"))
    assert [type(fact) for fact in await books.facts()] == [WithdrawalFailed]
    assert await books.alerts() == ["chain_payout_refused"]


async def test_a_refusal_of_the_rail_gives_the_money_back(books: Books) -> None:
    await books.funded("250")
    books.rail.answer = Refused("the hot wallet holds too little")
    payment = await books.made(Kind.CRYPTO_WITHDRAWAL)
    await books.state(payment, State.FAILED)
    assert await books.balance(USDT) == (units_of("250"), units_of("250"))


async def test_an_unknown_broadcast_is_asked_about_again_and_stays_held(books: Books) -> None:
    await books.funded("250")
    payment = await books.made(Kind.CRYPTO_WITHDRAWAL)
    await books.state(payment, State.UNKNOWN)
    books.rail.answer = Sent("ef" * 32)
    books.clock.advance(6)
    await books.state(payment, State.PENDING)
    assert set(books.rail.asked) == {payment.ref}
    assert len(books.rail.asked) > 1
    assert (await books.balance(USDT))[1] == units_of("150")


@pytest.mark.parametrize(
    ("decision", "ends", "left"),
    [(Decision.APPROVE, State.COMPLETED, "150"), (Decision.REJECT, State.FAILED, "250")],
)
async def test_a_stuck_withdrawal_stays_held_until_a_person_has_decided(
    books: Books, decision: Decision, ends: State, left: str
) -> None:
    await books.funded("250")
    payment = await books.made(Kind.CRYPTO_WITHDRAWAL)
    await books.state(payment, *OPEN)
    ruling = Ruling(decision=decision, operator_id=1, how="pwd")
    assert await books.payments.rule(payment.ref, ruling) is NotRuled.DECIDED
    stuck = withdrawal(payment, WithdrawalState.STUCK, reason="a foreign transaction")
    for _ in range(2):
        await books.books.withdrawal_changed(stuck)
    assert (await books.balance(USDT))[1] == units_of("150")
    assert await books.alerts() == ["chain_payout_stuck"]
    (review,) = await books.payments.waiting(10)
    assert (review.reference, review.reasons) == (payment.ref, ("a foreign transaction",))
    assert await books.payments.rule(payment.ref, ruling) == Ruled(ends.value)
    assert await books.balance(USDT) == (units_of(left), units_of(left))


async def test_a_fact_that_cannot_be_recorded_is_told_again(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_receipt: str) -> int | None:
        raise StoreUnavailable("the tests took the database away")

    with monkeypatch.context() as patched:
        patched.setattr(books.payments.store, "receipt_owner", away)
        with pytest.raises(StoreUnavailable):
            await books.books.deposit_changed(deposit())
    await books.books.deposit_changed(deposit())
    assert await books.balance(USDT) == (SIXTY, SIXTY)


async def test_tokens_sent_over_a_chain_stand_in_their_senders_history(books: Books) -> None:
    """NXPY-C16, NXPY-C20."""
    key = AccountKey(ALICE, "USDC", chain="polygon")
    await books.funded("250", key)
    ref = "00000000-0000-4000-8000-000000000001"
    members = {"fee": 0, "network_fee": 0, "ref": ref, "account": key, "asset": "USDC"}
    payment = await books.made(Kind.TOKEN_SEND, **members, chain="polygon")
    await books.state(payment, *OPEN)

    async def row() -> tuple[str, ...]:
        sql = "SELECT type, status, operation, tx_hash FROM nexus_transactions"
        (found,) = await books.pool.fetch(sql)
        return tuple(found)

    assert await row() == ("token_transfer", "pending", "send", "")
    done = withdrawal(payment, WithdrawalState.CONFIRMED, chain="polygon", tx_hash="0xab")
    await books.books.withdrawal_changed(done)
    assert await row() == ("token_transfer", "completed", "send", "0xab")
    assert await books.balance(key) == (units_of("150"), units_of("150"))
    (fact,) = await books.facts()
    assert isinstance(fact, TransactionMoved)
    assert (fact.status, fact.mpesa) == ("confirmed", False)


def moved(kind: WithdrawalKind, state: WithdrawalState, **members: Any) -> Withdrawal:
    """A sweep or its gas, on TRON."""
    sweep = {
        "id": f"SWP-tron-{ADDRESS}-1",
        "chain": "tron",
        "token": "USDT",
        "address": ADDRESS,
        "amount_raw": 25_000_000,
        "tx_hash": "ab" * 32,
        "kind": kind,
        "state": state,
    }
    return Withdrawal(**{**sweep, **members})


@pytest.mark.parametrize("kind", [WithdrawalKind.SWEEP, WithdrawalKind.GAS])
async def test_collecting_a_deposit_books_its_fee_once_and_moves_nothing_else(
    books: Books, kind: WithdrawalKind
) -> None:
    """Deposit addresses and the hot wallet are one custody account."""
    for state in (WithdrawalState.SIGNED, WithdrawalState.SENT):
        await books.books.withdrawal_changed(moved(kind, state))
    for _ in range(2):
        done = moved(kind, WithdrawalState.CONFIRMED, fee_raw=345_000)
        await books.books.withdrawal_changed(done)
    cost = system("TRX", SystemPurpose.NETWORK_COST)
    assert (await books.balance(cost))[0] == units_of("-0.345")
    assert (await books.balance(custody("TRX", "tron")))[0] == units_of("0.345")
    assert (await books.balance(custody("USDT", "tron")))[0] == 0
    assert await books.alerts() == []
    await books.sound()


@pytest.mark.parametrize(
    "state", [WithdrawalState.FAILED, WithdrawalState.REFUSED, WithdrawalState.STUCK]
)
async def test_operators_are_told_of_a_sweep_that_came_to_nothing(
    books: Books, state: WithdrawalState
) -> None:
    await books.books.withdrawal_changed(moved(WithdrawalKind.SWEEP, state, reason="short"))
    assert await books.alerts() == [f"chain_sweep_{state.value}"]


async def test_what_a_chain_says_against_a_settled_withdrawal_is_for_a_person(
    books: Books,
) -> None:
    """After blocks were dropped: given back and paid all the same, or settled and never paid."""
    await books.funded("250")
    refused = await books.made(Kind.CRYPTO_WITHDRAWAL)
    await books.books.withdrawal_changed(withdrawal(refused, WithdrawalState.FAILED))
    await books.books.withdrawal_changed(withdrawal(refused, WithdrawalState.CONFIRMED))
    paid = await books.made(Kind.CRYPTO_WITHDRAWAL)
    await books.books.withdrawal_changed(
        withdrawal(paid, WithdrawalState.CONFIRMED, tx_hash="cd" * 32)
    )
    await books.books.withdrawal_changed(withdrawal(paid, WithdrawalState.FAILED))
    assert (await books.alerts()).count("chain_payout_contradicted") == 2
    assert await books.balance(USDT) == (units_of("150"), units_of("150"))
    await books.sound()
