"""Tokens between people, businesses and the platform: ledger journals (contract.md, "Custody").

Nothing is kept here between calls. Each transfer is one journal; the rows of the history and the
events of the people concerned are committed with it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol

import msgspec

from actors.clock import Clock
from actors.ledger import Ledger
from actors.nexus_store import TransactionMade
from domain.events import Event, TransactionMoved, person
from domain.fx import Quote, receive
from domain.ledger import AccountKey, Effects, Intent, Posting, Recorded, Refusal, Ticket
from domain.nexuspay.codes import (
    TRANSACTION_CODE_BYTES,
    transaction_code,
    transaction_id,
    transfer_hash,
)
from domain.nexuspay.transactions import Operation, Status, Transaction, Type
from domain.nexuspay.treasury import TREASURY

CONFIRMED: Final = "confirmed"  # what an update of a token transfer says (NXPY-C20)
_LABELS: Final = {
    Operation.SEND: "Token transfer",
    Operation.PAY: "Merchant payment",
    Operation.TRANSFER_FUNDS: "Business funds to personal wallet",
    Operation.FUND: "Wallet funding",
    Operation.RECEIVE: "Token received",
}


class Quotes(Protocol):
    """Stored quotes; actors.rates.RateService is one."""

    async def quote(self, one: str, other: str) -> Quote: ...


class Side(NamedTuple):
    """One end of a transfer: whose account, and the address it is shown with."""

    account: AccountKey
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """What is asked for: `amount` units from one side to the other, on one chain."""

    operation: Operation
    source: Side
    destination: Side
    amount: int
    initiator: int
    target: str = ""
    description: str = ""
    changes: tuple[Any, ...] = ()


class Sent(NamedTuple):
    """A transfer that is recorded, as the row of its owner."""

    transaction: Transaction
    recorded: Recorded


OutcomeOf = Callable[[Sent], bytes]


class TokenTransfers:
    """Records transfers."""

    def __init__(
        self, ledger: Ledger, rates: Quotes, clock: Clock, random_bytes: Callable[[int], bytes]
    ) -> None:
        self._ledger = ledger
        self._rates = rates
        self._clock = clock
        self._random_bytes = random_bytes

    async def send(
        self, transfer: Transfer, ticket: Ticket | None = None, outcome: OutcomeOf | None = None
    ) -> Sent | Refusal:
        """Record the transfer with its history and events; nothing moves on a refusal.

        Raises RatesUnavailable while the value of the token is not known.
        """
        draft = await self._draft(transfer)
        made: list[Sent] = []

        def effects(recorded: Recorded) -> Effects:
            sent = Sent(_finished(draft, transfer.source, recorded), recorded)
            made[:] = [sent]
            rows = _rows(transfer, draft, recorded)
            return Effects(
                events=_events(rows, draft.id, recorded.recorded_us),
                changes=(*rows, *transfer.changes),
                outcome=outcome(sent) if outcome is not None else b"",
            )

        label = _LABELS[transfer.operation]
        recorded = await self._ledger.record(
            Intent(
                kind="TOKEN_TRANSFER",
                postings=(
                    Posting(
                        transfer.source.account, transfer.destination.account, draft.amount, label
                    ),
                ),
                initiator=transfer.initiator,
                description=label,
                ref=draft.id,
                effects=effects,
                ticket=ticket,
                strict_credit=True,
            )
        )
        return recorded if isinstance(recorded, Refusal) else made[0]

    async def _draft(self, transfer: Transfer) -> Transaction:
        account = transfer.source.account
        kes, usd = await value_of(self._rates, account.asset, transfer.amount)
        identity = transaction_id(self._random_bytes(16))
        return Transaction(
            id=identity,
            user_id=transfer.initiator,
            owner=True,
            type=Type.TOKEN_TRANSFER,
            status=Status.COMPLETED,
            operation=transfer.operation,
            chain=account.chain,
            token=account.asset,
            amount=transfer.amount,
            kes=kes.units,
            usd=usd.units,
            rate=kes.rate,
            usd_rate=usd.rate,
            created_us=self._clock.now_us(),
            tx_hash=transfer_hash(identity),
            from_address=transfer.source.address,
            to_address=transfer.destination.address,
            code=transaction_code(self._random_bytes(TRANSACTION_CODE_BYTES)),
            target=transfer.target,
            description=transfer.description,
        )


class Value(NamedTuple):
    """What an amount is worth: units of the currency at `rate`, and the stored quote."""

    units: int
    rate: int
    quote_id: int


async def value_of(rates: Quotes, token: str, amount: int) -> tuple[Value, Value]:
    """`amount` units of `token` in KES and in USD, rounded down; raises RatesUnavailable."""
    values = []
    for currency in ("KES", "USD"):
        quote = await rates.quote(token, currency)
        values.append(Value(receive(quote, token, amount).units, quote.rate, quote.id))
    return values[0], values[1]


def _finished(draft: Transaction, side: Side, recorded: Recorded) -> Transaction:
    """The draft as one side's row, with the numbers of its journal."""
    line = recorded.line(side.account)
    return _replaced(
        draft,
        completed_us=max(recorded.recorded_us, draft.created_us),
        block=recorded.journal_id,
        balance=line.balance if line is not None else None,
    )


def _replaced(transaction: Transaction, **changes: Any) -> Transaction:
    changed: Transaction = msgspec.structs.replace(transaction, **changes)
    return changed


def _rows(transfer: Transfer, draft: Transaction, recorded: Recorded) -> Sequence[TransactionMade]:
    """The owner's row, and the recipient's. Of what the platform gives, the recipient's only."""
    source, destination = transfer.source, transfer.destination
    giver, receiver = source.account.owner, destination.account.owner
    rows = []
    if giver != TREASURY:
        owner = _replaced(_finished(draft, source, recorded), user_id=giver)
        rows.append(TransactionMade(owner, source.address))
    if receiver not in (giver, TREASURY):
        row = _finished(draft, destination, recorded)
        row = _replaced(row, user_id=receiver, owner=giver == TREASURY)
        rows.append(TransactionMade(row, destination.address))
    return rows


def _events(rows: Sequence[TransactionMade], transaction: str, at_us: int) -> tuple[Event, ...]:
    """Both parties are told (NXPY-C38)."""
    fact = TransactionMoved(id=transaction, status=CONFIRMED, at_us=at_us)
    return tuple(Event(person(row.transaction.user_id), fact) for row in rows)
