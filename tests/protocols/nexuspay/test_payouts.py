"""Shillings for tokens: to phones, paybills and tills (FN-10), keys and restarts."""

from pathlib import Path

import trio

from tests.protocols.nexuspay.house import WITHIN_S, House, new_bill, refused
from tests.protocols.nexuspay.mpesa import BUY, balances, ended, operations, push, status
from tests.protocols.nexuspay.test_history import history

TILL = {"amount": "850", "tillNumber": "654321"}


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
    number = new_bill()
    bill = {"amount": "1200", "businessNumber": number, "accountNumber": "ACC001"}
    answer = await person.post("/mpesa/paybill", bill)
    assert answer.json()["message"] == "Payment initiated"
    assert answer.json()["data"]["status"] == "pending"
    first = answer.json()["data"]["transactionId"]
    assert (await ended(person, first))["type"] == "paybill"
    second = (await person.post("/mpesa/till", TILL)).json()["data"]["transactionId"]
    assert (await ended(person, second))["status"] == "completed"
    kinds = {each["id"]: each["type"] for each in (await history(person))["transactions"]}
    assert kinds == {first: "crypto_to_paybill", second: "crypto_to_till"}
    [paid] = await operations(house, target=number)
    assert (paid["operation"], paid["amount"]) == ("b2b", 1200)
    refused(await person.post("/mpesa/till", TILL), 400, "INSUFFICIENT_BALANCE")
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


async def test_open_transactions_survive_a_restart(dsn: str, tmp_path: Path) -> None:
    """A purchase pushed before, and a sale asked for before, are settled after it."""
    async with House.serving(dsn, tmp_path) as house:
        person = await house.person(balances={"arbitrum:USDC": "20"})
        await push(house, person, "success", delay_seconds=3)
        rule = {"phone": person.phone, "operation": "b2c", "outcome": "lost_callback"}
        await house.sandbox("mpesa", rule)
        bought = (await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})).json()
        sold = await person.post("/mpesa/withdraw", {"amount": "100", "phone": person.phone})
        await trio.sleep(0.5)
    async with House.serving(dsn, tmp_path) as house:
        person.house = house
        await trio.sleep(3)  # until the payer has typed the PIN
        await house.advance(121)
        for answer in (bought, sold.json()):
            made = answer["data"]["transactionId"]
            assert (await ended(person, made))["status"] == "completed"
        await house.check_books()


async def test_a_bill_nobody_answered_for_is_parked_for_an_operator(house: House) -> None:
    """The order may have arrived, and has no id to ask by: tokens stay held, operators are told
    after two minutes, and a person decides (NXPY-C32, NXPY-C57)."""
    admin, number = await house.admin(), new_bill()
    person = await house.person(balances={"arbitrum:USDC": "20"})
    await house.sandbox("mpesa", {"target": number, "operation": "b2b", "outcome": "http_500"})
    made = []
    for account in ("ACC1", "ACC2"):
        bill = {"amount": "1000", "businessNumber": number, "accountNumber": account}
        made.append((await person.post("/mpesa/paybill", bill)).json()["data"]["transactionId"])
    with trio.fail_after(WITHIN_S):
        while len(await operations(house, target=number)) < 2:
            await trio.sleep(0.1)
    await trio.sleep(0.3)  # until the second answer is recorded
    await house.advance(151)
    for each in made:
        assert (await ended(person, each))["status"] == "error"
    headers = {"Authorization": f"Bearer {admin.token}"}
    reviews = (await house.http.get("/ops/reviews", headers=headers)).json()["reviews"]
    assert set(made) <= {review["reference"] for review in reviews}
    refused(await person.post("/mpesa/till", TILL), 400, "INSUFFICIENT_BALANCE")
    await house.check_books()
    for each, status_ in zip(made, ("completed", "failed"), strict=True):
        answer = await admin.put(f"/admin/transactions/{each}/status", {"status": status_})
        assert answer.json()["data"]["status"] == status_, answer.text
    assert await balances(person) == {"USDC": "12.49"}
    await house.check_books()
