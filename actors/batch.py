"""What one commit consists of: commands in, rows out. Synchronous and free of I/O."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import msgspec
import outcome
import trio

from actors.account import Account
from domain.events import Event
from domain.events import encode as encode_fact
from domain.hashchain import GENESIS, link
from domain.ledger import AccountKey, Effects, Intent, Line, Recorded, Refusal

FIRST_RECEIPT: Final = 100_000
_NO_EFFECTS: Final = Effects()
_encode_fees = msgspec.json.Encoder().encode

Result = Recorded | Refusal | Exception


class Command(msgspec.Struct, eq=False, gc=False):
    """A decided intent on its way through the journal, with its accounts and its asker.

    `heard` is called with the result instead of waking a task; it must only queue, never wait or
    raise.
    """

    intent: Intent
    accounts: dict[AccountKey, Account]
    task: trio.lowlevel.Task | None = None
    heard: Callable[[Result], None] | None = None
    result: Result | None = None
    _reserved: Sequence[tuple[Account, int]] = ()
    _keys: set[tuple[str, str]] | None = None

    def claim_key(self, keys: set[tuple[str, str]]) -> bool:
        """Put the intent's idempotency key into `keys` until `finish`; False: it is there."""
        ticket = self.intent.ticket
        if ticket is None:
            return True
        key = (ticket.scope, ticket.key)
        if key in keys:
            return False
        keys.add(key)
        self._keys = keys
        return True

    def reserve(self) -> None:
        """Take what the intent debits out of reach of later decisions, until `finish`."""
        accounts, intent = self.accounts, self.intent
        reserved = [(accounts[posting.source], posting.amount) for posting in intent.postings]
        if (place := intent.place) is not None:
            reserved.append((accounts[place.account], place.amount))
        if (close := intent.close) is not None:
            # What was held pays for this intent's own debits; any rest of it becomes
            # available to others only with the commit.
            held_on = accounts[close.account]
            debits = sum(amount for account, amount in reserved if account is held_on)
            reserved.append((held_on, -min(close.amount, debits)))
        for account, amount in reserved:
            account.reserved += amount
        for account in accounts.values():
            account.in_flight += 1
        self._reserved = reserved

    def finish(self, result: Result) -> None:
        """Give the reservations back and answer; once is enough, twice is harmless."""
        for account, amount in self._reserved:
            account.reserved -= amount
        self._reserved = ()
        for account in self.accounts.values():
            account.in_flight -= 1
        self.accounts = {}
        if self._keys is not None and (ticket := self.intent.ticket) is not None:
            self._keys.discard((ticket.scope, ticket.key))
            self._keys = None
        self.answer(result)

    def answer(self, result: Result) -> None:
        """Tell the asker, once; a later answer has nobody to hear it."""
        if self.result is None:
            self.result = result
            if self.task is not None:
                trio.lowlevel.reschedule(self.task, outcome.Value(result))
                self.task = None
            elif self.heard is not None:
                self.heard(result)
                self.heard = None

    async def wait(self) -> Result:
        """The result. Cancelled, the asker goes away; the command is carried out all the same."""
        if self.result is not None:
            await trio.lowlevel.checkpoint()
            return self.result
        self.task = trio.lowlevel.current_task()

        def abort(_: object) -> trio.lowlevel.Abort:
            self.task = None
            return trio.lowlevel.Abort.SUCCEEDED

        result: Result = await trio.lowlevel.wait_task_rescheduled(abort)
        return result


@dataclass(slots=True)
class Counters:
    """The last numbers given out."""

    journal_id: int = 0
    entry_id: int = 0
    event_id: int = 0
    receipt: int = FIRST_RECEIPT
    recorded_us: int = 0
    hash: bytes = GENESIS


@dataclass(slots=True)
class Batch:
    """Rows by table, in the column order of storage.journal, and what follows their commit."""

    number: int
    counters: Counters
    commands: list[Command] = field(default_factory=list)
    recorded: list[Recorded] = field(default_factory=list)
    touched: list[Account] = field(default_factory=list)
    published: list[tuple[int, Event]] = field(default_factory=list)
    journals: list[tuple[Any, ...]] = field(default_factory=list)
    entries: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[int, str, bytes]] = field(default_factory=list)
    placed: list[tuple[int, int, int]] = field(default_factory=list)
    closed: list[tuple[int, str, int, int, int]] = field(default_factory=list)
    keys: list[tuple[str, str, bytes, bytes]] = field(default_factory=list)
    changes: list[Any] = field(default_factory=list)


def build(commands: list[Command], number: int, counters: Counters, now_us: int) -> Batch:
    """Number, balance and chain `commands` in order.

    A command whose effects raise is answered with the exception and left out.
    """
    batch = Batch(number, replace(counters, recorded_us=now_us))
    for command in commands:
        entries = _stage(batch, command)
        try:
            _record(batch, command, entries)
        except Exception as error:  # one caller's bug must not cost the others their batch
            _unstage(command)
            command.finish(error)
    return batch


def _stage(batch: Batch, command: Command) -> list[tuple[Any, ...]]:
    """Move the staged counters of the command's accounts; the two signed legs of each posting,
    with the balance each left behind."""
    number, intent, accounts = batch.number, command.intent, command.accounts
    for account in accounts.values():
        if account.staged_in != number:
            account.stage(number)
            batch.touched.append(account)
    if intent.place is not None:
        accounts[intent.place.account].staged_pending += intent.place.amount
    if intent.close is not None:
        accounts[intent.close.account].staged_pending -= intent.close.amount
    counters = batch.counters
    journal_id, entry_id, now_us = counters.journal_id + 1, counters.entry_id, counters.recorded_us
    rows: list[tuple[Any, ...]] = []
    for posting in intent.postings:
        amount, asset, text = posting.amount, posting.source.asset, posting.description
        entry_id += 1
        account = accounts[posting.source]
        account.staged_debits += amount
        account.staged_sequence = sequence = account.staged_sequence + 1
        balance = account.staged_credits - account.staged_debits
        rows.append(
            (entry_id, journal_id, account.id, asset, sequence, -amount, balance, text, now_us)
        )
        entry_id += 1
        account = accounts[posting.destination]
        account.staged_credits += amount
        account.staged_sequence = sequence = account.staged_sequence + 1
        balance = account.staged_credits - account.staged_debits
        rows.append(
            (entry_id, journal_id, account.id, asset, sequence, amount, balance, text, now_us)
        )
    return rows


def _unstage(command: Command) -> None:
    intent, accounts = command.intent, command.accounts
    for posting in intent.postings:
        source, destination = accounts[posting.source], accounts[posting.destination]
        source.staged_debits -= posting.amount
        source.staged_sequence -= 1
        destination.staged_credits -= posting.amount
        destination.staged_sequence -= 1
    if intent.place is not None:
        accounts[intent.place.account].staged_pending -= intent.place.amount
    if intent.close is not None:
        accounts[intent.close.account].staged_pending += intent.close.amount


def _record(batch: Batch, command: Command, entries: list[tuple[Any, ...]]) -> None:
    """Append the command's rows; changes nothing when its effects raise."""
    intent, accounts, counters = command.intent, command.accounts, batch.counters
    journal_id = counters.journal_id + 1
    receipt = intent.receipt or counters.receipt + 1
    recorded_us = counters.recorded_us
    lines = [
        Line(a.key, a.number, a.staged_credits - a.staged_debits, a.staged_sequence)
        for a in accounts.values()
    ]
    recorded = Recorded(journal_id, receipt, recorded_us, lines)
    effects = intent.effects(recorded) if intent.effects is not None else _NO_EFFECTS
    facts = [(event, encode_fact(event.fact)) for event in effects.events]
    fees = _encode_fees(intent.fees).decode() if intent.fees else ""
    head = (
        journal_id,
        intent.kind,
        receipt,
        intent.initiator,
        intent.ref,
        intent.description,
        fees,
        intent.quote_id,
        intent.occurred_us or recorded_us,
        recorded_us,
    )
    placed = closed = None
    if intent.place is not None:
        placed = (accounts[intent.place.account].id, intent.place.amount)
        batch.placed.append((journal_id, *placed))
    if intent.close is not None:
        close = intent.close
        closed = (close.id, "posted" if intent.postings else "voided")
        batch.closed.append((*closed, journal_id, accounts[close.account].id, close.amount))
    chained = link(counters.hash, (*head, entries, placed, closed))

    batch.journals.append((*head, counters.entry_id + 1, len(entries), chained))
    batch.entries += entries
    for event, body in facts:
        counters.event_id += 1
        batch.events.append((counters.event_id, event.feed, body))
        batch.published.append((counters.event_id, event))
    batch.changes += effects.changes
    if intent.ticket is not None:
        ticket = intent.ticket
        batch.keys.append((ticket.scope, ticket.key, ticket.fingerprint, effects.outcome))
    batch.commands.append(command)
    batch.recorded.append(recorded)
    counters.journal_id = journal_id
    counters.entry_id += len(entries)
    counters.receipt = max(counters.receipt, receipt)
    counters.hash = chained
