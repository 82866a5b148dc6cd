"""FC-06, FC-08..FC-10: codes, and the tokens they are exchanged for."""

import trio

from tests.flows.client import Person, Socket, World
from tests.flows.test_withdrawals import MPESA


async def test_fc_06_verification_automatic_selection(world: World) -> None:
    totp = await world.user(totp=True)
    async with world.cashier(totp) as client:
        reply = await client.call("verification_request", method="", purpose="withdrawal")
        assert reply["data"] == {
            "message": "2FA enabled. Please provide your TOTP code",
            "data": {"method": "totp", "purpose": "withdrawal", "next_step": "verify_totp"},
        }
        assert (await world.get("/sandbox/messages", to=totp.phone or ""))["messages"] == []
    both = await world.user(email="abel@example.com")
    async with world.cashier(both) as client:
        reply = await client.call("verification_request", method="auto", purpose="withdrawal")
        assert both.phone is not None
        assert reply["data"] == {
            "message": "OTP sent successfully",
            "data": {
                "method": "otp_sms",
                "channel": "sms",
                "purpose": "withdrawal",
                "masked_recipient": f"***{both.phone[-4:]}",
                "next_step": "verify_otp",
                "expires_in": 180,
            },
        }
        sent = (await world.get("/sandbox/messages", to=both.phone))["messages"]
        assert [message["channel"] for message in sent] == ["sms"]
        shown = await client.ask("verification_request", method="otp_whatsapp")
        assert shown["channel"] == "whatsapp"
        assert await client.refused("verification_request", method="totp") == "2FA not enabled"
        for request, text in (
            ({"method": "fax"}, "invalid verification method"),
            ({"purpose": "party"}, "invalid purpose"),
        ):
            assert await client.refused("verification_request", **request) == text
    mail = await world.user(email="abby@example.com", phone=None)
    async with world.cashier(mail) as client:
        shown = await client.ask("verification_request", purpose="withdrawal")
        assert (shown["method"], shown["channel"]) == ("otp_email", "email")
        assert shown["masked_recipient"] == "ab***@example.com"
        text = await client.refused("verification_request", method="otp_sms")
        assert text == "phone number not available"
    nobody = await world.user(email=None, phone=None)
    async with world.cashier(nobody) as client:
        text = await client.refused("verification_request", purpose="withdrawal")
        assert text == "no verification method available"


async def test_fc_09_wrong_and_expired_codes(world: World) -> None:
    totp = await world.user(totp=True)
    async with world.cashier(totp) as client:
        code = totp.totp(await world.now())
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        assert await client.refused("verify_totp", code=wrong, purpose="withdrawal") == (
            "invalid TOTP code"
        )
        assert await client.ask("verify_totp", code=code, purpose="withdrawal")
        assert await client.refused("verify_totp", code=code, purpose="withdrawal") == (
            "invalid TOTP code"
        )
    user = await world.user()
    async with world.cashier(user) as client:
        assert await _guess(client, "123456") == "invalid OTP code"  # no session
        await client.ask("verification_request", method="otp_sms", purpose="withdrawal")
        for code in ("000000", "000001", "000002"):
            assert await _guess(client, code) == "invalid OTP code"
        assert await _guess(client, "123456") == "invalid OTP code"  # the session is gone
        await client.ask("verification_request", method="otp_sms", purpose="withdrawal")
        await world.advance(181)
        assert await _guess(client, "123456") == "invalid OTP code"
        await client.ask("verification_request", method="otp_sms", purpose="withdrawal")
        assert await _guess(client, "123456", "transfer") == "invalid OTP code"
        await client.ask("verification_request", method="otp_sms", purpose="withdrawal")
        await client.ask("verification_request", method="otp_sms", purpose="withdrawal")
        text = await client.refused("verification_request", method="otp_sms", purpose="withdrawal")
        assert text == "too many requests"  # the sixth in fifteen minutes
        assert await _guess(client, "123456") == "verification successful"


async def _guess(client: Socket, code: str, purpose: str = "withdrawal") -> str:
    text: str = (await client.call("verify_otp", code=code, purpose=purpose))["data"]["message"]
    return text


async def test_fc_10_token_rules(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    other = await world.user(balances={"USD": "100.00"})
    number = user.numbers["USD"]
    async with world.cashier(user) as client, world.cashier(other) as stranger:
        for token in (None, ""):
            text = await client.refused("withdraw_request", **MPESA, verification_token=token)
            assert text == "verification token is required"
        invalid = "invalid or expired verification token"
        assert await _withdraw(client, "deadbeef") == invalid
        token = await client.token(world, user)
        assert await _withdraw(stranger, token) == invalid
        await world.advance(299)
        assert await _withdraw(client, token) == "withdrawal initiated"
        assert await _withdraw(client, token) == invalid
        token = await client.token(world, user)
        await world.advance(301)
        assert await _withdraw(client, token) == invalid
        token = await client.token(world, user, "transfer")
        assert await _withdraw(client, token) == invalid
        token = await client.token(world, user)
        text = await client.refused(
            "withdraw_request", **{**MPESA, "amount": 5000}, verification_token=token
        )
        assert text == "insufficient balance"
        assert await _withdraw(client, token) == "withdrawal initiated"
        for _ in range(2):
            await client.event("withdraw_completed")
        assert await client.balance(number) == (89, 89, 0)
    await world.check_books()


async def test_fc_10_one_token_on_two_sockets_works_once(world: World) -> None:
    """FC-10.6, FC-10.7."""
    user = await world.user(balances={"USD": "100.00"})
    async with world.cashier(user) as client:
        token = await client.token(world, user)
    texts: list[str] = []

    async def send(person: Person) -> None:
        async with world.cashier(person) as socket:
            texts.append(await _withdraw(socket, token))

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, user)
        nursery.start_soon(send, user)
    assert sorted(texts) == ["invalid or expired verification token", "withdrawal initiated"]
    async with world.cashier(user) as client:

        async def pending() -> float:
            return (await client.balance(user.numbers["USD"]))[2]

        await world.until(pending, lambda held: held == 0)
        assert await client.balance(user.numbers["USD"]) == (94.5, 94.5, 0)
    await world.check_books()


async def _withdraw(client: Socket, token: str) -> str:
    reply = await client.call("withdraw_request", **MPESA, verification_token=token)
    text: str = reply["data"]["message"]
    return text


async def test_fc_06_a_slow_gateway_holds_up_nothing_else_on_the_socket(world: World) -> None:
    """CASH-C03: the simulated gateway takes 20 s for its answer."""
    user = await world.user()
    async with world.cashier(user) as client:
        for target, method in (("sms", "otp_sms"), ("mail", "otp_email")):
            await world.post("/sandbox/faults", target=target, fault="slow", times=1)
            await client.send("verification_request", {"method": method})
            await client.send("get_accounts")
            replies = [(await client.reply())["data"]["message"] for _ in range(2)]
            assert replies == ["OTP sent successfully", "accounts retrieved"]
