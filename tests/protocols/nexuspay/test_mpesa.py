"""Tokens for shillings, over the simulated M-Pesa (FN-07, FN-08)."""

import re

import pytest
import trio

from tests.protocols.nexuspay.house import House, refused
from tests.protocols.nexuspay.mpesa import BUY, balances, ended, operations, push, status
from tests.protocols.nexuspay.test_history import history


async def test_a_deposit_buys_usdc_when_it_is_paid(house: House) -> None:
    """FN-07."""
    person = await house.person()
    async with house.socket(person.token) as socket:
        answer = await person.post("/mpesa/deposit", {"amount": "1000", "phone": person.phone})
        body = answer.json()
        assert (answer.status_code, body["message"]) == (200, "Transaction initiated")
        assert set(body["data"]) == {"transactionId", "status", "checkoutRequestId"}
        assert body["data"]["status"] == "pending"
        assert re.fullmatch("ws_CO_[0-9]+", body["data"]["checkoutRequestId"])
        made = body["data"]["transactionId"]
        update = await socket.next()
        told = {"transactionId": made, "status": "completed"}
        assert update["type"] == "mpesa_update"
        assert update["data"] == {**told, "timestamp": update["data"]["timestamp"]}
    now = await status(person, made)
    assert set(now) == {
        "transactionId",
        "type",
        "amount",
        "status",
        "cryptoAmount",
        "timestamp",
        "completedAt",
    }
    assert (now["type"], now["amount"], now["status"]) == ("deposit", "1000", "completed")
    assert re.fullmatch(r"7\.50\d*", now["cryptoAmount"])
    assert (await balances(person))["USDC"] == "7.50"
    shown = (await history(person, type="fiat_to_crypto"))["transactions"][0]
    assert (shown["id"], shown["dashboard"]["category"]) == (made, "Buy Crypto")
    assert shown["values"]["kes"]["amount"] == 1000
    assert re.fullmatch("[A-Z0-9]{10}", shown["references"]["mpesaTransactionId"])
    detail = (await person.get(f"/transactions/{made}")).json()["data"]["transaction"]
    assert detail["metadata"]["userBalanceAtTime"] == float(now["cryptoAmount"])
    assert detail["metadata"]["directBuy"] is False
    assert detail["blockchain"]["blockNumber"] > 0
    await house.check_books()


async def test_a_cancelled_deposit_fails_and_credits_nothing(house: House) -> None:
    """FN-07 step 4."""
    person = await house.person()
    await push(house, person, "cancelled")
    answer = await person.post("/mpesa/deposit", {"amount": 1000, "phone": person.phone})
    made = answer.json()["data"]["transactionId"]
    assert (await status(person, made))["cryptoAmount"] is None
    now = await ended(person, made)
    assert (now["status"], now["completedAt"]) == ("failed", None)
    assert await balances(person) == {}
    eve = await house.person()
    refused(await eve.get(f"/mpesa/transaction/{made}"), 404, "NOT_FOUND")
    refused(await person.get("/mpesa/transaction/mpesa123"), 404, "NOT_FOUND")
    await house.check_books()


async def test_a_push_that_is_refused_is_a_provider_error(house: House) -> None:
    """contract, "NexusPay": 502 at once, recorded as failed."""
    person = await house.person()
    await push(house, person, "reject")
    answer = await person.post("/mpesa/deposit", {"amount": "1000", "phone": person.phone})
    refused(answer, 502, "PROVIDER_ERROR")
    [shown] = (await history(person))["transactions"]
    assert (shown["status"], shown["portfolio"]["impact"]) == ("failed", "neutral")
    await house.check_books()


async def test_a_push_whose_answer_is_lost_is_answered_at_once_and_fails_after_silence(
    house: House,
) -> None:
    """A timeout after sending is unknown: the order stays open, and nobody waits for more."""
    person = await house.person()
    await push(house, person, "http_500")
    began = trio.current_time()
    answer = await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})
    assert trio.current_time() - began < 10
    data = answer.json()["data"]
    assert (answer.status_code, data["status"]) == (200, "reserved")
    assert data["checkoutRequestId"] is None
    await house.advance(121)
    assert (await ended(person, data["transactionId"]))["status"] == "failed"
    await house.check_books()


async def test_an_old_quote_of_a_deposit_is_replaced_by_the_rate_of_its_payment(
    house: House,
) -> None:
    """NXPY-C21."""
    person = await house.person()
    await push(house, person, "no_callback")
    answer = await person.post("/mpesa/deposit", {"amount": "1000", "phone": person.phone})
    data = answer.json()["data"]
    await house.sandbox("rates", {"pair": "USD/KES", "rate": "125"})
    await house.advance(200)
    callback = {"checkout": data["checkoutRequestId"], "outcome": "success"}
    await house.sandbox("mpesa/callback", callback)
    try:
        assert (await ended(person, data["transactionId"]))["cryptoAmount"] == "8.00"
    finally:
        await house.sandbox("rates", {"pair": "USD/KES", "rate": "133.33"})
        await house.advance(121)
    await house.check_books()


async def test_a_purchase_reserves_its_tokens_and_delivers_them(house: House) -> None:
    """FN-08."""
    person = await house.person()
    answer = await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})
    body = answer.json()
    assert body["message"] == "Crypto purchase initiated successfully"
    data = body["data"]
    assert (data["mpesaAmount"], data["cryptoAmount"]) == (67, 0.5), "ceil(0.5 x 133.33)"
    assert (data["tokenType"], data["chain"], data["status"]) == ("USDC", "arbitrum", "reserved")
    assert re.fullmatch("NP-[A-Z0-9]{5}-[A-Z0-9]{2}", data["successCode"])
    stamp = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
    assert re.fullmatch(stamp, data["createdAt"])
    assert data["estimatedCompletionTime"] > data["createdAt"]
    now = await ended(person, data["transactionId"])
    assert (now["status"], now["type"]) == ("completed", "buy_crypto")
    assert await balances(person) == {"USDC": "0.50"}
    detail = await person.get(f"/transactions/{data['transactionId']}")
    metadata = detail.json()["data"]["transaction"]["metadata"]
    assert (metadata["directBuy"], metadata["platformFee"]) == (True, 0.005)
    await house.check_books()


async def test_the_fees_of_purchases_can_be_withdrawn_to_the_main_wallet(house: House) -> None:
    """NXPY-C60, FN-17 step 6."""
    person, admin = await house.person(), await house.admin()
    wallets = (await admin.get("/admin/platform-wallets")).json()["data"]
    main, fees = wallets["mainWallet"]["balance"], wallets["feesWallet"]["balance"]
    for chain in ("arbitrum", "celo"):
        body = {**BUY, "cryptoAmount": 10, "chain": chain, "phone": person.phone}
        bought = (await person.post("/mpesa/buy-crypto", body)).json()["data"]
        await ended(person, bought["transactionId"])
    wallets = (await admin.get("/admin/platform-wallets")).json()["data"]
    assert wallets["feesWallet"]["balance"] == pytest.approx(fees + 0.2)
    assert wallets["mainWallet"]["balance"] == pytest.approx(main - 20.2)
    answer = await admin.post("/admin/wallets/withdraw-fees", {"amount": 0.15})
    assert answer.json()["message"] == "Fees withdrawn to main wallet successfully"
    data = answer.json()["data"]
    assert (data["amount"], data["fromAddress"]) == (0.15, wallets["feesWallet"]["address"])
    assert data["toAddress"] == wallets["mainWallet"]["address"]
    assert re.fullmatch("0x[0-9a-f]{64}", data["transactionHash"])
    beyond = round(fees + 0.06, 6)
    answer = await admin.post("/admin/wallets/withdraw-fees", {"amount": beyond})
    refused(answer, 400, "INSUFFICIENT_BALANCE")
    wallets = (await admin.get("/admin/platform-wallets")).json()["data"]
    assert wallets["feesWallet"]["balance"] == pytest.approx(fees + 0.05)
    await house.check_books()


async def test_a_purchase_that_cannot_be_is_refused(house: House) -> None:
    """NXPY-C24, NXPY-C25, contract "Money"."""
    person = await house.person()
    for change, code in (
        ({"chain": "doge"}, "UNSUPPORTED_CHAIN"),
        ({"tokenType": "DOGE"}, "UNSUPPORTED_TOKEN"),
        ({"tokenType": "CELO"}, "UNSUPPORTED_TOKEN"),
        ({"cryptoAmount": "0"}, "VALIDATION_ERROR"),
        ({"cryptoAmount": "100000"}, "VALIDATION_ERROR"),
        ({"phone": "0712345678"}, "VALIDATION_ERROR"),
        ({"phone": "+4915112345678"}, "VALIDATION_ERROR"),
    ):
        body = {**BUY, "phone": person.phone, **change}
        refused(await person.post("/mpesa/buy-crypto", body), 400, code)
    for amount in ("10.5", "0", "-5", "250001", "1e3"):
        body = {"amount": amount, "phone": person.phone}
        refused(await person.post("/mpesa/deposit", body), 400, "VALIDATION_ERROR")
    admin = await house.admin()
    float_ = {"userId": person.object_id, "amount": 99_999.9, "chainName": "lisk"}
    assert (await admin.post("/admin/wallets/fund", float_)).status_code == 200
    body = {**BUY, "chain": "lisk", "phone": person.phone}
    refused(await person.post("/mpesa/buy-crypto", body), 400, "INSUFFICIENT_LIQUIDITY")
    assert await operations(house, phone=person.phone) == []
