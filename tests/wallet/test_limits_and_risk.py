"""Rate limits and fraud levels (FW-08, FW-09), end to end over HTTP."""

import re
from functools import partial

import pytest
import trio

from tests.wallet.house import (
    CODE,
    GONE,
    STATUS,
    WRONG,
    House,
)


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
