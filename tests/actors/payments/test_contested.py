"""A payout that was paid after its money had been given back: contested until an operator says who
bears it, and that once, whatever happens (X-C15, NXPY-C46)."""

import pytest
import trio

from actors.audit import AuditEntry
from actors.rails import Paid
from actors.reviews import Decision, NotRuled, Ruled, Ruling
from domain.events import WithdrawalCompleted, WithdrawalFailed
from domain.ledger import Intent, Posting, Recorded, SystemPurpose, system, wallet
from domain.money import units_of
from domain.payments import Payment, State
from storage.audit import PostgresAudit
from storage.migrate import MIGRATIONS
from storage.verify import verify
from tests.actors.payments.house import House, living
from tests.actors.payments.killable import Place, Points
from tests.actors.payments.provider import DECLINED, Plan, Provider
from tests.actors.payments.test_crashes import killable, provider_clock

APPROVE = Ruling(decision=Decision.APPROVE, operator_id=9, how="pwd,otp", note="seen")
REJECT = Ruling(decision=Decision.REJECT, operator_id=9, how="pwd,otp", note="ours")
SHORT = system("KES", SystemPurpose.SUSPENSE)
LOSS = system("KES", SystemPurpose.PAYOUT_LOSS)
LEFT = {APPROVE: "94.50", REJECT: "100.00"}  # of 100 USD, by what was ruled
ENDS = {APPROVE: State.COMPLETED, REJECT: State.FAILED}


async def refused(house: House, user_id: int) -> Payment:
    """A payout of 5 USD (666 shillings) that the provider refused: its money was given back."""
    house.provider.plans[f"2547{user_id:08d}"] = Plan(ending=DECLINED)
    made = await house.withdrawal(user_id)
    return await house.until(made, State.FAILED)


async def contested(house: House, user_id: int) -> Payment:
    """The same, which the provider says it has paid after all."""
    made = await refused(house, user_id)
    house.provider.end(house.provider.operations[-1], Paid())
    return await house.eventually(made, lambda found: found.cash)


async def in_suspense(house: House) -> int:
    """Whole shillings by which suspense is short."""
    return -(await house.balance(SHORT))[0] // 10**8


async def lost(house: House) -> int:
    """Whole shillings that the platform bore."""
    return -(await house.balance(LOSS))[0] // 10**8


async def test_late_success_is_listed_with_what_was_paid_and_moves_no_wallet(house: House) -> None:
    user_id = await house.person()
    made = await contested(house, user_id)
    assert (made.state, made.contested) == (State.FAILED, True)
    assert await house.usd(user_id) == ("100.00", "0.00")
    assert await in_suspense(house) == 666
    (review,) = await house.payments.waiting(10)
    assert (review.reference, review.user_id) == (made.ref, user_id)
    assert (review.amount, review.asset) == (units_of("5"), "USD")
    assert review.reasons == (
        "paid out after its money was given back: 666.00 KES, "
        f"receipt {house.provider.operations[-1].receipt}",
        "it had failed: recipient unregistered",
    )
    assert await house.alerts(made) == ["suspense"]
    await house.check_books()


async def test_approved_its_owner_pays_what_was_agreed(house: House) -> None:
    user_id = await house.person()
    made = await contested(house, user_id)
    assert await house.payments.rule(made.ref, APPROVE) == Ruled("completed")
    now = await house.now(made)
    assert (now.state, now.contested, now.reason) == (State.COMPLETED, False, "")
    assert await house.usd(user_id) == ("94.50", "0.00")
    assert (await in_suspense(house), await lost(house)) == (0, 0)
    facts = await house.facts(user_id)
    assert [type(fact) for fact in facts] == [WithdrawalFailed, WithdrawalCompleted]
    (entry,) = await PostgresAudit(house.pool).about(made.ref)
    assert (entry.action, entry.operator_id, entry.note) == ("approve payment", 9, "seen")
    assert not await house.payments.waiting(10)
    await house.check_books()


async def test_rejected_the_platform_bears_it_and_its_owner_hears_nothing(house: House) -> None:
    user_id = await house.person()
    made = await contested(house, user_id)
    assert await house.payments.rule(made.ref, REJECT) == Ruled("failed")
    now = await house.now(made)
    assert (now.state, now.contested, now.reason) == (State.FAILED, False, made.reason)
    assert await house.usd(user_id) == ("100.00", "0.00")
    assert (await in_suspense(house), await lost(house)) == (0, 666)
    assert [type(fact) for fact in await house.facts(user_id)] == [WithdrawalFailed]
    (entry,) = await PostgresAudit(house.pool).about(made.ref)
    assert (entry.action, entry.note) == ("reject payment", "ours")
    assert not await house.payments.waiting(10)
    await house.check_books()


async def test_what_the_balance_does_not_cover_is_not_charged_and_goes_on_waiting(
    house: House,
) -> None:
    user_id = await house.person("5.50")
    made = await contested(house, user_id)
    elsewhere = Posting(wallet(user_id, "USD"), wallet(await house.person(), "USD"), 1)
    assert isinstance(
        await house.ledger.record(Intent(kind="P2P", postings=(elsewhere,))), Recorded
    )
    before = await house.now(made)
    assert await house.payments.rule(made.ref, APPROVE) is NotRuled.NOT_COVERED
    assert await house.now(made) == before
    assert await PostgresAudit(house.pool).about(made.ref) == []
    assert await in_suspense(house) == 666
    assert [review.reference for review in await house.payments.waiting(10)] == [made.ref]
    back = Posting(system("USD", SystemPurpose.SANDBOX_FUNDING), wallet(user_id, "USD"), 1)
    assert isinstance(await house.ledger.record(Intent(kind="FUNDING", postings=(back,))), Recorded)
    assert await house.payments.rule(made.ref, APPROVE) == Ruled("completed")
    assert await house.usd(user_id) == ("0.00", "0.00")
    await house.check_books()


@pytest.mark.parametrize("first", [APPROVE, REJECT])
async def test_it_is_decided_once_also_by_the_next_process(
    dsn: str, provider: Provider, first: Ruling
) -> None:
    async with living(dsn, provider) as house:
        user_id = await house.person()
        made = await contested(house, user_id)
    async with living(dsn, provider) as house:
        assert [review.reference for review in await house.payments.waiting(10)] == [made.ref]
        assert await house.payments.rule(made.ref, first) == Ruled(ENDS[first].value)
    async with living(dsn, provider) as house:
        for again in (APPROVE, REJECT):
            assert await house.payments.rule(made.ref, again) is NotRuled.DECIDED
        assert (await house.now(made)).state is ENDS[first]
        assert await house.usd(user_id) == (LEFT[first], "0.00")
        assert len(await PostgresAudit(house.pool).about(made.ref)) == 1
        await house.check_books()


async def test_of_rulings_at_once_one_holds(house: House) -> None:
    user_id = await house.person()
    made = await contested(house, user_id)
    answers: list[object] = []

    async def rule(ruling: Ruling) -> None:
        answers.append(await house.payments.rule(made.ref, ruling))

    async with trio.open_nursery() as nursery:
        for ruling in (APPROVE, REJECT) * 4:
            nursery.start_soon(rule, ruling)
    assert answers.count(NotRuled.DECIDED) == 7
    assert len(await PostgresAudit(house.pool).about(made.ref)) == 1
    is_charged = (await house.now(made)).state is State.COMPLETED
    assert await house.usd(user_id) == (LEFT[APPROVE if is_charged else REJECT], "0.00")
    await house.check_books()


@pytest.mark.parametrize("ruling", [APPROVE, REJECT])
async def test_a_commit_whose_answer_was_lost_is_not_made_again(
    house: House, ruling: Ruling
) -> None:
    user_id = await house.person()
    made = await contested(house, user_id)
    house.faults.journal_lost = 1
    answer = await house.payments.rule(made.ref, ruling)
    assert answer in (NotRuled.UNAVAILABLE, Ruled(ENDS[ruling].value))
    with trio.fail_after(30):
        while await house.payments.rule(made.ref, ruling) is not NotRuled.DECIDED:
            await trio.sleep(0.05)
    assert await house.usd(user_id) == (LEFT[ruling], "0.00")
    assert len(await PostgresAudit(house.pool).about(made.ref)) == 1
    await house.check_books()


async def killed_at(dsn: str, provider: Provider, ruling: Ruling, place: Place | None) -> Points:
    """A late success and its ruling in a process that is killed at one place; the next one."""
    points = Points()
    async with killable(dsn, provider, points) as house:
        user_id = await house.person()
        made = await refused(house, user_id)
        await at_rest(house)
        points.passed.clear()
        points.at = place
        house.provider.end(house.provider.operations[-1], Paid())
        await house.eventually(made, lambda found: found.cash)
        await at_rest(house)
        await house.payments.rule(made.ref, ruling)
    async with living(dsn, provider, clock=provider_clock(provider)) as house:
        await at_rest(house)
        await house.payments.rule(made.ref, ruling)
        assert await house.payments.rule(made.ref, ruling) is NotRuled.DECIDED
        assert (await house.now(made)).state is ENDS[ruling]
        assert await house.usd(user_id) == (LEFT[ruling], "0.00")
        assert await in_suspense(house) == 0
        assert len(await PostgresAudit(house.pool).about(made.ref)) == 1
        await house.check_books()
    return points


async def at_rest(house: House) -> None:
    """Until the provider has said everything and everybody has acted on it."""
    with trio.fail_after(60):
        while not house.provider.is_quiet or await house.unhandled():
            await trio.sleep(0.005)


@pytest.mark.parametrize("ruling", [APPROVE, REJECT])
async def test_a_ruling_survives_a_kill_at_any_place(
    dsn: str, provider: Provider, ruling: Ruling
) -> None:
    places = [*(await killed_at(dsn, provider, ruling, None)).passed]
    assert {name for name, _ in places} >= {"before a commit", "after a commit"}
    for place in places:
        await killed_at(dsn, provider, ruling, place)


async def test_the_same_success_again_changes_nothing(house: House) -> None:
    user_id = await house.person()
    made = await contested(house, user_id)
    operation = house.provider.operations[-1]
    house.provider.end(operation, Paid(), calls_back=3)
    await at_rest(house)
    assert await in_suspense(house) == 666
    assert await house.payments.rule(made.ref, REJECT) == Ruled("failed")
    house.provider.end(operation, Paid())
    await at_rest(house)
    assert not (await house.now(made)).contested
    assert await house.alerts(made) == ["suspense"]
    retry = AuditEntry(at_us=1, operator_id=9, how="pwd", action="retry payment", subject="x")
    assert await house.payments.begin_again(made.id, retry) is NotRuled.DECIDED
    await house.check_books()


@pytest.mark.parametrize("ruling", [APPROVE, REJECT])
async def test_a_second_payout_of_it_is_an_alert_and_not_part_of_the_ruling(
    house: House, ruling: Ruling
) -> None:
    """Nobody agreed to that one: it stays in suspense, as whatever is paid twice does."""
    user_id = await house.person()
    made = await contested(house, user_id)
    operation = house.provider.operations[-1]
    operation.receipt = "SECOND"
    house.provider.end(operation, Paid())
    await at_rest(house)
    assert await in_suspense(house) == 2 * 666
    assert await house.payments.rule(made.ref, ruling) == Ruled(ENDS[ruling].value)
    assert await house.usd(user_id) == (LEFT[ruling], "0.00")
    assert await in_suspense(house) == 666
    operation.receipt = "THIRD"
    house.provider.end(operation, Paid())
    await at_rest(house)
    assert await in_suspense(house) == 2 * 666
    assert not await house.payments.waiting(10)
    assert await house.alerts(made) == ["suspense"] * 3
    assert (await verify(house.pool)).balanced


async def test_those_that_lie_in_suspense_already_are_listed_by_the_migration(
    house: House,
) -> None:
    """As they were stored before there was a mark."""
    user_id = await house.person()
    late, plain = await contested(house, user_id), await refused(house, await house.person())
    strip = """
    ALTER TABLE payments DROP COLUMN contested;
    UPDATE payments SET details = convert_to(
        (convert_from(details, 'UTF8')::jsonb - 'contested')::text, 'UTF8')
    """
    for statement in strip.split(";"):
        await house.pool.execute(statement)
    assert not (await house.now(late)).contested
    migration = (MIGRATIONS / "0024_contested_payouts.sql").read_text()
    for statement in migration.split(";")[:-1]:
        await house.pool.execute(statement)
    assert await house.now(late) == late
    assert await house.now(plain) == plain
    assert [review.reference for review in await house.payments.waiting(10)] == [late.ref]
