"""Manual review: who may decide, what a decision does, and that it is written down."""

import os
import sys
from pathlib import Path
from typing import Any

import pytest
import trio

from storage.audit import PostgresAudit
from storage.pool import Pool
from tests.wallet.house import GONE, House, Person

ROOT = Path(__file__).parents[2]


async def under_review(person: Person, amount: int = 2_000_000) -> str:
    """A funding that is suspect by its amount and its address."""
    reference = await person.reference(amount, email="elsewhere@example.com")
    answer = await person.verify(reference)
    assert answer.json()["message"] == "OTP verified. Funding is pending manual review."
    return reference


async def test_only_administrators_see_and_decide(house: House) -> None:
    person, other = await house.person(), await house.person()
    reference = await under_review(person)
    for headers, status, text in (
        ({}, 401, "unauthorized"),
        ({"Authorization": "Bearer x"}, 401, "unauthorized"),
        (person.headers, 403, "administrators only"),
        (other.headers, 403, "administrators only"),
    ):
        other.headers = headers
        for answer in (
            await house.http.get("/ops/reviews", headers=headers),
            await house.rule(other, reference, "approve"),
        ):
            assert (answer.status_code, answer.json()) == (status, {"error": text})
    admin = await house.person(admin=True)
    (row,) = await house.reviews(admin)
    assert row.pop("requested_at").endswith("Z")
    assert row == {
        "reference": reference,
        "kind": "funding",
        "user_id": person.id,
        "amount": 2_000_000,
        "currency": "NGN",
        "reasons": ["other_email", "large_amount"],
    }


async def test_an_approval_credits_once_and_is_audited(house: House, pool: Pool) -> None:
    """WOTP-C05."""
    person, admin = await house.person(), await house.person(admin=True)
    reference = await under_review(person)
    answers: list[Any] = []

    async def approve(number: int) -> None:
        answers.append(await house.rule(admin, reference, "approve", note=f"seen {number}"))

    async with trio.open_nursery() as nursery:
        for number in range(5):
            nursery.start_soon(approve, number)
    good = [a.json() for a in answers if a.status_code == 200]
    assert sorted(a.status_code for a in answers) == [200, 409, 409, 409, 409]
    assert {a.json()["error"] for a in answers if a.status_code == 409} == {"not under review"}
    note = good[0].pop("note")
    assert good == [
        {
            "reference": reference,
            "kind": "funding",
            "decision": "approve",
            "status": "completed",
            "decided_by": admin.id,
        }
    ]
    (entry,) = await PostgresAudit(pool).about(reference)
    assert (entry.operator_id, entry.action, entry.note) == (
        int(admin.id),
        "approve funding",
        note,
    )
    assert entry.how == "pwd,otp"
    assert (await person.verify(reference)).json() == GONE
    assert await balance(house, person) == 2_000_000
    with trio.fail_after(5):
        while not any("approved" in m["text"] for m in await house.messages(person.email)):
            await trio.sleep(0.01)
    await house.check_books()


async def balance(house: House, person: Person) -> float:
    """The wallet after one more funding, without it."""
    await house.advance(60)
    answer = await person.verify(await person.reference(100))
    return float(answer.json()["newBalance"]) - 100


async def test_a_rejection_credits_nothing_and_is_audited(house: House, pool: Pool) -> None:
    person, admin = await house.person(), await house.person(admin=True)
    reference = await under_review(person)
    answer = await house.rule(admin, reference, "reject", note="nobody paid")
    assert answer.json()["status"] == "rejected"
    assert (await house.rule(admin, reference, "approve")).status_code == 409
    (entry,) = await PostgresAudit(pool).about(reference)
    assert (entry.action, entry.note) == ("reject funding", "nobody paid")
    assert await balance(house, person) == 0
    assert await house.reviews(admin) == []


async def test_the_audit_cannot_be_rewritten(house: House, pool: Pool) -> None:
    person, admin = await house.person(), await house.person(admin=True)
    await house.rule(admin, await under_review(person), "reject")
    for sql in ("DELETE FROM audit_log", "UPDATE audit_log SET note = ''", "TRUNCATE audit_log"):
        with pytest.raises(Exception, match="append-only"):
            await pool.execute(sql)


async def test_a_decision_must_be_one(house: House) -> None:
    person, admin = await house.person(), await house.person(admin=True)
    reference = await under_review(person)
    for decision in ("yes", None, 1, "APPROVE", ["approve"]):
        assert (await house.rule(admin, reference, decision)).status_code == 400
    for note in (7, "x" * 2001, "a\0b"):
        assert (await house.rule(admin, reference, "approve", note=note)).status_code == 400
    for body in (b"[]", b"{", b""):
        assert (await admin.post(f"/ops/reviews/{reference}", body)).status_code == 400
    for unknown in ("FUND-1705948200123-abc12345", "x", "%00", "FUND-1"):
        assert (await house.rule(admin, unknown, "approve")).status_code == 404
    assert len(await house.reviews(admin)) == 1


async def test_only_what_is_under_review_can_be_decided(house: House) -> None:
    person, admin = await house.person(), await house.person(admin=True)
    reference = await person.reference()
    assert (await house.rule(admin, reference, "approve")).status_code == 409
    assert (await person.verify(reference)).status_code == 200
    assert (await house.rule(admin, reference, "reject")).status_code == 409


async def test_nothing_is_credited_to_somebody_deleted(house: House) -> None:
    person, admin = await house.person(), await house.person(admin=True)
    reference = await under_review(person)
    await house.sandbox(f"users/{person.id}", {"deleted": True})
    answer = await house.rule(admin, reference, "approve")
    assert (answer.status_code, answer.json()) == (409, {"error": "its owner was deleted"})
    assert (await house.rule(admin, reference, "reject")).status_code == 200


async def test_what_is_under_review_outlives_a_newer_funding(house: House) -> None:
    """WOTP-C11 voids what is pending, not what was proved."""
    person, admin = await house.person(), await house.person(admin=True)
    reference = await under_review(person)
    await person.reference(100)
    assert (await house.rule(admin, reference, "approve")).json()["status"] == "completed"


async def test_where_no_money_comes_by_itself_every_funding_is_reviewed(
    dsn: str, tmp_path: Path
) -> None:
    """FUNDING_SOURCE=operator, the default of live mode."""
    async with House.serving(dsn, tmp_path, FUNDING_SOURCE="operator") as house:
        person, admin = await house.person(), await house.person(admin=True)
        body = (await person.fund()).json()
        assert (body["fraudRiskLevel"], body["requiresManualReview"]) == ("low", True)
        assert body["warning"]
        reference = body["transactionReference"]
        assert (await person.verify(reference)).json()["newBalance"] == 0
        await house.rule(admin, reference, "approve")
        assert (await person.verify(await person.reference(100))).json()["newBalance"] == 5000


async def test_the_console_lists_and_decides_beside_the_running_server(
    dsn: str, tmp_path: Path, pool: Pool
) -> None:
    async with House.serving(dsn, tmp_path) as house:
        person = await house.person()
        first, second = await under_review(person), await under_review(person, 1_500_000)
        environ = {"DATABASE_URL": dsn, "DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}

        async def app(*arguments: str) -> tuple[int, str, str]:
            done = await trio.run_process(
                [sys.executable, "app.py", *arguments],
                cwd=ROOT,
                env=environ,
                check=False,
                capture_stdout=True,
                capture_stderr=True,
            )
            return done.returncode, done.stdout.decode(), done.stderr.decode()

        status, listed, _ = await app("reviews")
        assert status == 0
        assert [line.split()[0] for line in listed.splitlines()] == [first, second]
        assert "2000000.00 NGN" in listed
        done = await app("review", first, "approve", "--note", "bank says yes")
        assert done == (0, f"{first}: completed\n", "")
        assert (await app("review", second, "reject"))[1] == f"{second}: rejected\n"
        for arguments, complaint in (
            (("review", first, "approve"), "daftari: not under review\n"),
            (("reviews", "--operator", person.email), "such administrator"),
        ):
            code, out, err = await app(*arguments)
            assert (code, out) == (1, "")
            assert complaint in err
        assert await balance(house, person) == 2_000_000
    (entry,) = await PostgresAudit(pool).about(first)
    assert (entry.operator_id, entry.how, entry.note) == (30002, "console", "bank says yes")
    code, _, err = await app("reviews")
    assert code == 1
    assert "no server answers on port " in err
