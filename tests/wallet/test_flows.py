"""The documented flows FW-01 to FW-07, end to end over HTTP."""

import re

import pytest
import trio

from tests.wallet.house import (
    ALIAS,
    CODE,
    EXPIRED,
    GONE,
    LOCKED,
    RANGE,
    SEND,
    STATUS,
    VERIFY,
    WRONG,
    House,
)


async def test_a_funding_is_credited_by_its_code(house: House) -> None:
    """FW-01, WOTP-008..016, WOTP-042..045."""
    person = await house.person()
    before = await person.verify(await person.reference(150.5))
    assert before.json()["newBalance"] == 150.5

    answer = await person.fund(5000, email=person.email)
    assert answer.status_code == 200
    body = answer.json()
    reference = body.pop("transactionReference")
    assert re.fullmatch(r"FUND-\d{13}-[a-z0-9]{8}", reference)
    assert body == {
        "success": True,
        "message": "Wallet funding initiated. OTP sent to your email.",
        "otpExpiresIn": 300,
        "otpSent": True,
        "fraudRiskLevel": "low",
        "requiresManualReview": False,
        "nextStep": "otp_verification",
        "warning": None,
    }
    status = await person.status()
    assert 0 < status.pop("expiresIn") <= 300
    assert status == {
        "success": True,
        "purpose": "wallet_funding",
        "hasPendingOTP": True,
        "attemptsRemaining": 3,
        "isLocked": False,
    }
    assert (await house.messages(person.email))[0]["code"] == CODE

    verified = await person.verify(reference)
    assert verified.status_code == 200
    funded = verified.json()
    assert re.fullmatch(r"TXN-\d{13}", funded.pop("transactionId"))
    assert funded == {
        "success": True,
        "message": "OTP verified and wallet funded successfully",
        "newBalance": 5150.5,
        "balance_after": 5150.5,
        "sequence": 2,
    }
    status = await person.status()
    assert (status["hasPendingOTP"], status["expiresIn"]) == (False, 0)
    await house.check_books()


async def test_a_whole_balance_is_written_without_decimals(house: House) -> None:
    person = await house.person()
    verified = await person.verify(await person.reference(50000))
    assert '"newBalance":50000,' in verified.text


async def test_both_verify_paths_are_one(house: House) -> None:
    """FW-02, WOTP-034: same answers, one counter."""
    person = await house.person()
    reference = await person.reference()
    first = await person.verify(reference, WRONG)
    second = await person.verify(reference, WRONG, ALIAS)
    assert first.json() == {"message": "Invalid OTP. 2 attempts remaining."}
    assert second.json() == {"message": "Invalid OTP. 1 attempts remaining."}
    assert (await person.status())["attemptsRemaining"] == 1
    verified = await person.verify(reference, path=ALIAS)
    assert verified.json()["message"] == "OTP verified and wallet funded successfully"
    assert (await person.status())["attemptsRemaining"] == 3


async def test_three_wrong_codes_lock_for_a_quarter_of_an_hour(house: House) -> None:
    """FW-03, WOTP-C07, WOTP-C10."""
    person = await house.person()
    reference = await person.reference()
    answers = [await person.verify(reference, WRONG, path) for path in (VERIFY, ALIAS, VERIFY)]
    assert [a.status_code for a in answers] == [400, 400, 400]
    assert answers[2].json() == LOCKED
    right = await person.verify(reference)
    assert (right.status_code, right.json()) == (400, LOCKED)
    status = await person.status()
    assert (status["isLocked"], status["attemptsRemaining"]) == (True, 0)
    for refused in (await person.fund(), await person.send()):
        assert (refused.status_code, refused.json()) == (400, LOCKED)
    unknown = await person.verify("FUND-1705948200123-abc12345")
    assert unknown.json() == LOCKED, "the lock comes before the reference (WOTP-C14)"

    await house.advance(899)
    assert (await person.verify(reference)).json() == LOCKED
    await house.advance(1)
    status = await person.status()
    assert (status["isLocked"], status["attemptsRemaining"]) == (False, 3)
    verified = await person.verify(await person.reference())
    assert verified.status_code == 200
    await house.check_books()


async def test_a_new_code_does_not_buy_new_attempts(house: House) -> None:
    """FW-03 step 9, WOTP-C09."""
    person = await house.person()
    reference = await person.reference()
    for _ in range(2):
        await person.verify(reference, WRONG)
    assert (await person.send()).status_code == 200
    assert (await person.status())["attemptsRemaining"] == 1
    assert (await person.verify(reference, WRONG)).json() == LOCKED


async def test_failures_are_forgotten_a_quarter_of_an_hour_later(house: House) -> None:
    """WOTP-C09: a sliding window, not only the lock."""
    person = await house.person()
    reference = await person.reference()
    for _ in range(2):
        await person.verify(reference, WRONG)
    await house.advance(900)
    assert (await person.status())["attemptsRemaining"] == 3


@pytest.mark.parametrize("seconds", [300, 301])
async def test_an_old_code_has_expired_and_a_new_one_works(house: House, seconds: int) -> None:
    """FW-04, WOTP-053."""
    person = await house.person()
    reference = await person.reference()
    await house.advance(seconds)
    late = await person.verify(reference)
    assert (late.status_code, late.json()) == (400, EXPIRED)
    assert (await person.status())["attemptsRemaining"] == 3, "no living code was tried"
    sent = await person.send(email=person.email)
    assert sent.json() == {
        "success": True,
        "message": "OTP sent successfully",
        "expiresIn": 300,
        "email": person.email,
    }
    assert (await person.verify(reference)).status_code == 200


async def test_a_code_works_until_its_last_second(house: House) -> None:
    person = await house.person()
    reference = await person.reference()
    await house.advance(298)
    assert (await person.verify(reference)).status_code == 200


async def test_a_reference_of_nobody_or_somebody_else_is_not_found(house: House) -> None:
    """FW-05, WOTP-046, WOTP-C15."""
    person, other = await house.person(), await house.person()
    reference, theirs = await person.reference(), await other.reference()
    for wrong in (theirs, "FUND-1705948200123-abc12345", "x", "FUND-\0", "otpId" * 1000):
        missed = await person.verify(wrong)
        assert (missed.status_code, missed.json()) == (404, GONE)
    assert (await person.status())["attemptsRemaining"] == 3
    assert (await person.verify(reference)).json()["newBalance"] == 5000
    again = await person.verify(reference)
    assert (again.status_code, again.json()) == (404, GONE)
    await house.check_books()


async def test_two_right_codes_at_once_are_one_credit(house: House) -> None:
    """FW-05: one 200, one 404, whichever path."""
    person = await house.person()
    for round_ in range(1, 6):
        reference = await person.reference()
        answers = []

        async def verify(path: str, reference: str = reference, answers: list = answers) -> None:
            answers.append(await person.verify(reference, path=path))

        async with trio.open_nursery() as nursery:
            for path in (VERIFY, ALIAS):
                nursery.start_soon(verify, path)
        assert sorted(a.status_code for a in answers) == [200, 404]
        (credited,) = (a.json() for a in answers if a.status_code == 200)
        assert credited["newBalance"] == 5000 * round_
    await house.check_books()


async def test_a_newer_funding_voids_the_older(house: House) -> None:
    """WOTP-C11."""
    person = await house.person()
    older, newer = await person.reference(), await person.reference(7000)
    assert (await person.verify(older)).json() == GONE
    assert (await person.verify(newer)).json()["newBalance"] == 7000


BAD_AMOUNTS = [
    b"99.99", b"5000000.01", b'"5000"', b"null", b"-1", b"0", b"true", b"[]", b"{}", b"1e400",
    b"1e99999999999999999999", b"100.001", b"-5000", b"1" * 60,
]  # fmt: skip


async def test_amounts_outside_the_range_are_refused(house: House) -> None:
    """FW-06, WOTP-022, WOTP-C21."""
    for part in (BAD_AMOUNTS[:7], BAD_AMOUNTS[7:]):
        person = await house.person()
        for amount in part:
            answer = await person.post("/wallet/api/wallet/fund", b'{"amount":' + amount + b"}")
            assert (answer.status_code, answer.json()) == (400, RANGE), amount
    for body in (b"{}", b""):
        answer = await person.post("/wallet/api/wallet/fund", body)
        assert (answer.status_code, answer.json()) == (400, RANGE), body


@pytest.mark.parametrize("amount", [100, 5000000, 100.01, 4999999.99])
async def test_amounts_at_the_edges_are_accepted(house: House, amount: float) -> None:
    """FW-06, WOTP-026."""
    person = await house.person()
    assert (await person.fund(amount)).status_code == 200


async def test_who_may_not_fund(house: House) -> None:
    """FW-07: 401, 403, 404 in exactly these bodies."""
    person = await house.person()
    paths = ("/wallet/api/wallet/fund", VERIFY, ALIAS, SEND)
    stranger = await house.person()
    for token in (
        "",
        "Bearer",
        "Bearer x.y.z",
        "Basic abc",
        stranger.headers["Authorization"][:-3],
    ):
        stranger.headers = {"Authorization": token}
        for path in paths:
            answer = await stranger.post(path, {})
            assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
        answer = await house.http.get(STATUS, headers=stranger.headers)
        assert (answer.status_code, answer.json()) == (401, {"message": "Unauthorized"})
    await house.sandbox(f"users/{person.id}", {"wallet_active": False})
    for path in paths:
        answer = await person.post(path, {})
        assert (answer.status_code, answer.json()) == (403, {"message": "Wallet is inactive"})
    assert not (await person.status())["hasPendingOTP"]
    await house.sandbox(f"users/{person.id}", {"wallet_active": True, "deleted": True})
    answer = await person.fund()
    assert (answer.status_code, answer.json()) == (404, {"message": "User not found"})


async def test_a_token_ends_after_a_day(house: House) -> None:
    """WOTP-107, by the application's clock."""
    person = await house.person()
    await house.advance(86_400)
    assert (await person.fund()).status_code == 401


async def test_a_locked_account_is_an_inactive_wallet(house: House) -> None:
    """WOTP-C17: the NGN account itself."""
    person = await house.person(balances={"NGN": "10"})
    listed = await house.sandbox("users", {"balances": {"NGN": "10"}})
    assert (await person.fund()).status_code == 200
    number = listed["accounts"][0]["account_number"]
    owner = (await house.sandbox("token", {"user": listed["user_id"]}))["token"]
    await house.sandbox(f"users/{listed['user_id']}", {"account_locked": number})
    person.headers = {"Authorization": f"Bearer {owner}"}
    assert (await person.fund()).json() == {"message": "Wallet is inactive"}


async def test_a_code_that_cannot_be_sent_leaves_nothing_pending(house: House) -> None:
    """FW-07, WOTP-029."""
    person = await house.person()
    first = await person.reference()
    await house.sandbox("faults", {"target": "mail", "fault": "down", "seconds": 60})
    answer = await person.fund()
    body = answer.json()
    assert answer.status_code == 500
    assert body.pop("details")
    assert body == {"success": False, "message": "Failed to generate OTP"}
    assert not (await person.status())["hasPendingOTP"]
    await house.advance(61)
    assert (await person.verify(first)).json() == GONE, "the failed one took its place"
    assert (await person.verify(await person.reference())).json()["newBalance"] == 5000


async def test_addresses_and_purposes_are_checked(house: House) -> None:
    """FW-07, WOTP-C02, WOTP-071, WOTP-105."""
    person = await house.person()
    for email in ("nonsense", "a@b", "", 7, "a@b.c\r\nBcc: x@y.z", ["a@b.cd"]):
        answer = await person.fund(email=email)
        assert (answer.status_code, answer.json()) == (400, {"message": "Invalid email address"})
    answer = await person.send(email="nonsense")
    assert (answer.status_code, answer.json()) == (400, {"message": "Invalid email address"})
    for purpose in ("withdrawal", None):
        answer = await person.send(purpose)
        assert (answer.status_code, answer.json()) == (400, {"message": "Invalid purpose"})
    for query in ("", "?purpose=", "?purpose=login", "?Purpose=wallet_funding"):
        answer = await house.http.get(STATUS + query, headers=person.headers)
        assert (answer.status_code, answer.json()) == (400, {"message": "Invalid purpose"})


async def test_a_verification_needs_both_members(house: House) -> None:
    """WOTP-C14: the body's shape comes first."""
    person = await house.person()
    reference = await person.reference()
    needed = {"message": "OTP and transaction reference are required"}
    for body in (
        b"",
        {},
        {"otp": CODE},
        {"transaction_reference": reference},
        {"otp": "", "transaction_reference": reference},
        {"otp": 123456, "transaction_reference": reference},
        {"otp": CODE, "transaction_reference": None},
        {"otp": CODE, "transactionReference": reference},
    ):
        answer = await person.post(VERIFY, body)
        assert (answer.status_code, answer.json()) == (400, needed), body
    assert (await person.status())["attemptsRemaining"] == 3
