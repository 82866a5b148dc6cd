"""One key, one outcome (X-C29), whoever asks, whenever, however often."""

from dataclasses import dataclass, field

import trio

from actors.clock import Clock
from actors.idempotency import Idempotency, Repeat
from domain.ledger import Effects, Intent, Posting, Recorded, Refusal, Ticket, wallet
from storage.idempotency import PostgresIdempotency
from tests.ledger.house import House, transfer

ANN, BEN = 1, 2
SCOPE = "user:1"
_NOT_NOW = (Refusal.IN_PROGRESS, Refusal.UNAVAILABLE, Refusal.UNKNOWN)


class NotNow(Exception):
    """How a surface gets out of `once` with an answer that must not be remembered."""


@dataclass
class Desk:
    """Carries out transfers of one unit by key, as a surface does."""

    house: House
    keys: Idempotency
    carried_out: list[str] = field(default_factory=list)

    async def pay(
        self, key: str, *, scope: str = SCOPE, body: str = "pay", units: int = 1
    ) -> bytes | Refusal | None:
        """The reply's bytes; a refusal of the key; None for "not now"."""

        async def operation(ticket: Ticket) -> tuple[bytes, bool]:
            self.carried_out.append(key)
            posting = Posting(wallet(ANN, "USD"), wallet(BEN, "USD"), units)
            intent = Intent(kind="TRANSFER", postings=(posting,), ticket=ticket, effects=_effects)
            answer = await self.house.ledger.record(intent)
            if isinstance(answer, Recorded):
                return _reply(answer), False
            if answer in _NOT_NOW:
                raise NotNow
            return answer.value.encode(), True

        try:
            return await self.keys.once(scope, key, body.encode(), operation)
        except NotNow:
            return None


def _reply(recorded: Recorded) -> bytes:
    return f"receipt {recorded.receipt}".encode()


def _effects(recorded: Recorded) -> Effects:
    return Effects(outcome=_reply(recorded))


def _desk(house: House) -> Desk:
    store = PostgresIdempotency(house.pool)
    return Desk(house, Idempotency(store, Clock(), house.journal.keys))


async def test_a_repeat_is_answered_alike_and_pays_nothing(house: House) -> None:
    desk = _desk(house)
    await house.fund(ANN, 10)
    first = await desk.pay("k")
    again = await desk.pay("k")
    assert isinstance(again, Repeat)
    assert not isinstance(first, Repeat)
    assert again == first == b"receipt 100002"
    assert await house.balance(BEN) == 1
    await house.balances()


async def test_a_key_is_bound_to_its_request_and_its_caller(house: House) -> None:
    desk = _desk(house)
    await house.fund(ANN, 10)
    await desk.pay("k")
    assert await desk.pay("k", body="pay more") is Refusal.KEY_REUSED
    assert await desk.pay("k", scope="user:2") == b"receipt 100003"
    assert await house.balance(BEN) == 2


async def test_a_refusal_is_remembered_under_its_key(house: House) -> None:
    """contract.md, "Cashier": a repeat hears it again, though there is money by now."""
    desk = _desk(house)
    await house.fund(ANN, 1)
    assert await desk.pay("k", units=5) == b"insufficient balance"
    await house.fund(ANN, 10)
    again = await desk.pay("k", units=5)
    assert isinstance(again, Repeat)
    assert again == b"insufficient balance"
    assert await house.balance(BEN) == 0


async def test_of_a_hundred_at_once_one_is_carried_out(house: House) -> None:
    desk = _desk(house)
    await house.fund(ANN, 1000)
    answers: list[bytes | Refusal | None] = []

    async def ask() -> None:
        answers.append(await desk.pay("k"))

    async with trio.open_nursery() as nursery:
        for _ in range(100):
            nursery.start_soon(ask)
    assert desk.carried_out == ["k"]
    assert set(answers) == {b"receipt 100002", Refusal.IN_PROGRESS}
    assert await desk.pay("k") == b"receipt 100002"
    assert await house.balance(BEN) == 1


async def test_a_key_whose_asker_left_is_in_progress_and_then_answered_alike(
    house: House,
) -> None:
    desk = _desk(house)
    await house.fund(ANN, 1)
    house.store.commits.close()
    await house.abandon(desk.pay, "k")
    # Not "insufficient balance", which the reserved unit would make of it.
    assert await desk.pay("k") is Refusal.IN_PROGRESS
    house.store.commits.open()
    await house.journal.drain()
    assert await desk.pay("k") == b"receipt 100002"
    assert await house.balance(BEN) == 1
    await house.balances()


async def test_a_refusal_never_hides_what_was_recorded_meanwhile(house: House) -> None:
    """Another process, or a take-over, may have recorded the key after we looked."""
    desk = _desk(house)
    await house.fund(ANN, 1)
    house.accounts.loads.close()
    house.passivate()
    answers: list[bytes | Refusal | None] = []

    async def ask() -> None:
        answers.append(await desk.pay("k", units=5))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask)
        await house.accounts.loads.until_waiting()
        ticket_hash = "sha256('pay'::bytea)"
        await house.pool.execute(
            "INSERT INTO idempotency (scope, key, fingerprint, outcome, recorded_us) "
            f"VALUES ('{SCOPE}', 'k', {ticket_hash}, 'receipt 7', 0)"
        )
        house.accounts.loads.open()
    assert answers == [b"receipt 7"]
    assert isinstance(answers[0], Repeat)


async def test_what_passes_is_not_remembered(house: House) -> None:
    desk = _desk(house)
    await house.fund(ANN, 10)
    house.journal.available = False
    assert await desk.pay("k") is None
    house.journal.available = True
    assert await desk.pay("k") == b"receipt 100002"


async def test_an_operation_that_fails_frees_its_key(house: House) -> None:
    store = PostgresIdempotency(house.pool)
    keys = Idempotency(store, Clock())

    async def broken(_: Ticket) -> tuple[bytes, bool]:
        raise LookupError("a bug")

    for _ in range(2):
        try:
            await keys.once(SCOPE, "k", b"pay", broken)
        except LookupError:
            continue
        raise AssertionError("the bug was swallowed")
    assert await store.find(SCOPE, "k") is None


async def test_old_keys_are_forgotten_and_young_ones_kept(house: House) -> None:
    store = PostgresIdempotency(house.pool)
    for number, at_us in enumerate((1, 2, 3)):
        await store.remember(Ticket(SCOPE, f"{number}", b"f"), b"outcome", at_us)
    assert await store.purge(3) == 2
    assert await store.find(SCOPE, "1") is None
    assert await store.find(SCOPE, "2") == (b"f", b"outcome")


async def test_what_was_remembered_first_stays(house: House) -> None:
    store = PostgresIdempotency(house.pool)
    assert await store.remember(Ticket(SCOPE, "k", b"f"), b"first", 1) is None
    assert await store.remember(Ticket(SCOPE, "k", b"g"), b"second", 2) == (b"f", b"first")
    await house.fund(ANN, 10)
    assert await house.ledger.record(transfer(ANN, BEN, 1, key="k")) is Refusal.CONFLICT
