"""Tokens for shillings and back, over the simulated M-Pesa (FN-07..FN-10)."""

import re
from typing import Any

import pytest
import trio

from tests.protocols.nexuspay.house import WITHIN_S, House, Person, refused, serving
from tests.protocols.nexuspay.test_history import history

BUY = {"cryptoAmount": "0.5", "chain": "arbitrum", "tokenType": "USDC"}


async def push(house: House, person: Person, outcome: str, **rule: Any) -> None:
    """What the person's handset will do with pushes."""
    await house.sandbox(
        "mpesa", {"phone": person.phone, "operation": "stk", "outcome": outcome, **rule}
    )


async def operations(house: House, **query: str) -> list[dict[str, Any]]:
    answer = await house.http.get("/sandbox/mpesa/operations", params=query)
    found: list[dict[str, Any]] = answer.json()["operations"]
    return found


async def status(person: Person, transaction: str) -> dict[str, Any]:
    answer = await person.get(f"/mpesa/transaction/{transaction}")
    assert answer.status_code == 200, answer.text
    data: dict[str, Any] = answer.json()["data"]
    return data


async def ended(person: Person, transaction: str) -> dict[str, Any]:
    """The transaction's status once it is over."""
    with trio.fail_after(WITHIN_S):
        while (now := await status(person, transaction))["status"] in ("pending", "reserved"):
            await trio.sleep(0.25)
    return now


async def balances(person: Person) -> dict[str, str]:
    admin = await person.house.admin()
    user = (await admin.get(f"/admin/users/{person.object_id}")).json()["data"]["user"]
    found: dict[str, str] = user["walletBalance"]
    return found


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
    assert (await ended(person, data["transactionId"]))["cryptoAmount"] == "8.00"
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
    main = wallets["mainWallet"]["balance"]
    for chain in ("arbitrum", "celo"):
        body = {**BUY, "cryptoAmount": 10, "chain": chain, "phone": person.phone}
        bought = (await person.post("/mpesa/buy-crypto", body)).json()["data"]
        await ended(person, bought["transactionId"])
    wallets = (await admin.get("/admin/platform-wallets")).json()["data"]
    assert wallets["feesWallet"]["balance"] == 0.2
    assert wallets["mainWallet"]["balance"] == pytest.approx(main - 20.2)
    answer = await admin.post("/admin/wallets/withdraw-fees", {"amount": 0.15})
    assert answer.json()["message"] == "Fees withdrawn to main wallet successfully"
    data = answer.json()["data"]
    assert (data["amount"], data["fromAddress"]) == (0.15, wallets["feesWallet"]["address"])
    assert data["toAddress"] == wallets["mainWallet"]["address"]
    assert re.fullmatch("0x[0-9a-f]{64}", data["transactionHash"])
    answer = await admin.post("/admin/wallets/withdraw-fees", {"amount": 0.06})
    refused(answer, 400, "INSUFFICIENT_BALANCE")
    wallets = (await admin.get("/admin/platform-wallets")).json()["data"]
    assert wallets["feesWallet"]["balance"] == 0.05
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


async def paid_silently(house: House, person: Person) -> tuple[dict[str, Any], str]:
    """A purchase that is paid without a callback; its data and the receipt."""
    await push(house, person, "lost_callback")
    answer = await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})
    data = answer.json()["data"]
    with trio.fail_after(WITHIN_S):
        while True:
            for operation in await operations(house, phone=person.phone):
                found = operation["checkout"] == data["checkoutRequestId"]
                if found and operation["receipt"]:
                    return data, str(operation["receipt"])
            await trio.sleep(0.05)


async def test_a_lost_callback_is_made_up_for_by_the_receipt(house: House) -> None:
    """FN-09 steps 1 to 4."""
    person, other = await house.person(), await house.person()
    data, receipt = await paid_silently(house, person)
    body = {
        "transactionId": data["transactionId"],
        "mpesaReceiptNumber": receipt,
        "amount": 67,
    }
    path = "/mpesa/submit-receipt"
    for change, status_, code in (
        ({"amount": 66}, 400, "AMOUNT_MISMATCH"),
        ({"transactionId": "tx123"}, 400, "VALIDATION_ERROR"),
        ({"mpesaReceiptNumber": "nope"}, 400, "VALIDATION_ERROR"),
        ({"mpesaReceiptNumber": "TF34AMNCAC"}, 400, "RECEIPT_NOT_VERIFIED"),
        ({"transactionId": "1247393a-a504-4131-ad7f-23d943dc6851"}, 404, "NOT_FOUND"),
    ):
        refused(await person.post(path, {**body, **change}), status_, code)
    refused(await other.post(path, body), 404, "NOT_FOUND")
    answer = await person.post(path, body)
    assert answer.status_code == 200, answer.text
    shown = answer.json()
    assert shown["message"] == "M-Pesa receipt verified and crypto transferred successfully"
    done = shown["data"]
    assert re.fullmatch("0x[0-9a-f]{64}", done["cryptoTransactionHash"])
    assert done["explorerUrl"] == f"https://arbiscan.io/tx/{done['cryptoTransactionHash']}"
    assert re.fullmatch(r"\d+\.\d\d+ USDC", done["platformBalance"])
    assert (done["recipient"], done["status"]) == (person.address, "completed")
    assert (done["cryptoAmount"], done["mpesaReceiptNumber"]) == (0.5, receipt)
    assert done["balance_after"] == 0.5
    assert done["note"] == (
        "Your M-Pesa receipt has been verified and crypto has been transferred to your wallet "
        "successfully!"
    )
    callback = {"checkout": data["checkoutRequestId"], "outcome": "success"}
    await house.sandbox("mpesa/callback", callback)
    refused(await person.post(path, body), 409, "TRANSACTION_ALREADY_COMPLETED")
    assert await balances(person) == {"USDC": "0.50"}, "credited once"
    await push(house, person, "no_callback")
    again = (await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})).json()
    body["transactionId"] = again["data"]["transactionId"]
    refused(await person.post(path, body), 409, "RECEIPT_ALREADY_USED")
    await house.check_books()


async def test_somebody_elses_receipt_proves_nothing(house: House) -> None:
    """contract: the payer's phone and the paybill must be the transaction's."""
    person, payer = await house.person(), await house.person()
    _, receipt = await paid_silently(house, payer)
    await push(house, person, "no_callback")
    mine = (await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})).json()
    body = {
        "transactionId": mine["data"]["transactionId"],
        "mpesaReceiptNumber": receipt,
        "amount": 67,
    }
    refused(await person.post("/mpesa/submit-receipt", body), 400, "RECEIPT_NOT_VERIFIED")


async def test_a_receipt_submitted_twice_at_once_credits_once(house: House) -> None:
    """FN-09 step 4: one 200, one 409 or 400."""
    person = await house.person()
    data, receipt = await paid_silently(house, person)
    body = {"transactionId": data["transactionId"], "mpesaReceiptNumber": receipt, "amount": 67}
    codes: list[int] = []

    async def submit() -> None:
        codes.append((await person.post("/mpesa/submit-receipt", body)).status_code)

    async with trio.open_nursery() as nursery:
        for _ in range(3):
            nursery.start_soon(submit)
    assert sorted(codes)[0] == 200
    assert set(sorted(codes)[1:]) <= {400, 409}
    assert await balances(person) == {"USDC": "0.50"}
    await house.check_books()


async def test_a_failed_purchase_takes_no_receipt(house: House) -> None:
    """FN-09 step 4."""
    person = await house.person()
    await push(house, person, "cancelled")
    made = (await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})).json()["data"]
    await ended(person, made["transactionId"])
    body = {
        "transactionId": made["transactionId"],
        "mpesaReceiptNumber": "TF34AMNCAC",
        "amount": 67,
    }
    refused(await person.post("/mpesa/submit-receipt", body), 404, "NOT_FOUND")


async def test_a_lost_callback_is_found_by_asking(house: House) -> None:
    """contract: after 120 s the status query finds it paid and it completes once."""
    person = await house.person()
    data, _ = await paid_silently(house, person)
    await house.advance(121)
    assert (await ended(person, data["transactionId"]))["status"] == "completed"
    assert await balances(person) == {"USDC": "0.50"}
    await house.check_books()


async def test_a_withdrawal_holds_pays_out_and_settles(house: House) -> None:
    """FN-10 steps 1 and 2."""
    person = await house.person(balances={"celo:USDC": "10"})
    async with house.socket(person.token) as socket:
        body = {"amount": "500", "phone": person.phone}
        answer = await person.post("/mpesa/withdraw", body)
        assert answer.json()["message"] == "Withdrawal initiated"
        data = answer.json()["data"]
        assert data["status"] == "pending"
        assert data["estimatedCompletionTime"].endswith("Z")
        assert (await socket.next())["data"]["status"] == "completed"
    now = await status(person, data["transactionId"])
    assert (now["type"], now["amount"], now["cryptoAmount"]) == ("withdraw", "500", "3.750094")
    assert await balances(person) == {"USDC": "6.24"}
    shown = (await history(person, type="crypto_to_fiat", chain="celo"))["transactions"][0]
    assert shown["dashboard"]["summary"] == "Sold 3.750094 USDC for KES 500.00"
    [operation] = await operations(house, phone=person.phone)
    assert (operation["operation"], operation["amount"]) == ("b2c", 500)
    await house.check_books()


async def test_a_failed_withdrawal_gives_its_tokens_back(house: House) -> None:
    """FN-10 step 2."""
    person = await house.person(balances={"arbitrum:USDC": "10"})
    rule = {"phone": person.phone, "operation": "b2c", "outcome": "unreachable"}
    await house.sandbox("mpesa", rule)
    body = {"amount": "500", "phone": person.phone}
    made = (await person.post("/mpesa/withdraw", body)).json()["data"]["transactionId"]
    assert (await ended(person, made))["status"] == "failed"
    assert await balances(person) == {"USDC": "10.00"}
    body["amount"] = "1333"
    assert (await person.post("/mpesa/withdraw", body)).status_code == 200, "all of it is free"
    await house.check_books()


async def test_paybills_and_tills_are_paid_from_the_usdc_balance(house: House) -> None:
    """FN-10 steps 3 and 4."""
    person = await house.person(balances={"arbitrum:USDC": "20"})
    bill = {"amount": "1200", "businessNumber": "123456", "accountNumber": "ACC001"}
    answer = await person.post("/mpesa/paybill", bill)
    assert answer.json()["message"] == "Payment initiated"
    assert answer.json()["data"]["status"] == "pending"
    first = answer.json()["data"]["transactionId"]
    assert (await ended(person, first))["type"] == "paybill"
    till = {"amount": "850", "tillNumber": "654321"}
    second = (await person.post("/mpesa/till", till)).json()["data"]["transactionId"]
    assert (await ended(person, second))["status"] == "completed"
    kinds = {each["id"]: each["type"] for each in (await history(person))["transactions"]}
    assert kinds == {first: "crypto_to_paybill", second: "crypto_to_till"}
    [paid] = await operations(house, target="123456")
    assert (paid["operation"], paid["amount"]) == ("b2b", 1200)
    refused(await person.post("/mpesa/till", till), 400, "INSUFFICIENT_BALANCE")
    for change in (
        {"businessNumber": "12"},
        {"accountNumber": ""},
        {"accountNumber": "x" * 14},
        {"amount": "1.5"},
    ):
        refused(await person.post("/mpesa/paybill", {**bill, **change}), 400, "VALIDATION_ERROR")
    await house.check_books()


async def test_a_key_starts_one_withdrawal_and_one_push(house: House) -> None:
    """X-C29: a repeat is answered alike, from the payment where M-Pesa's answer is part of it."""
    person = await house.person(balances={"arbitrum:USDC": "20"})
    for path, body in (
        ("/mpesa/withdraw", {"amount": "100", "phone": person.phone}),
        ("/mpesa/buy-crypto", {**BUY, "phone": person.phone}),
        ("/mpesa/deposit", {"amount": "100", "phone": person.phone}),
    ):
        first = await person.post(path, body, Idempotency_Key=path)
        again = await person.post(path, body, Idempotency_Key=path)
        assert (again.status_code, again.json()) == (200, first.json())
        assert again.headers["Idempotent-Replayed"] == "true"
    assert len(await operations(house, phone=person.phone)) == 3


async def test_open_transactions_survive_a_restart(dsn: str, tmp_path: Any) -> None:
    """A purchase pushed before, and a sale asked for before, are settled after it."""
    async with serving(dsn, tmp_path) as house:
        person = await house.person(balances={"arbitrum:USDC": "20"})
        await push(house, person, "success", delay_seconds=3)
        rule = {"phone": person.phone, "operation": "b2c", "outcome": "lost_callback"}
        await house.sandbox("mpesa", rule)
        bought = (await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})).json()
        sold = await person.post("/mpesa/withdraw", {"amount": "100", "phone": person.phone})
        await trio.sleep(0.5)
    async with serving(dsn, tmp_path) as house:
        person.house = house
        await trio.sleep(3)  # until the payer has typed the PIN
        await house.advance(121)
        for answer in (bought, sold.json()):
            made = answer["data"]["transactionId"]
            assert (await ended(person, made))["status"] == "completed"
        await house.check_books()
