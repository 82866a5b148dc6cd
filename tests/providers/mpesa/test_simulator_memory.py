"""The simulated Safaricom outlives our restarts: rules, payments, callbacks under way."""

import threading
from pathlib import Path

import pytest
import trio
import trio.lowlevel
from trio.testing import wait_all_tasks_blocked

from actors.rails import Paid, PushAccepted, PushResult, StatusResult, TransferAccepted
from providers.mpesa import callbacks
from providers.sandbox.mpesa.account import Vault
from providers.sandbox.mpesa.book import Book, Payment
from providers.sandbox.mpesa.outcomes import Rule, Rules, number
from providers.sandbox.mpesa.store import FileStore
from tests.providers.mpesa.support import PHONE, MemoryStore, Receiver, simulating


async def test_a_callback_still_to_come_comes_after_a_restart(vault: Vault, tmp_path: Path) -> None:
    receiver = Receiver()
    async with simulating(vault, FileStore(tmp_path), receiver) as world:
        await world.rule("success", delay_seconds=0.4)
        accepted = await world.push()
        assert isinstance(accepted, PushAccepted)
        old_base = receiver.base
    assert receiver.came == []
    async with simulating(vault, _moved(tmp_path, old_base, receiver), receiver) as world:
        (body,) = await receiver.wait_for("/cb")
        result = callbacks.read_push(body)
        assert isinstance(result, PushResult)
        assert isinstance(result.outcome, Paid)
        assert result.checkout == accepted.checkout
        assert world.simulator.operations(phone=PHONE)[0]["state"] == "paid"


async def test_a_callback_nobody_took_is_sent_again_after_a_restart(vault: Vault) -> None:
    store, receiver = MemoryStore(), Receiver(statuses=[500] * 3)
    async with simulating(vault, store, receiver) as world:
        await world.push()
        await receiver.wait_for("/cb", 2)
        old_base = receiver.base
    receiver.statuses, receiver.came = [], []
    async with simulating(vault, Moved(store.lines, old_base, receiver), receiver):
        await receiver.wait_for("/cb")


async def test_what_was_called_back_is_not_called_back_again(vault: Vault) -> None:
    store, receiver = MemoryStore(), Receiver()
    async with simulating(vault, store, receiver) as world:
        await world.push()
        await receiver.wait_for("/cb")
        await trio.sleep(0.02)
        old_base = receiver.base
    async with simulating(vault, Moved(store.lines, old_base, receiver), receiver) as world:
        await trio.sleep(0.05)
        assert len(receiver.at("/cb")) == 1
        assert world.simulator.operations(phone=PHONE)[0]["state"] == "paid"


async def test_rules_receipts_queries_and_originators_survive(vault: Vault) -> None:
    store, receiver = MemoryStore(), Receiver()
    async with simulating(vault, store, receiver) as world:
        await world.rule("lost_callback", times=3)
        pushed = await world.push()
        assert isinstance(pushed, PushAccepted)
        await world.pay_out("AG_1")
        await trio.sleep(0.05)
        before = world.simulator.operations()
    async with simulating(vault, store, receiver) as world:
        assert world.simulator.operations() == before
        assert isinstance(await world.mpesa.query_push(pushed.checkout), Paid)
        again = await world.pay_out("AG_1")
        assert isinstance(again, TransferAccepted)
        assert again.duplicate
        await world.mpesa.request_status(receipt=before[-1]["receipt"], **receiver.urls("/status"))
        result = callbacks.read_status((await receiver.wait_for("/status"))[0])
        assert isinstance(result, StatusResult)
        assert isinstance(result.outcome, Paid)
        # one of the three times is left
        assert [await _outcome(world, f"/x{n}") for n in range(2)] == ["lost_callback", "success"]


async def test_a_restart_shortens_the_log_and_keeps_what_it_says(vault: Vault) -> None:
    store, receiver = MemoryStore(), Receiver()
    async with simulating(vault, store, receiver) as world:
        for _ in range(5):
            await world.push()
        await receiver.wait_for("/cb", 5)
        await trio.sleep(0.05)
        before = world.simulator.operations()
    written = len(store.lines)
    async with simulating(vault, store, receiver) as world:
        assert world.simulator.operations() == before
        assert len(store.lines) == 6  # each payment once, and the settings
        assert written > 6


async def test_a_line_half_written_is_dropped_and_the_rest_kept(tmp_path: Path) -> None:
    store = FileStore(tmp_path)
    assert store.load() == []
    store.rewrite([b"one"])
    await store.append(b"two")
    with (tmp_path / "operations.jsonl").open("ab") as file:
        file.write(b'{"half')
    assert FileStore(tmp_path).load() == [b"one", b"two"]


async def test_appends_at_once_that_returned_are_kept_once_though_others_were_cancelled(
    tmp_path: Path,
) -> None:
    store = FileStore(tmp_path)
    store.rewrite([])
    returned: list[bytes] = []

    async def append(line: bytes) -> None:
        await store.append(line)
        returned.append(line)

    async with trio.open_nursery() as nursery:
        for number_ in range(200):
            nursery.start_soon(append, b"%d" % number_)
        while not returned:
            await trio.lowlevel.checkpoint()
        for number_ in range(200, 400):
            nursery.start_soon(append, b"%d" % number_)
        await trio.lowlevel.checkpoint()
        nursery.cancel_scope.cancel()
    await append(b"last")
    lines = store.load()
    assert len(returned) > 1
    assert set(returned) <= set(lines)
    assert len(lines) == len(set(lines))


async def test_a_leader_cancelled_as_it_gets_the_lock_still_writes_for_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, gate = FileStore(tmp_path), threading.Event()
    store.rewrite([])
    write = store._write

    def slowly(lines: list[bytes]) -> None:
        gate.wait(5)
        write(lines)

    monkeypatch.setattr(store, "_write", slowly)
    second = trio.CancelScope()

    async def first_then_cancel_the_second() -> None:
        await store.append(b"first")
        second.cancel()

    async def cancelled() -> None:
        with second:
            await store.append(b"second")

    async with trio.open_nursery() as nursery:
        for append in (first_then_cancel_the_second, cancelled):
            nursery.start_soon(append)
            await wait_all_tasks_blocked(0.01)
        nursery.start_soon(store.append, b"third")
        await wait_all_tasks_blocked(0.01)
        gate.set()
    assert b"third" in store.load()


async def test_a_failing_disk_loses_no_line(tmp_path: Path) -> None:
    folder = tmp_path / "sandbox"
    store = FileStore(folder)
    with pytest.raises(FileNotFoundError):
        await store.append(b"one")
    store.rewrite([])
    await store.append(b"two")
    assert store.load() == [b"one", b"two"]


class SlowDisk(MemoryStore):
    """Writes when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.written = trio.Event()

    async def append(self, line: bytes) -> None:
        await self.written.wait()
        await super().append(line)


async def test_nothing_is_listed_that_a_kill_would_undo() -> None:
    """Whoever saw it listed may kill us at once and must find it again."""
    store = SlowDisk()
    book = Book(store)
    payment = Payment(
        serial=book.new_serial(),
        kind="stk",
        who=PHONE,
        amount=10,
        outcome="success",
        shortcode="174379",
        created_at=0.0,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.keep, payment)
        await wait_all_tasks_blocked()
        assert list(book) == book.of(PHONE) == []
        store.written.set()
    assert list(book) == book.of(PHONE) == [payment]
    store.written = trio.Event()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(book.keep, payment)
        await wait_all_tasks_blocked()
        assert list(book) == [payment], "it is there all the time"
        store.written.set()


def test_the_narrower_rule_wins_and_a_newer_one_replaces_its_like() -> None:
    rules = Rules()
    rules.put(Rule(outcome="timeout"))
    rules.put(Rule(outcome="reject", operation="b2c"))
    rules.put(Rule(outcome="cancelled", who="+254 712 345 678"))
    rules.put(Rule(outcome="slow", who=PHONE, operation="stk"))
    rules.put(Rule(outcome="wrong_pin", who=PHONE, operation="stk"))
    taken = [
        rules.take(who, operation)[0].outcome
        for who, operation in (
            (PHONE, "stk"),
            (PHONE, "b2c"),
            ("254700000000", "b2c"),
            ("254700000000", "stk"),
        )
    ]
    assert taken == ["wrong_pin", "cancelled", "reject", "timeout"]


def test_a_rule_runs_out_and_no_more_times_removes_it() -> None:
    rules = Rules()
    rules.put(Rule(outcome="timeout", times=2))
    assert [rules.take(PHONE, "stk")[0].outcome for _ in range(3)] == [
        "timeout",
        "timeout",
        "success",
    ]
    rules.put(Rule(outcome="timeout"))
    rules.put(Rule(outcome="timeout", times=0))
    assert rules.listed() == []


@pytest.mark.parametrize(
    ("text", "digits"),
    [("+254712345678", PHONE), ("0712345678", PHONE), (PHONE, PHONE), ("400222", "400222")],
)
def test_a_number_is_the_same_in_every_spelling(text: str, digits: str) -> None:
    assert number(text) == digits


class Moved(MemoryStore):
    """What was stored, with our old address in it replaced by the new one: we came back under
    another port, which is the business of whoever gives out callback addresses."""

    def __init__(self, lines: list[bytes], old_base: str, receiver: Receiver) -> None:
        super().__init__()
        self.lines = lines
        self._old, self._receiver = old_base, receiver

    def load(self) -> list[bytes]:
        new = self._receiver.base.encode()
        return [line.replace(self._old.encode(), new) for line in self.lines]


def _moved(folder: Path, old_base: str, receiver: Receiver) -> Moved:
    return Moved(FileStore(folder).load(), old_base, receiver)


async def _outcome(world, path: str) -> str:
    await world.push(path)
    return world.simulator.operations()[0]["outcome"]
