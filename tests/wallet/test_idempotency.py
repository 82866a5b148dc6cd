"""Idempotency-Key on the wallet's POSTs (X-C29, contract.md "Idempotency over REST")."""

from pathlib import Path

import trio

from tests.wallet.house import ALIAS, CODE, FUND, GONE, SEND, VERIFY, WRONG, House

REPLAYED = "idempotent-replayed"
REUSED = {
    "message": "Idempotency key already used for a different request",
    "code": "IDEMPOTENCY_KEY_REUSED",
}


async def test_a_repeated_funding_is_the_same_funding(house: House) -> None:
    person = await house.person()
    body = {"amount": 5000, "email": person.email}
    first = await person.post(FUND, body, idempotency_key="k1")
    again = await person.post(FUND, body, idempotency_key="k1")
    assert REPLAYED not in first.headers
    assert again.headers[REPLAYED] == "true"
    assert (again.status_code, again.json()) == (200, first.json())
    assert len(await house.messages(person.email)) == 1
    new = await person.post(FUND, body, idempotency_key="k2")
    assert new.json()["transactionReference"] != first.json()["transactionReference"]


async def test_a_key_belongs_to_one_request_and_one_person(house: House) -> None:
    person, other = await house.person(), await house.person()
    await person.post(FUND, {"amount": 5000}, idempotency_key="k")
    for path, body in (
        (FUND, {"amount": 6000}),
        (FUND, {"amount": 5000, "email": "x@example.com"}),
        (SEND, {"purpose": "wallet_funding"}),
        (VERIFY, {"otp": CODE, "transaction_reference": "FUND-1705948200123-abc12345"}),
    ):
        answer = await person.post(path, body, idempotency_key="k")
        assert (answer.status_code, answer.json()) == (422, REUSED)
    theirs = await other.post(FUND, {"amount": 6000}, idempotency_key="k")
    assert (theirs.status_code, REPLAYED in theirs.headers) == (200, False)


async def test_a_repeated_verification_is_answered_alike_and_credited_once(
    dsn: str, tmp_path: Path
) -> None:
    """On either path, and after a restart."""
    async with House.serving(dsn, tmp_path) as house:
        person = await house.person()
        reference = await person.reference()
        first = await person.verify(reference, idempotency_key="v")
        again = await person.verify(reference, path=ALIAS, idempotency_key="v")
        assert first.json()["newBalance"] == 5000
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers[REPLAYED] == "true"
        assert (await person.verify(reference)).json() == GONE
    async with House.serving(dsn, tmp_path) as house:
        person.house = house
        once_more = await person.verify(reference, idempotency_key="v")
        assert (once_more.status_code, once_more.json()) == (200, first.json())
        await house.check_books()


async def test_a_repeated_wrong_code_is_answered_alike_and_counted_once(house: House) -> None:
    person = await house.person()
    reference = await person.reference()
    answers = [await person.verify(reference, WRONG, idempotency_key="w") for _ in range(5)]
    assert {a.text for a in answers} == {'{"message":"Invalid OTP. 2 attempts remaining."}'}
    assert [REPLAYED in a.headers for a in answers] == [False, True, True, True, True]
    assert (await person.verify(reference, CODE, idempotency_key="w")).status_code == 422
    assert (await person.verify(reference)).status_code == 200


async def test_an_outcome_under_review_is_kept_too(house: House) -> None:
    person = await house.person()
    reference = await person.reference(2_000_000, email="elsewhere@example.com")
    first = await person.verify(reference, idempotency_key="r")
    again = await person.verify(reference, idempotency_key="r")
    assert first.json()["message"] == "OTP verified. Funding is pending manual review."
    assert (again.json(), again.headers[REPLAYED]) == (first.json(), "true")


async def test_a_failure_of_ours_is_not_remembered(house: House) -> None:
    person = await house.person()
    await house.sandbox("faults", {"target": "mail", "fault": "error", "times": 1})
    failed = await person.post(FUND, {"amount": 5000}, idempotency_key="k")
    assert failed.status_code == 500
    assert failed.headers["retry-after"] == "30"
    worked = await person.post(FUND, {"amount": 5000}, idempotency_key="k")
    assert (worked.status_code, REPLAYED in worked.headers) == (200, False)


async def test_requests_at_once_with_one_key_are_one_request(house: House) -> None:
    person = await house.person()
    answers = []

    async def fund() -> None:
        answers.append(await person.post(FUND, {"amount": 5000}, idempotency_key="k"))

    async with trio.open_nursery() as nursery:
        for _ in range(6):
            nursery.start_soon(fund)
    fresh = [a for a in answers if a.status_code == 200 and REPLAYED not in a.headers]
    busy = [a for a in answers if a.status_code == 409]
    assert len(fresh) == 1
    assert busy, "a key in flight is not carried out twice"
    assert busy[0].json() == {"message": "Request in progress", "code": "REQUEST_IN_PROGRESS"}
    assert len(await house.messages(person.email)) == 1


async def test_a_key_must_be_a_short_text(house: House) -> None:
    person = await house.person()
    for key in ("", "x" * 256):
        answer = await person.post(FUND, {"amount": 5000}, idempotency_key=key)
        assert (answer.status_code, answer.json()) == (400, {"message": "Invalid idempotency key"})
    longest = await person.post(FUND, {"amount": 5000}, idempotency_key="x" * 255)
    assert longest.status_code == 200


async def test_without_a_key_each_request_is_new(house: House) -> None:
    person = await house.person()
    assert await person.reference() != await person.reference()
