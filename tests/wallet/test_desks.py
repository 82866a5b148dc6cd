"""A person's funding desk: one credit, whatever goes wrong around it."""

import pytest
import trio

from actors.funding import SETTLE_EVERY_S
from actors.funding_messages import Credited, InReview, Opened, Trouble
from actors.funding_store import Declined, Uncertain
from actors.messenger import Unknown
from actors.reviews import Decision, NotRuled, Ruled, Ruling
from domain.funding import Signal, State
from domain.identity import Purpose
from domain.ledger import Ticket
from storage.pool import Pool
from storage.verify import verify
from tests.actors.users.house import Disk
from tests.wallet.desks import AMOUNT, desks

_FUNDING = Purpose.WALLET_FUNDING
APPROVE = Ruling(decision=Decision.APPROVE, operator_id=1, how="test")
_STOLEN = "UPDATE fundings SET state = 'failed', version = version + 1 WHERE reference = %s"


async def test_many_right_codes_at_once_are_one_credit(dsn: str, pool: Pool) -> None:
    async with desks(dsn, pool) as house:
        funding = await house.open()
        answers = []

        async def prove() -> None:
            answers.append(await house.prove(funding.reference))

        async with trio.open_nursery() as nursery:
            for _ in range(30):
                nursery.start_soon(prove)
        credited = [a for a in answers if isinstance(a, Credited)]
        assert [a.balance for a in credited] == [AMOUNT]
        assert answers.count(Trouble.NOT_FOUND) == 29
        assert house.source.asked == [funding.reference]
        assert (await verify(pool)).balanced


async def test_an_asker_that_goes_away_leaves_nothing_half_done(dsn: str, pool: Pool) -> None:
    async with desks(dsn, pool) as house:
        funding = await house.open()
        house.source.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.prove, funding.reference)
            await house.source.reached.wait()
            nursery.cancel_scope.cancel()
        assert await house.state(funding.reference) is State.CLEARED
        house.source.gate.set()
        await house.settled(funding.reference)
        assert await house.prove(funding.reference) is Trouble.NOT_FOUND
        assert await house.balance() == AMOUNT


async def test_its_outcome_is_kept_for_an_asker_that_went_away(dsn: str, pool: Pool) -> None:
    """X-C29: with the credit, in one commit."""
    async with desks(dsn, pool) as house:
        funding = await house.open()
        house.source.gate = trio.Event()
        ticket = Ticket("user:7", "k", b"f")
        async with trio.open_nursery() as nursery:
            nursery.start_soon(
                lambda: house.prove(
                    funding.reference, ticket=ticket, render=lambda made: b"%d" % made.balance
                )
            )
            await house.source.reached.wait()
            nursery.cancel_scope.cancel()
        house.source.gate.set()
        await house.settled(funding.reference)
    kept = await pool.fetch_one("SELECT scope, key, fingerprint, outcome FROM idempotency")
    assert kept == ("user:7", "k", b"f", b"%d" % AMOUNT)


async def test_a_source_that_declines_moves_no_money(dsn: str, pool: Pool) -> None:
    async with desks(dsn, pool) as house:
        funding = await house.open()
        house.source.answer = Declined("no cover")
        assert await house.prove(funding.reference) is Trouble.DECLINED
        assert await house.state(funding.reference) is State.FAILED
        assert await house.prove(funding.reference) is Trouble.NOT_FOUND
        assert await house.balance() == 0


async def test_an_uncertain_collection_is_for_an_operator_and_not_repeated(
    dsn: str, pool: Pool
) -> None:
    """A timeout after sending is unknown, never failed."""
    async with desks(dsn, pool) as house:
        funding = await house.open()
        house.source.answer = Uncertain("timed out")
        answer = await house.prove(funding.reference)
        assert isinstance(answer, InReview)
        assert answer.balance == 0
        (review,) = await house.fundings.waiting(10)
        assert review.reasons == (Signal.UNCERTAIN.value,)
        assert await house.fundings.rule(funding.reference, APPROVE) == Ruled("completed")
        assert house.source.asked == [funding.reference]
        assert await house.balance() == AMOUNT


@pytest.mark.parametrize("by_itself", [False, True])
async def test_a_credit_refused_for_now_is_made_later(
    dsn: str, pool: Pool, by_itself: bool
) -> None:
    """By the person's next try, or by itself."""
    async with desks(dsn, pool) as house:
        funding = await house.open()
        house.ledger.journal.available = False
        assert await house.prove(funding.reference) is Trouble.UNAVAILABLE
        assert await house.state(funding.reference) is State.CLEARED
        house.ledger.journal.available = True
        if by_itself:
            house.clock.advance(int(SETTLE_EVERY_S))
            await house.settled(funding.reference)
        else:
            assert isinstance(await house.prove(funding.reference), Credited)
        assert await house.prove(funding.reference) is Trouble.NOT_FOUND
        assert await house.balance() == AMOUNT


async def test_an_approval_that_cannot_be_credited_yet_holds(dsn: str, pool: Pool) -> None:
    async with desks(dsn, pool) as house:
        house.source.needs_operator = True
        funding = await house.open()
        assert isinstance(await house.prove(funding.reference), InReview)
        house.ledger.journal.available = False
        assert await house.fundings.rule(funding.reference, APPROVE) == Ruled("cleared")
        assert await house.fundings.rule(funding.reference, APPROVE) is NotRuled.DECIDED
        house.ledger.journal.available = True
        house.clock.advance(int(SETTLE_EVERY_S))
        await house.settled(funding.reference)
        assert await house.balance() == AMOUNT


async def test_a_proof_that_was_written_after_all_is_settled(dsn: str, pool: Pool) -> None:
    """The connection was lost during COMMIT: nobody knows, so storage is read again."""
    async with desks(dsn, pool) as house:
        funding = await house.open()
        house.store.unsure = True
        assert await house.prove(funding.reference) is Trouble.UNAVAILABLE
        assert await house.balance() == 0
        assert isinstance(await house.prove(funding.reference), Credited)
        assert await house.balance() == AMOUNT


@pytest.mark.parametrize("reviewed", [False, True])
async def test_a_right_code_is_not_used_up_by_a_proof_that_was_not_written(
    dsn: str, pool: Pool, reviewed: bool
) -> None:
    """Using the code and proving the funding are one transaction (WOTP-041)."""
    async with desks(dsn, pool) as house:
        house.source.needs_operator = reviewed
        funding = await house.open()
        house.store.away = True
        assert await house.prove(funding.reference) is Trouble.UNAVAILABLE
        assert await house.prove(funding.reference) is Trouble.UNAVAILABLE
        house.store.away = False
        proved = await house.prove(funding.reference)
        assert isinstance(proved, InReview if reviewed else Credited)
        assert await house.prove(funding.reference) is Trouble.NOT_FOUND
        assert await house.balance() == (0 if reviewed else AMOUNT)


async def test_money_and_state_are_committed_together_or_not_at_all(dsn: str, pool: Pool) -> None:
    """Somebody else moved the row meanwhile: the journal is refused whole."""
    async with desks(dsn, pool) as house:
        funding = await house.open()
        house.source.gate = trio.Event()
        answers = []

        async def prove() -> None:
            answers.append(await house.prove(funding.reference))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(prove)
            await house.source.reached.wait()
            await pool.execute(_STOLEN, [funding.reference])
            house.source.gate.set()
        assert answers == [Trouble.UNAVAILABLE]
        assert await house.prove(funding.reference) is Trouble.NOT_FOUND
        assert await house.balance() == 0
        report = await verify(pool)
        assert (report.balanced, report.journals) == (True, 0)


async def test_a_process_that_ends_while_collecting_leaves_a_credit_to_the_next(
    dsn: str, pool: Pool
) -> None:
    disk = Disk()
    async with desks(dsn, pool, disk=disk) as house:
        funding = await house.open()
        house.source.gate = trio.Event()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(house.prove, funding.reference)
            await house.source.reached.wait()
            nursery.cancel_scope.cancel()
    async with desks(dsn, pool, disk=disk) as house:
        await house.settled(funding.reference)
        assert house.source.asked == [funding.reference], "asked again by the same reference"
        assert await house.balance() == AMOUNT
        assert (await verify(pool)).journals == 1


async def test_a_desk_knows_no_more_than_one_pending_funding(dsn: str, pool: Pool) -> None:
    """WOTP-C11, also for fundings asked for at once; the database holds it too."""
    async with desks(dsn, pool) as house:
        opened = []

        async def fund() -> None:
            opened.append(await house.open())

        async with trio.open_nursery() as nursery:
            for _ in range(8):
                nursery.start_soon(fund)
        rows = await pool.fetch("SELECT state, count(*) FROM fundings GROUP BY state ORDER BY 1")
        assert rows == [("pending", 1), ("void", 7)]
        answers = [await house.prove(funding.reference) for funding in opened]
        assert sum(isinstance(a, Credited) for a in answers) == 1


async def test_a_code_whose_delivery_nobody_confirmed_is_not_called_sent_and_works(
    dsn: str, pool: Pool
) -> None:
    """WOTP-012: `otpSent` says whether the mail was handed over."""
    async with desks(dsn, pool) as house:
        house.mail.outcome = Unknown("no answer")
        opened = await house.fundings.initiate(house.profile, AMOUNT, "abc@example.com")
        assert isinstance(opened, Opened)
        assert not opened.sent
        assert isinstance(await house.prove(opened.funding.reference), Credited)
