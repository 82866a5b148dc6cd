"""Verification requests, codes and tokens as a client sees them."""

import pyotp
import pytest

from actors.messenger import Refused as NotSent
from tests.protocols.cashier.house import House

SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
CAREFUL = 4242


async def careful(house: House) -> int:
    """Somebody with an authenticator app."""
    await house.add(CAREFUL, email="abc@example.com", phone="+254700000001", totp_secret=SECRET)
    return CAREFUL


def totp(house: House) -> str:
    return pyotp.TOTP(SECRET).at(house.clock.now_s())


@pytest.mark.parametrize("method", ["", "auto", None, "auto or empty", "totp"])
async def test_totp_is_chosen_first_and_sends_nothing(house: House, method: str | None) -> None:
    """FC-06.1, CASH-038..042, CASH-051."""
    user = await house.connect(await careful(house))
    reply = await user.send(
        '{"type":"verification_request","data":{"method":%s,"purpose":"withdrawal"}}'
        % ("null" if method is None else f'"{method}"')
    )
    assert reply["data"] == {
        "message": "2FA enabled. Please provide your TOTP code",
        "data": {"method": "totp", "purpose": "withdrawal", "next_step": "verify_totp"},
    }
    assert house.identity.sms.messages == []


async def test_a_phone_is_chosen_before_an_e_mail(house: House) -> None:
    """FC-06.2, CASH-043..049, CASH-052."""
    user = await house.connect()
    reply = await user.send('{"type":"verification_request"}')
    assert reply["data"] == {
        "message": "OTP sent successfully",
        "data": {
            "method": "otp_sms",
            "channel": "sms",
            "purpose": "withdrawal",
            "masked_recipient": "***5890",
            "next_step": "verify_otp",
            "expires_in": 180,
        },
    }
    assert house.identity.sms.messages == [("+254712345890", "123456")]


async def test_without_a_phone_the_code_goes_by_e_mail(house: House) -> None:
    """FC-06.3, CASH-053."""
    await house.add(CAREFUL, email="abc@example.com", phone=None)
    user = await house.connect(CAREFUL)
    sent = await user.ask("verification_request", purpose="transfer")
    assert (sent["method"], sent["channel"]) == ("otp_email", "email")
    assert (sent["masked_recipient"], sent["purpose"]) == ("ab***@example.com", "transfer")
    assert await user.refused("verification_request", method="otp_sms") == (
        "phone number not available"
    )


async def test_somebody_with_nothing_has_no_method(house: House) -> None:
    """FC-06.4, CASH-054."""
    await house.add(CAREFUL, email=None, phone=None)
    user = await house.connect(CAREFUL)
    assert await user.refused("verification_request") == "no verification method available"
    assert await user.refused("verification_request", method="otp_email") == "email not available"


async def test_whatsapp_is_used_when_it_is_named(house: House) -> None:
    """FC-06.5, CASH-050."""
    user = await house.connect()
    sent = await user.ask("verification_request", method="otp_whatsapp")
    assert (sent["method"], sent["channel"]) == ("otp_whatsapp", "whatsapp")
    verified = await user.ask("verify_otp", code="123456")
    assert verified["method"] == "otp_whatsapp"


@pytest.mark.parametrize(
    ("kind", "request_", "text"),
    [
        ("verification_request", {"method": "totp"}, "2FA not enabled"),
        ("verification_request", {"method": "fax"}, "invalid verification method"),
        ("verification_request", {"purpose": "party"}, "invalid purpose"),
        ("verification_request", {"purpose": "wallet_funding"}, "invalid purpose"),
        ("verification_request", {"method": 5}, "invalid request data"),
        ("verify_totp", {"code": "123456", "purpose": "withdrawal"}, "2FA not enabled"),
        ("verify_otp", {"code": "123456", "purpose": "withdrawal"}, "invalid OTP code"),
        ("verify_otp", {"code": "123456", "purpose": "party"}, "invalid purpose"),
        ("verify_otp", {"purpose": "withdrawal"}, "invalid request data"),
    ],
)
async def test_a_verification_that_cannot_be_is_refused(
    house: House, kind: str, request_: dict[str, object], text: str
) -> None:
    """FC-06.6, FC-06.7, FC-09.6, CASH-029, CASH-545, CASH-546."""
    user = await house.connect()
    assert await user.refused(kind, **request_) == text
    assert house.identity.sms.messages == []


async def test_a_right_totp_code_earns_a_token_once(house: House) -> None:
    """CASH-055..066, CASH-C08: no replay within its 30 s."""
    user = await house.connect(await careful(house))
    assert await user.refused("verify_totp", code="000000", purpose="withdrawal") == (
        "invalid TOTP code"
    )
    code = totp(house)
    verified = await user.ask("verify_totp", code=code, purpose="withdrawal")
    assert len(bytes.fromhex(verified.pop("verification_token"))) == 32
    assert verified == {
        "purpose": "withdrawal",
        "method": "totp",
        "expires_in": 300,
        "message": "Use this token for your next withdrawal request",
    }
    assert await user.refused("verify_totp", code=code, purpose="withdrawal") == "invalid TOTP code"


async def test_eleven_wrong_totp_codes_are_too_many(house: House) -> None:
    """CASH-C09."""
    user = await house.connect(await careful(house))
    texts = [await user.refused("verify_totp", code="000000") for _ in range(11)]
    assert texts == ["invalid TOTP code"] * 10 + ["too many requests"]
    house.clock.advance(15 * 60)
    assert await user.ask("verify_totp", code=totp(house))


@pytest.mark.parametrize(
    ("purpose", "message"),
    [
        ("withdrawal", "Use this token for your next withdrawal request"),
        ("transfer", "Use this token for your next transfer request"),
        ("sensitive_operation", "Use this token for your next sensitive operation request"),
    ],
)
async def test_a_right_otp_earns_a_token_and_is_used_up(
    house: House, purpose: str, message: str
) -> None:
    """FC-08, CASH-067..079, CASH-C07."""
    user = await house.connect()
    await user.ask("verification_request", method="otp_sms", purpose=purpose)
    verified = await user.ask("verify_otp", code="123456", purpose=purpose)
    assert len(verified.pop("verification_token")) == 64
    assert verified == {
        "purpose": purpose,
        "method": "otp_sms",
        "expires_in": 300,
        "message": message,
    }
    assert await user.refused("verify_otp", code="123456", purpose=purpose) == "invalid OTP code"


async def test_three_wrong_codes_end_the_session(house: House) -> None:
    """FC-09.2, CASH-C09."""
    user = await house.connect()
    await user.ask("verification_request", method="otp_sms")
    for code in ("000000", "", "1234567", "123456"):
        assert await user.refused("verify_otp", code=code) == "invalid OTP code"
    await user.ask("verification_request", method="otp_sms")
    assert await user.ask("verify_otp", code="123456")


@pytest.mark.parametrize(("after", "good"), [(179, True), (180, False)])
async def test_a_code_lives_for_180_seconds(house: House, after: int, good: bool) -> None:
    """FC-09.3, CASH-554."""
    user = await house.connect()
    await user.ask("verification_request", method="otp_sms")
    house.clock.advance(after)
    if good:
        assert await user.ask("verify_otp", code="123456")
    else:
        assert await user.refused("verify_otp", code="123456") == "invalid OTP code"


async def test_a_code_of_another_purpose_is_no_code(house: House) -> None:
    """FC-09.4."""
    user = await house.connect()
    await user.ask("verification_request", method="otp_sms", purpose="withdrawal")
    text = await user.refused("verify_otp", code="123456", purpose="transfer")
    assert text == "invalid OTP code"


async def test_a_sixth_request_in_a_quarter_of_an_hour_is_too_many(house: House) -> None:
    """FC-09.6, CASH-C09; a reconnect changes nothing."""
    for _ in range(5):
        await (await house.connect()).ask("verification_request", method="otp_sms")
    user = await house.connect()
    assert await user.refused("verification_request", method="otp_sms") == "too many requests"
    house.clock.advance(15 * 60)
    assert await user.ask("verification_request", method="otp_sms")


async def test_a_code_that_did_not_leave_is_no_success(house: House) -> None:
    user = await house.connect()
    house.identity.sms.outcome = NotSent("rejected")
    text = await user.refused("verification_request", method="otp_sms")
    assert text == "verification code could not be sent"
    assert await user.refused("verify_otp", code="123456") == "invalid OTP code"
