"""What survives: pending fundings with their codes, locks, reviews, and money on its way."""

from pathlib import Path

import pytest
import trio

from storage.pool import Pool
from tests.wallet.house import LOCKED, WRONG, House


async def test_a_pending_funding_and_its_code_survive_a_restart(dsn: str, tmp_path: Path) -> None:
    async with House.serving(dsn, tmp_path) as house:
        person = await house.person()
        await house.advance(1000)
        reference = await person.reference()
        await person.verify(reference, WRONG)
    async with House.serving(dsn, tmp_path) as house:
        person.house = house
        status = await person.status()
        assert (status["hasPendingOTP"], status["attemptsRemaining"]) == (True, 2)
        assert 0 < status["expiresIn"] <= 300
        assert (await person.verify(reference)).json()["newBalance"] == 5000
        await house.check_books()


async def test_a_lock_survives_a_restart(dsn: str, tmp_path: Path) -> None:
    async with House.serving(dsn, tmp_path) as house:
        person = await house.person()
        reference = await person.reference()
        for _ in range(3):
            await person.verify(reference, WRONG)
    async with House.serving(dsn, tmp_path) as house:
        person.house = house
        assert (await person.verify(reference)).json() == LOCKED
        assert (await person.status())["isLocked"]


async def test_a_review_survives_a_restart(dsn: str, tmp_path: Path) -> None:
    async with House.serving(dsn, tmp_path) as house:
        person, admin = await house.person(), await house.person(admin=True)
        reference = await person.reference(2_000_000, email="elsewhere@example.com")
        first = (await person.verify(reference)).json()["transactionId"]
    async with House.serving(dsn, tmp_path) as house:
        person.house = admin.house = house
        assert (await house.rule(admin, reference, "approve")).json()["status"] == "completed"
        second = (await person.verify(await person.reference())).json()
        assert second["newBalance"] == 2_005_000
        assert second["transactionId"] > first


async def test_a_cleared_funding_is_credited_by_the_next_start(
    dsn: str, tmp_path: Path, pool: Pool
) -> None:
    """The process ended between the proof and the credit."""
    async with House.serving(dsn, tmp_path) as house:
        person = await house.person()
        reference = await person.reference()
    changed = await pool.execute(
        "UPDATE fundings SET state = 'cleared', version = 1, proved_us = created_us,"
        " transaction_ms = created_us / 1000 WHERE reference = %s",
        [reference],
    )
    assert changed == 1
    async with House.serving(dsn, tmp_path) as house:
        person.house = house
        with trio.fail_after(5):
            while True:
                row = await pool.fetch_one(
                    "SELECT state FROM fundings WHERE reference = %s", [reference]
                )
                if row == ("completed",):
                    break
                await trio.sleep(0.01)
        assert (await person.verify(await person.reference(100))).json()["newBalance"] == 5100
        await house.check_books()


@pytest.mark.parametrize("twice", [False, True])
async def test_a_transaction_number_is_never_given_twice(
    dsn: str, tmp_path: Path, twice: bool
) -> None:
    """WOTP-C21: at the same millisecond, and over restarts."""
    numbers: list[str] = []
    for _ in range(1 + twice):
        async with House.serving(dsn, tmp_path) as house:
            people = [await house.person() for _ in range(5)]
            references = [await person.reference() for person in people]

            async def verify(index: int, people=people, references=references) -> None:
                answer = await people[index].verify(references[index])
                numbers.append(answer.json()["transactionId"])

            async with trio.open_nursery() as nursery:
                for index in range(5):
                    nursery.start_soon(verify, index)
    assert len(set(numbers)) == len(numbers) == 5 * (1 + twice)


async def test_while_the_database_is_away_nothing_moves_and_the_shape_holds(
    tmp_path: Path,
) -> None:
    """WOTP-098: 500, and the client may retry after 30 s."""
    async with House.serving("", tmp_path) as house:
        person = await house.person()
        reference = await person.reference()
        keyed = {"idempotency_key": "k"}
        await house.sandbox("faults", {"target": "storage", "fault": "down", "seconds": 3})
        await trio.sleep(0.3)
        refused = [
            await person.fund(),
            await person.verify(reference),
            await person.verify(reference, **keyed),
            await person.send(),
        ]
        for answer in refused:
            assert answer.status_code == 500
            assert answer.headers["retry-after"] == "30"
            body = answer.json()
            assert (body["success"], body["details"]) == (False, "Service temporarily unavailable")
        with trio.fail_after(20):
            while (answer := await person.verify(reference, **keyed)).status_code == 500:
                await trio.sleep(0.2)
        assert answer.json()["newBalance"] == 5000
        await house.check_books()


async def test_a_right_code_and_its_proof_are_one_transaction(
    dsn: str, tmp_path: Path, pool: Pool
) -> None:
    """What keeps the proof from being written keeps the code from being used (WOTP-041)."""
    moved = "UPDATE fundings SET version = version + %s WHERE reference = %s"
    async with House.serving(dsn, tmp_path) as house:
        person = await house.person()
        reference = await person.reference()
        assert await pool.execute(moved, [1, reference]) == 1
        assert (await person.verify(reference)).status_code == 500
        assert (await person.status())["hasPendingOTP"]
        assert await pool.execute(moved, [-1, reference]) == 1
        assert (await person.verify(reference)).json()["newBalance"] == 5000
        await house.check_books()
