"""The documented flows FW-01 to FW-09, end to end over HTTP."""

import re
from functools import partial

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


@pytest.mark.parametrize(
    ("allowed", "call"),
    [(10, "fund"), (3, "send"), (10, "status")],
)
async def test_requests_a_minute_are_limited(house: House, allowed: int, call: str) -> None:
    """FW-08, WOTP-099..102, X-C20."""
    person, other = await house.person(), await house.person()
    url = f"{STATUS}?purpose=wallet_funding"
    ask = {
        "fund": partial(person.fund, 1),
        "send": person.send,
        "status": partial(house.http.get, url, headers=person.headers),
    }[call]
    for number in range(1, allowed + 1):
        answer = await ask()
        assert answer.status_code != 429
        assert answer.headers["x-ratelimit-limit"] == str(allowed)
        assert answer.headers["x-ratelimit-remaining"] == str(allowed - number)
    answer = await ask()
    assert answer.status_code == 429
    assert answer.json() == {"message": "Too many requests. Please try again later."}
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert (await other.fund()).status_code == 200
    if call != "fund":
        assert (await person.fund()).status_code == 200, "each endpoint has its own"
    await house.advance(int(answer.headers["retry-after"]))
    assert (await ask()).status_code != 429


async def test_a_verification_is_never_answered_429(house: House) -> None:
    """FW-08, WOTP-C08: the lock is its only limit."""
    person = await house.person()
    reference = await person.reference()
    answers = [await person.verify("FUND-1705948200123-abc12345") for _ in range(20)]
    answers += [await person.verify(reference, WRONG) for _ in range(20)]
    assert {a.status_code for a in answers} == {404, 400}
    assert "x-ratelimit-limit" not in answers[0].headers


async def test_strangers_are_limited_by_address(house: House) -> None:
    """X-C20: who shows no good token."""
    answers = [(await house.http.get(STATUS)).status_code for _ in range(61)]
    assert (answers[0], answers[59], answers[60]) == (401, 401, 429)
    assert (await (await house.person()).fund()).status_code == 200


async def test_another_address_is_a_medium_risk_and_the_registered_one_is_told(
    house: House,
) -> None:
    """FW-09, WOTP-C03."""
    person = await house.person()
    answer = await person.fund(email="somebody.else@example.com")
    body = answer.json()
    assert (body["fraudRiskLevel"], body["requiresManualReview"]) == ("medium", False)
    assert body["warning"] is None
    assert (await house.messages("somebody.else@example.com"))[0]["code"] == CODE
    with trio.fail_after(5):
        while not (told := await house.messages(person.email)):
            await trio.sleep(0.01)
    assert "so***@example.com" in told[0]["text"]
    assert CODE not in told[0]["text"]
    assert (await person.verify(body["transactionReference"])).json()["newBalance"] == 5000


@pytest.mark.parametrize(("amount", "level"), [(999_999.99, "low"), (1_000_000, "medium")])
async def test_a_large_amount_is_a_medium_risk(house: House, amount: float, level: str) -> None:
    """WOTP-C04."""
    person = await house.person()
    assert (await person.fund(amount)).json()["fraudRiskLevel"] == level


async def test_three_wrong_codes_in_a_day_are_a_medium_risk(house: House) -> None:
    """WOTP-C04, without any lock; forgotten a day later."""
    person = await house.person()
    for wrong in (2, 1):
        reference = await person.reference()
        for _ in range(wrong):
            await person.verify(reference, WRONG)
        await house.advance(900)
    assert not (await person.status())["isLocked"]
    assert (await person.fund()).json()["fraudRiskLevel"] == "medium"
    await house.advance(86_400 - 1_800 - 60)
    token = await house.sandbox("token", {"user": person.id})
    person.headers = {"Authorization": f"Bearer {token['token']}"}
    assert (await person.fund()).json()["fraudRiskLevel"] == "medium"
    await house.advance(60)
    assert (await person.fund()).json()["fraudRiskLevel"] == "low"


async def test_a_code_sent_elsewhere_later_makes_the_funding_suspect(house: House) -> None:
    """WOTP-C03: a resend is no way around."""
    person = await house.person()
    reference = await person.reference(1_000_000)
    assert (await person.send(email="thief@example.com")).status_code == 200
    verified = (await person.verify(reference)).json()
    assert verified["message"] == "OTP verified. Funding is pending manual review."
    assert verified["newBalance"] == 0


async def test_a_high_risk_waits_for_an_operator_and_is_credited_once(house: House) -> None:
    """FW-09, WOTP-C05."""
    person, admin = await house.person(), await house.person(admin=True)
    reference = await person.reference()
    for _ in range(3):
        await person.verify(reference, WRONG)
    await house.advance(900)
    answer = (await person.fund(1_500_000)).json()
    assert (answer["fraudRiskLevel"], answer["requiresManualReview"]) == ("high", True)
    assert answer["warning"]
    assert answer["nextStep"] == "otp_verification"
    reference = answer["transactionReference"]
    verified = await person.verify(reference)
    body = verified.json()
    assert verified.status_code == 200
    assert re.fullmatch(r"TXN-\d{13}", body.pop("transactionId"))
    assert body == {
        "success": True,
        "message": "OTP verified. Funding is pending manual review.",
        "newBalance": 0,
        "balance_after": 0,
        "sequence": 0,
    }
    assert (await person.verify(reference)).json() == GONE
    (waiting,) = await house.reviews(admin)
    assert waiting["reference"] == reference
    approved = await admin.post(f"/ops/reviews/{reference}", {"decision": "approve", "note": "ok"})
    assert approved.json()["status"] == "completed"
    again = await admin.post(f"/ops/reviews/{reference}", {"decision": "approve"})
    assert again.status_code == 409
    assert await house.reviews(admin) == []
    reference = await person.reference(100)
    assert (await person.verify(reference)).json()["newBalance"] == 1_500_000, "credited once"
    await house.check_books()
