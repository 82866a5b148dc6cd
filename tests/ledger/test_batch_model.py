"""Deciding, reserving and numbering against the model, in any order hypothesis thinks of."""

from collections import defaultdict
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from actors.account import Account
from actors.batch import Batch, Command, Counters, build
from domain.hashchain import link
from domain.ledger import (
    AccountKey,
    Effects,
    Hold,
    Intent,
    Posting,
    Recorded,
    Refusal,
    SystemPurpose,
    decide,
    system,
    wallet,
)
from tests.ledger.model import Model, debited

ASSETS = ("USD", "BTC")
PEOPLE = [wallet(owner, asset) for owner in (1, 2) for asset in ASSETS]
POSITIONS = {asset: system(asset, SystemPurpose.FX_POSITION) for asset in ASSETS}
FEES = {asset: system(asset, SystemPurpose.FEE_INCOME) for asset in ASSETS}

keys = st.sampled_from(PEOPLE)
amounts = st.integers(min_value=1, max_value=60)


class Broken(Exception):
    """What effects with a bug raise."""


def _fails(_: Recorded) -> Effects:
    raise Broken


class LedgerMachine(RuleBasedStateMachine):
    """Accepted intents queue up; now and then a batch of them is committed, refused or lost."""

    def __init__(self) -> None:
        super().__init__()
        self.accounts = {
            key: Account(100 + number, key, f"ACC-{number}")
            for number, key in enumerate([*PEOPLE, *POSITIONS.values(), *FEES.values()])
        }
        self.model = Model()
        self.counters = Counters()
        self.batches = 0
        self.now_us = 1_000
        self.queue: list[Command] = []
        self.closing: set[int] = set()
        self.rows: defaultdict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for key in PEOPLE:
            self._ask(Intent(kind="FUND", postings=(Posting(POSITIONS[key.asset], key, 60),)))
        self._commit(len(PEOPLE), lands=True, step=1)
        for key in PEOPLE:
            self._ask(Intent(kind="HOLD", place=Hold(key, 20)))
        self._commit(len(PEOPLE), lands=True, step=1)

    def _ask(self, intent: Intent) -> None:
        """Decide as Ledger.record does, and compare with the model."""
        verdict = decide(self.accounts, intent)
        queued = [command.intent for command in self.queue]
        paying = [key for key in debited(intent) if key != self._held_on(intent)]
        if any(self.accounts[key].is_locked for key in paying):
            assert verdict is Refusal.ACCOUNT_LOCKED
        else:
            expected = None if self.model.can(intent, queued) else Refusal.INSUFFICIENT_FUNDS
            assert verdict is expected
        if verdict is not None:
            return
        touched = [*(k for p in intent.postings for k in (p.source, p.destination))]
        touched += [part.account for part in (intent.place, intent.close) if part is not None]
        command = Command(intent, {key: self.accounts[key] for key in touched})
        command.reserve()
        self.queue.append(command)
        if intent.close is not None:
            self.closing.add(intent.close.id)

    @staticmethod
    def _held_on(intent: Intent) -> AccountKey | None:
        return intent.close.account if intent.close is not None else None

    @rule(key=keys, amount=amounts)
    def fund(self, key: AccountKey, amount: int) -> None:
        self._ask(Intent(kind="FUND", postings=(Posting(POSITIONS[key.asset], key, amount),)))

    @rule(source=keys, owner=st.integers(1, 2), amount=amounts, bug=st.sampled_from((None, _fails)))
    def transfer(self, source: AccountKey, owner: int, amount: int, bug: Any) -> None:
        destination = wallet(owner, source.asset)
        posting = Posting(source, destination, amount, "to a friend")
        self._ask(Intent(kind="TRANSFER", postings=(posting,), effects=bug))

    @rule(source=keys, owner=st.integers(1, 2), more=st.integers(0, 1))
    def transfer_all_there_is(self, source: AccountKey, owner: int, more: int) -> None:
        amount = self.model.left(source, [command.intent for command in self.queue]) + more
        if amount:
            posting = Posting(source, wallet(owner, source.asset), amount)
            self._ask(Intent(kind="TRANSFER", postings=(posting,)))

    @rule(source=keys, gets=amounts, gives=amounts, fee=amounts)
    def convert(self, source: AccountKey, gets: int, gives: int, fee: int) -> None:
        target = wallet(source.owner, "BTC" if source.asset == "USD" else "USD")
        postings = (
            Posting(source, POSITIONS[source.asset], gives),
            Posting(source, FEES[source.asset], fee, "fee"),
            Posting(POSITIONS[target.asset], target, gets),
        )
        self._ask(Intent(kind="CONVERSION", postings=postings, quote_id=7))

    @rule(key=keys, amount=amounts)
    def hold(self, key: AccountKey, amount: int) -> None:
        self._ask(Intent(kind="HOLD", place=Hold(key, amount)))

    @precondition(lambda self: self.model.holds.keys() - self.closing)
    @rule(
        data=st.data(),
        owner=st.integers(1, 2),
        share=st.sampled_from((0, 30, 100, 120)),
        again=st.integers(0, 2),
    )
    def close(self, data: st.DataObject, owner: int, share: int, again: int) -> None:
        """Void (0 %), post in part, in full, or more than was held; perhaps hold some again."""
        id_ = data.draw(st.sampled_from(sorted(self.model.holds.keys() - self.closing)))
        hold = self.model.holds[id_]
        amount = hold.amount * share // 100
        destination = wallet(owner, hold.account.asset)
        self._ask(
            Intent(
                kind="CLOSE",
                postings=(Posting(hold.account, destination, amount),) if amount else (),
                close=hold,
                place=Hold(hold.account, again) if again else None,
            )
        )

    @rule(key=keys)
    def lock_or_unlock(self, key: AccountKey) -> None:
        self.accounts[key].is_locked = not self.accounts[key].is_locked

    @precondition(lambda self: self.queue)
    @rule(
        size=st.integers(1, 6),
        lands=st.sampled_from((True, True, True, False)),
        step=st.integers(0, 9),
    )
    def commit(self, size: int, lands: bool, step: int) -> None:
        self._commit(size, lands, step)

    def _commit(self, size: int, lands: bool, step: int) -> None:
        taken, self.queue = self.queue[:size], self.queue[size:]
        self.batches += 1
        self.now_us += step
        batch = build(taken, self.batches, self.counters, self.now_us)
        assert [c for c in taken if c.intent.effects is None] == batch.commands
        assert all(isinstance(c.result, Broken) for c in taken if c.intent.effects is not None)
        if lands:
            self._lands(batch)
        else:
            for command in batch.commands:
                command.finish(Refusal.UNAVAILABLE)
        for command in taken:
            if command.intent.close is not None:
                self.closing.discard(command.intent.close.id)

    def _lands(self, batch: Batch) -> None:
        self.counters = batch.counters
        for name in ("journals", "entries", "placed", "closed"):
            self.rows[name] += getattr(batch, name)
        for account in batch.touched:
            account.apply(batch.counters.recorded_us)
        for command, recorded in zip(batch.commands, batch.recorded, strict=True):
            self.model.apply(command.intent, recorded.journal_id)
            for line in recorded.lines:
                assert line.balance == self.model.balances[line.account]
                assert line.sequence == self.model.lines[line.account]
            command.finish(recorded)

    @invariant()
    def counters_are_the_models(self) -> None:
        for key, account in self.accounts.items():
            assert account.posted == self.model.balances[key]
            assert account.debits_pending == self.model.held(key)
            assert account.sequence == self.model.lines[key]
            assert account.in_flight == sum(key in c.accounts for c in self.queue)
            assert self.queue or account.reserved == 0
            assert account.overdraft or account.available >= 0

    def teardown(self) -> None:
        for command in self.queue:
            command.finish(Refusal.UNAVAILABLE)
        assert all(a.reserved == a.in_flight == 0 for a in self.accounts.values())
        self._rows_tell_the_same()

    def _rows_tell_the_same(self) -> None:
        """Entries alone give every balance again, and the chain every journal."""
        balances: defaultdict[int, int] = defaultdict(int)
        sequences: defaultdict[int, int] = defaultdict(int)
        for number, row in enumerate(self.rows["entries"], start=1):
            entry_id, _, account_id, _, sequence, amount, balance_after, *_ = row
            balances[account_id] += amount
            sequences[account_id] += 1
            assert entry_id == number
            assert (sequence, balance_after) == (sequences[account_id], balances[account_id])
        chain = Counters().hash
        placed = {row[0]: tuple(row[1:]) for row in self.rows["placed"]}
        closed = {row[2]: tuple(row[:2]) for row in self.rows["closed"]}
        for number, (*head, first, count, hashed) in enumerate(self.rows["journals"], start=1):
            mine = self.rows["entries"][first - 1 : first - 1 + count]
            totals: defaultdict[str, int] = defaultdict(int)
            for row in mine:
                assert row[1] == head[0] == number
                totals[row[3]] += row[5]
            assert not any(totals.values())
            chain = link(chain, (*head, mine, placed.get(number), closed.get(number)))
            assert chain == hashed


LedgerMachine.TestCase.settings = settings(max_examples=100, stateful_step_count=40)
TestLedgerAgainstTheModel = LedgerMachine.TestCase
