"""Who keeps the books of the chain rail: every fact becomes a journal, once.

A fact is told again until it is recorded here, so each carries its own receipt into the journal's
transaction: the deposit's key, the withdrawal's transaction. What came to an address of the
cashier is credited to a wallet, what came to a wallet address to the tokens of its chain.
"""

from hashlib import sha256
from typing import Final, TypeVar

import msgspec
import structlog

from actors.chain_rail import ChainFacts
from actors.clock import US, Clock
from actors.identity_store import StoreUnavailable
from actors.incoming import NO_PAYMENT
from actors.ledger import Ledger
from actors.nexus_store import TransactionMade
from actors.payment_evidence import Alert
from actors.payment_store import ReceiptBooked
from actors.payments import Payments
from actors.rates import RatesUnavailable
from actors.token_transfers import CONFIRMED, Quotes, Value, value_of
from domain.chain_settlement import received, transaction_cost
from domain.chains.amounts import credited
from domain.chains.table import CASHIER_CHAINS, CHAINS
from domain.chains.tokens import TokenTable
from domain.chains.transfers import (
    Deposit,
    DepositState,
    Withdrawal,
    WithdrawalKind,
    WithdrawalState,
)
from domain.events import Event, TransactionMoved, person
from domain.ledger import AccountKey, Effects, Intent, Recorded, Refusal, wallet
from domain.money import ASSETS
from domain.nexuspay.codes import TRANSACTION_CODE_BYTES, transaction_code, transaction_id
from domain.nexuspay.transactions import Operation, Status, Transaction, Type
from domain.nexuspay.treasury import TREASURY, business, main_wallet, personal
from domain.payments import Kind, Payment, State

log = structlog.get_logger(__name__)
_T = TypeVar("_T")

CASHIER: Final = "cashier"  # purpose of addresses whose deposits go to wallets
BUSINESS: Final = "business"
_PREFIX: Final = "DEP"
_WAIT_US: Final = 24 * 3600 * US
_KEYS: Final = {asset: key for asset, (_, key) in CASHIER_CHAINS.items()}
_LABEL: Final = "Token received"
_LONGEST_REF: Final = 100
_UNDONE: Final = (WithdrawalState.FAILED, WithdrawalState.REFUSED, WithdrawalState.STUCK)


class ChainBooks(ChainFacts):
    """Implements actors.chain_rail.ChainFacts. `payments` is set before the rail runs."""

    payments: Payments

    def __init__(
        self,
        ledger: Ledger,
        rates: Quotes,
        tokens: TokenTable,
        clock: Clock,
        unavailable: tuple[type[Exception], ...],
    ) -> None:
        self._ledger = ledger
        self._rates = rates
        self._tokens = tokens
        self._clock = clock
        self._unavailable = unavailable

    async def deposit_changed(self, deposit: Deposit) -> None:
        """Credit it when it is confirmed; tell operators when what was credited is gone."""
        try:
            if deposit.state is DepositState.CONFIRMED and deposit.units:
                await self._credit(deposit)
            elif deposit.state is DepositState.REVERSED and deposit.units:
                alert = Alert("chain_deposit_reversed", "credited, and its block was dropped")
                await self.payments.alert(alert, deposit.key)
        except self._unavailable as error:
            raise StoreUnavailable(str(error)) from error

    async def withdrawal_changed(self, withdrawal: Withdrawal) -> None:
        """Move its payment; book what the transaction cost."""
        try:
            if withdrawal.kind is not WithdrawalKind.PAYOUT:
                await self._moved(withdrawal)
                return
            payment = await self.payments.store.by_ref(withdrawal.id)
            if payment is None:
                log.error("a withdrawal that is no payment's", id=withdrawal.id)
                return
            _recorded(await self.payments.chain_told(payment.id, withdrawal))
            if withdrawal.state in (WithdrawalState.CONFIRMED, WithdrawalState.FAILED):
                await self._book_cost(withdrawal)
        except self._unavailable as error:
            raise StoreUnavailable(str(error)) from error

    async def _credit(self, deposit: Deposit) -> None:
        if await self._is_booked(deposit.key):
            return
        if deposit.purpose == CASHIER and _KEYS.get(deposit.token) == deposit.chain:
            await self._to_wallet(deposit)
        else:
            await self._to_tokens(deposit)

    async def _is_booked(self, receipt: str) -> bool:
        return await self.payments.store.receipt_owner(receipt) is not None

    # The cashier

    async def _to_wallet(self, deposit: Deposit) -> None:
        """Every deposit completes a request of its owner, of which one is made if none waits."""
        payment_id = await self._announced(deposit)
        if payment_id is None:
            payment_id = await self._announce(deposit)
        answer = await self.payments.chain_arrived(payment_id, deposit)
        if answer is Refusal.CONFLICT and await self._is_booked(deposit.key):
            return
        if not _recorded(answer):
            raise StoreUnavailable("the request it was for has just ended")

    async def _announced(self, deposit: Deposit) -> int | None:
        """The request waiting at that address: one for just as much, else the oldest."""
        waiting = [
            payment
            for payment in await self.payments.store.waiting(deposit.owner, Kind.CRYPTO_DEPOSIT)
            if (payment.asset, payment.address) == (deposit.token, deposit.address)
        ]
        waiting.sort(key=lambda payment: (payment.amount != deposit.units, payment.id))
        return waiting[0].id if waiting else None

    async def _announce(self, deposit: Deposit) -> int:
        now_us, asset = self._clock.now_us(), deposit.token
        _, usd = await self._value(deposit)
        draft = Payment(
            id=0,
            ref="",
            kind=Kind.CRYPTO_DEPOSIT,
            state=State.WAITING,
            account=wallet(deposit.owner, asset),
            user_id=deposit.owner,
            asset=asset,
            amount=deposit.units,
            local_asset=asset,
            local_amount=deposit.units,
            usd_amount=usd.units,
            usd_rate=usd.rate,
            address=deposit.address,
            chain=CASHIER_CHAINS[asset][0],
            created_us=now_us,
            due_us=now_us + _WAIT_US,
        )
        made = await self.payments.create(draft, _PREFIX)
        return _recorded(made)[0].id

    # Tokens on their chains (document 002)

    async def _to_tokens(self, deposit: Deposit) -> None:
        """One journal, with its row in the owner's history and what the owner is told."""
        if deposit.owner == TREASURY:
            await self._to_treasury(deposit)
            return
        owns = business if deposit.purpose == BUSINESS else personal
        account = owns(deposit.owner, deposit.token, deposit.chain)
        kes, usd = await self._value(deposit)
        draft = _transaction(deposit, kes, usd, self._clock.now_us())

        def effects(recorded: Recorded) -> Effects:
            row = TransactionMade(_finished(draft, account, recorded), deposit.address)
            moved = TransactionMoved(id=draft.id, status=CONFIRMED, at_us=recorded.recorded_us)
            event = Event(person(deposit.owner), moved)
            return Effects(events=(event,), changes=(row, self._receipt(deposit.key, deposit)))

        await self._record(
            Intent(
                kind="DEPOSIT",
                postings=(received(account, deposit.chain, deposit.units, _LABEL),),
                description=_LABEL,
                ref=draft.id,
                effects=effects,
            ),
            deposit.key,
        )

    async def _to_treasury(self, deposit: Deposit) -> None:
        """The operator funds the platform: tokens for sale, and nobody's history."""
        account = main_wallet(deposit.token, deposit.chain)
        changes = (self._receipt(deposit.key, deposit),)
        await self._record(
            Intent(
                kind="DEPOSIT",
                postings=(received(account, deposit.chain, deposit.units, _LABEL),),
                description=_LABEL,
                ref=deposit.key[:_LONGEST_REF],
                effects=lambda _: Effects(changes=changes),
            ),
            deposit.key,
        )

    async def _value(self, deposit: Deposit) -> tuple[Value, Value]:
        """In KES and USD; nothing while there are no rates, since money does not wait for them."""
        try:
            return await value_of(self._rates, deposit.token, deposit.units)
        except RatesUnavailable:
            log.warning("a deposit of unknown value", key=deposit.key)
            return Value(0, 0, 0), Value(0, 0, 0)

    async def _moved(self, withdrawal: Withdrawal) -> None:
        """Coins went from one address of ours to another: the books only know of the fee."""
        if withdrawal.state in (WithdrawalState.CONFIRMED, WithdrawalState.FAILED):
            await self._book_cost(withdrawal)
        if withdrawal.state in _UNDONE:
            alert = Alert(f"chain_{withdrawal.kind}_{withdrawal.state}", withdrawal.reason)
            await self.payments.alert(alert, withdrawal.id)

    # What transactions cost

    async def _book_cost(self, withdrawal: Withdrawal) -> None:
        """In the chain's own coin, where that is an asset of ours."""
        native = self._tokens.get((withdrawal.chain, CHAINS[withdrawal.chain].native))
        receipt = f"cost:{withdrawal.chain}:{withdrawal.tx_hash}"
        if native is None or not withdrawal.fee_raw or await self._is_booked(receipt):
            return
        units, dust = credited(withdrawal.fee_raw, native)
        units += ASSETS[native.symbol].step if dust else 0
        await self._record(
            Intent(
                kind="NETWORK_COST",
                postings=(transaction_cost(native.symbol, withdrawal.chain, units),),
                description="Transaction fee",
                ref=withdrawal.id,
                effects=lambda _: Effects(changes=(self._receipt(receipt, units),)),
            ),
            receipt,
        )

    def _receipt(self, receipt: str, cause: Deposit | int) -> ReceiptBooked:
        amount = cause if isinstance(cause, int) else cause.units
        return ReceiptBooked(
            receipt=receipt,
            payment_id=NO_PAYMENT,
            amount=amount,
            booked_us=self._clock.now_us(),
        )

    async def _record(self, intent: Intent, receipt: str) -> None:
        """Record it unless its receipt is booked already."""
        recorded = await self._ledger.record(intent)
        if recorded is Refusal.CONFLICT and await self._is_booked(receipt):
            return
        _recorded(recorded)


def _recorded(answer: _T | Refusal) -> _T:
    """The answer; a Refusal means that nothing was recorded, or nobody knows: tell it again."""
    if isinstance(answer, Refusal):
        raise StoreUnavailable(answer.value)
    return answer


def _transaction(deposit: Deposit, kes: Value, usd: Value, now_us: int) -> Transaction:
    """The row of a deposit; its ids follow from the deposit's key."""
    digest = sha256(deposit.key.encode()).digest()
    return Transaction(
        id=transaction_id(digest[:16]),
        user_id=deposit.owner,
        owner=True,
        type=Type.TOKEN_TRANSFER,
        status=Status.COMPLETED,
        operation=Operation.RECEIVE,
        chain=deposit.chain,
        token=deposit.token,
        amount=deposit.units,
        kes=kes.units,
        usd=usd.units,
        rate=kes.rate,
        usd_rate=usd.rate,
        created_us=now_us,
        tx_hash=deposit.tx_hash,
        block=deposit.block,
        from_address=deposit.sender,
        to_address=deposit.address,
        code=transaction_code(digest[16 : 16 + TRANSACTION_CODE_BYTES]),
        description=_LABEL,
    )


def _finished(draft: Transaction, account: AccountKey, recorded: Recorded) -> Transaction:
    line = recorded.line(account)
    finished: Transaction = msgspec.structs.replace(
        draft,
        completed_us=max(recorded.recorded_us, draft.created_us),
        block=draft.block or recorded.journal_id,
        balance=line.balance if line is not None else None,
    )
    return finished
