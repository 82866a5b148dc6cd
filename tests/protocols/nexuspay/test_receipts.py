"""Purchases whose callback was lost: by receipt, and by asking (FN-09)."""

import re
from typing import Any

import pytest
import trio

from tests.protocols.nexuspay.house import WITHIN_S, House, Person, refused
from tests.protocols.nexuspay.mpesa import BUY, balances, ended, operations, push


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


@pytest.mark.parametrize("found_first", [True, False])
@pytest.mark.parametrize("outcome", ["no_callback", "timeout"])
async def test_cash_found_by_asking_pays_for_one_purchase(
    house: House, found_first: bool, outcome: str
) -> None:
    """XS-05: a query names no receipt, so that of cash which it found is in no book; submitted
    for a purchase that nobody paid, before the query or after, it buys nothing."""
    person = await house.person()
    paid, receipt = await paid_silently(house, person)
    if found_first:
        await house.advance(121)
        assert (await ended(person, paid["transactionId"]))["status"] == "completed"
    await push(house, person, outcome)
    unpaid = (await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})).json()["data"]
    body = {
        "transactionId": unpaid["transactionId"],
        "mpesaReceiptNumber": receipt,
        "amount": unpaid["mpesaAmount"],
    }
    answer = await person.post("/mpesa/submit-receipt", body)
    # Where the provider's list was read meanwhile, the receipt of that cash is known after all.
    is_known = answer.status_code == 409
    refused(answer, *((409, "RECEIPT_ALREADY_USED") if is_known else (400, "RECEIPT_NOT_VERIFIED")))
    if not found_first:
        await house.advance(121)
        assert (await ended(person, paid["transactionId"]))["status"] == "completed"
    assert await balances(person) == {"USDC": "0.50"}, "credited once"
    await house.check_books()


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


async def test_a_receipt_submitted_for_two_purchases_at_once_completes_one(house: House) -> None:
    """NXPY-C27: both are paid, and each proves only one."""
    person = await house.person()
    bought = [await paid_silently(house, person) for _ in range(2)]
    _, receipt = bought[0]
    codes: list[int] = []

    async def submit(ref: str) -> None:
        body = {"transactionId": ref, "mpesaReceiptNumber": receipt, "amount": 67}
        codes.append((await person.post("/mpesa/submit-receipt", body)).status_code)

    async with trio.open_nursery() as nursery:
        for data, _ in bought:
            nursery.start_soon(submit, data["transactionId"])
    assert sorted(codes) == [200, 409]
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
