"""Tokens to people and merchants, and the events of an address (FN-05, FN-06)."""

import re
from typing import Any

from tests.protocols.nexuspay.house import CODE, WRONG, House, Person, new_phone, refused

CODE_FORM = re.compile(r"[A-Z0-9]{9}")
SEED = "0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7"


def sending(sender: Person, recipient: str, amount: Any = "10.5", **more: Any) -> dict[str, Any]:
    return {
        "recipientIdentifier": recipient,
        "amount": amount,
        "senderAddress": sender.address,
        "chain": "arbitrum",
        **more,
    }


async def test_tokens_go_to_a_phone_and_both_are_told(house: House) -> None:
    """FN-05."""
    ann, bob = await house.person(balances={"arbitrum:USDC": "50"}), await house.person()
    async with house.socket(ann.token) as one, house.socket(bob.token) as other:
        answer = await ann.post("/token/sendToken", sending(ann, bob.phone))
        body = answer.json()
        assert (answer.status_code, body["message"]) == (200, "Token sent successfully!")
        data = body["data"]
        assert (data["amount"], data["recipient"]) == ("10.5 USDC", bob.phone)
        assert CODE_FORM.fullmatch(data["transactionCode"])
        assert data["balance_after"] == 39.5
        for socket in (one, other):
            update = await socket.next()
            stamp = update["data"].pop("timestamp")
            told = {"transactionId": data["transactionId"], "status": "confirmed"}
            assert update == {"type": "transaction_update", "data": told}
            assert len(stamp) == len("2023-05-15T14:25:30Z")
    query = {"address": ann.address, "chain": "arbitrum"}
    body = (await bob.get("/token/tokenTransferEvents", **query)).json()
    assert set(body) == {"success", "data"}
    [event] = body["data"]["events"]
    assert body["data"]["pagination"] == {"total": 1, "page": 1, "limit": 10, "pages": 1}
    assert re.fullmatch("0x[0-9a-f]{64}", event.pop("txHash"))
    assert event.pop("blockNumber") > 0
    assert event == {
        "from": ann.address,
        "to": bob.address,
        "amount": "10.5",
        "token": "USDC",
        "timestamp": data["timestamp"],
        "status": "confirmed",
    }
    await house.check_books()


async def test_tokens_go_to_a_wallet_address_in_any_case(house: House) -> None:
    """NXPY-C16, NXPY-C15: `chainName` is taken for `chain`, a JSON number for a string."""
    ann, bob = await house.person(balances={"celo:USDC": "5"}), await house.person()
    body = sending(ann, bob.address.lower(), 1.5)
    body["chainName"] = body.pop("chain") and "celo"
    body["senderAddress"] = ann.address.lower()
    assert (await ann.post("/token/sendToken", body)).json()["data"]["amount"] == "1.5 USDC"


_REFUSALS: list[tuple[dict[str, Any], int, str]] = [
    ({"senderAddress": SEED}, 403, "FORBIDDEN"),
    ({"senderAddress": "0x12"}, 400, "VALIDATION_ERROR"),
    ({"amount": "0"}, 400, "VALIDATION_ERROR"),
    ({"amount": "-1"}, 400, "VALIDATION_ERROR"),
    ({"amount": -1}, 400, "VALIDATION_ERROR"),
    ({"amount": "abc"}, 400, "VALIDATION_ERROR"),
    ({"amount": "1e3"}, 400, "VALIDATION_ERROR"),
    ({"amount": " 10 "}, 400, "VALIDATION_ERROR"),
    ({"amount": "NaN"}, 400, "VALIDATION_ERROR"),
    ({"amount": True}, 400, "VALIDATION_ERROR"),
    ({"amount": None}, 400, "VALIDATION_ERROR"),
    ({"amount": "1.1234567"}, 400, "VALIDATION_ERROR"),
    ({"amount": "50.000001"}, 400, "INSUFFICIENT_BALANCE"),
    ({"chain": "doge"}, 400, "UNSUPPORTED_CHAIN"),
    ({"chain": "celo"}, 400, "INSUFFICIENT_BALANCE"),
    ({"recipientIdentifier": "+254799999999"}, 404, "NOT_FOUND"),
    ({"recipientIdentifier": "bob"}, 400, "VALIDATION_ERROR"),
    ({"recipientIdentifier": "0x" + "00" * 20}, 400, "VALIDATION_ERROR"),
    ({"recipientIdentifier": SEED.replace("Ce6", "cE6")}, 400, "VALIDATION_ERROR"),
    ({"senderAddress": SEED.replace("Ce6", "cE6")}, 400, "VALIDATION_ERROR"),
    ({"recipientIdentifier": "own phone"}, 400, "VALIDATION_ERROR"),
    ({"recipientIdentifier": "own address"}, 400, "VALIDATION_ERROR"),
]


async def test_a_transfer_that_may_not_be_moves_nothing(house: House) -> None:
    """FN-05 step 7, NXPY-C33."""
    ann, bob = await house.person(balances={"arbitrum:USDC": "50"}), await house.person()
    own = {"own phone": ann.phone, "own address": ann.address}
    for changed, status, code in _REFUSALS:
        change = {n: own.get(v, v) if isinstance(v, str) else v for n, v in changed.items()}
        body = sending(ann, bob.phone, **change)
        refused(await ann.post("/token/sendToken", body), status, code)
    answer = await ann.post("/token/sendToken", sending(ann, bob.phone, "50"))
    assert answer.json()["data"]["balance_after"] == 0, "all of it is still there"


async def test_no_token_no_transfer(house: House) -> None:
    """NXPY-C03."""
    for path in ("/token/sendToken", "/token/pay", "/business/transfer-funds"):
        refused(await house.post(path, {}), 401, "UNAUTHORIZED")
    refused(await house.get("/token/tokenTransferEvents", address=SEED), 401, "UNAUTHORIZED")


async def test_an_idempotency_key_sends_once(house: House) -> None:
    """X-C29, contract "Idempotency over REST"."""
    ann, bob = await house.person(balances={"arbitrum:USDC": "50"}), await house.person()
    body = sending(ann, bob.phone)
    first = await ann.post("/token/sendToken", body, Idempotency_Key="k-1")
    again = await ann.post("/token/sendToken", body, Idempotency_Key="k-1")
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first.headers
    other = await ann.post("/token/sendToken", {**body, "amount": "1"}, Idempotency_Key="k-1")
    refused(other, 422, "IDEMPOTENCY_KEY_REUSED")
    short = {**body, "amount": "1000"}
    refusals = [await ann.post("/token/sendToken", short, Idempotency_Key="k-2") for _ in "12"]
    assert refusals[0].json() == refusals[1].json()
    refused(refusals[1], 400, "INSUFFICIENT_BALANCE")
    assert refusals[1].headers["Idempotent-Replayed"] == "true"
    rest = await ann.post("/token/sendToken", sending(ann, bob.phone, "39.5"))
    assert rest.json()["data"]["balance_after"] == 0


async def a_business(house: House, owner: Person, name: str = "Tea House") -> dict[str, Any]:
    """A complete business of `owner`."""
    body = {
        "businessName": name,
        "ownerName": "John Doe",
        "location": "Nairobi, Kenya",
        "businessType": "retail",
        "phoneNumber": new_phone(),
    }
    answer = await owner.post("/business/request-upgrade", body)
    assert answer.status_code == 201
    business = answer.json()["data"]["businessId"]
    body = {"businessId": business, "otp": CODE}
    made: dict[str, Any] = (await owner.post("/business/complete-upgrade", body)).json()["data"]
    return made


async def test_a_person_becomes_a_merchant_by_a_code(house: House) -> None:
    """FN-06 steps 1, 2 and 5."""
    owner, other = await house.person(), await house.person()
    phone = new_phone()
    body = {
        "businessName": "Tea House",
        "ownerName": "John Doe",
        "location": "Nairobi, Kenya",
        "businessType": "retail",
        "phoneNumber": phone,
    }
    answer = await owner.post("/business/request-upgrade", body)
    requested = answer.json()
    assert answer.status_code == 201
    assert requested["message"] == (
        "Business upgrade initiated. Please verify with the OTP sent to your phone."
    )
    assert requested["data"]["status"] == "pending"
    again = (await owner.post("/business/request-upgrade", body)).json()
    assert again["data"]["businessId"] == requested["data"]["businessId"]
    assert len(await house.messages(phone)) == 2
    code = {"businessId": requested["data"]["businessId"], "otp": WRONG}
    refused(await owner.post("/business/complete-upgrade", code), 400, "INVALID_OTP")
    code["otp"] = CODE
    refused(await other.post("/business/complete-upgrade", code), 403, "FORBIDDEN")
    completed = (await owner.post("/business/complete-upgrade", code)).json()
    assert completed["message"] == "Business account successfully created"
    business = completed["data"]
    assert set(business) == {"businessId", "businessName", "merchantId", "walletAddress"}
    assert re.fullmatch(r"NEXUS\d{3,}", business["merchantId"])
    assert business["merchantId"] != "NEXUS001", "the seeded one"
    assert business["walletAddress"] != owner.address
    refused(await owner.post("/business/complete-upgrade", code), 400, "VALIDATION_ERROR")
    refused(await owner.post("/business/request-upgrade", body), 400, "VALIDATION_ERROR")


async def test_a_merchant_is_paid_and_takes_the_money_home(house: House) -> None:
    """FN-06 steps 3 to 5."""
    owner, payer = await house.person(), await house.person(balances={"arbitrum:USDC": "20"})
    business = await a_business(house, owner)
    paying = {
        "senderAddress": payer.address,
        "businessUniqueCode": business["merchantId"],
        "amount": "5.25",
        "confirm": True,
        "chainName": "arbitrum",
    }
    async with house.socket(owner.token) as socket:
        paid = (await payer.post("/token/pay", paying)).json()
        assert paid["message"] == "Payment successful!"
        assert (paid["data"]["amount"], paid["data"]["businessName"]) == ("5.25 USDC", "Tea House")
        assert CODE_FORM.fullmatch(paid["data"]["transactionCode"])
        assert (await socket.next())["data"]["transactionId"] == paid["data"]["transactionId"]
    for change, status, error in (
        ({"confirm": False}, 400, "VALIDATION_ERROR"),
        ({"businessUniqueCode": "NOPE"}, 404, "NOT_FOUND"),
        ({"amount": "100"}, 400, "INSUFFICIENT_BALANCE"),
    ):
        refused(await payer.post("/token/pay", {**paying, **change}), status, error)
    home = {"businessId": business["businessId"], "amount": "5", "walletAddress": owner.address}
    for who, change, status, error in (
        (payer, {"walletAddress": payer.address}, 403, "FORBIDDEN"),
        (owner, {"amount": "5.26"}, 400, "INSUFFICIENT_BALANCE"),
        (owner, {"walletAddress": payer.address}, 400, "VALIDATION_ERROR"),
        (owner, {"businessId": "bus123"}, 404, "NOT_FOUND"),
    ):
        refused(await who.post("/business/transfer-funds", {**home, **change}), status, error)
    moved = (await owner.post("/business/transfer-funds", home)).json()
    assert moved["message"] == "Funds transferred successfully"
    assert (moved["data"]["amount"], moved["data"]["balance_after"]) == ("5", 5)
    own = {**paying, "senderAddress": owner.address, "amount": "1"}
    refused(await owner.post("/token/pay", own), 400, "VALIDATION_ERROR")
    await house.check_books()


async def test_the_seeded_merchant_is_paid_as_in_the_document(house: House) -> None:
    """contract.md: the document's own request runs as written."""
    answer = await house.http.post("/sandbox/token", json={"user": "12345"})
    body = {
        "senderAddress": SEED,
        "businessUniqueCode": "NEXUS001",
        "amount": "50.75",
        "confirm": True,
        "chainName": "arbitrum",
    }
    answer = await house.post("/token/pay", body, answer.json()["token"])
    data = answer.json()["data"]
    assert (data["amount"], data["businessName"]) == ("50.75 USDC", "Coffee Shop")


async def test_events_are_paged_and_their_address_is_checked(house: House) -> None:
    """NXPY-C19, NXPY-C39, NXPY-250..254."""
    ann, bob = await house.person(balances={"arbitrum:USDC": "50"}), await house.person()
    for amount in ("1", "2", "3"):
        await ann.post("/token/sendToken", sending(ann, bob.phone, amount))
    query = {"address": bob.address, "page": 2, "limit": 2}
    data = (await bob.get("/token/tokenTransferEvents", **query)).json()["data"]
    assert [event["amount"] for event in data["events"]] == ["1"]
    assert data["pagination"] == {"total": 3, "page": 2, "limit": 2, "pages": 2}
    query = {"address": "0x123", "page": 2, "limit": 20}
    data = (await bob.get("/token/tokenTransferEvents", **query)).json()["data"]
    nothing = {"total": 0, "page": 2, "limit": 20, "pages": 0}
    assert data == {"events": [], "pagination": nothing}
    query = {"address": bob.address, "limit": 1000}
    data = (await bob.get("/token/tokenTransferEvents", **query)).json()["data"]
    assert data["pagination"]["limit"] == 100
    for bad in ({"address": "bob"}, {}, {"page": 0}, {"limit": "x"}, {"page": "-1"}):
        query = {"address": bob.address, **bad} if bad != {} else {}
        answer = await bob.get("/token/tokenTransferEvents", **query)
        refused(answer, 400, "VALIDATION_ERROR")
    query = {"address": bob.address, "chain": "doge"}
    refused(await bob.get("/token/tokenTransferEvents", **query), 400, "UNSUPPORTED_CHAIN")


async def test_two_people_never_see_each_others_updates(house: House) -> None:
    """FN-16, NXPY-233: nor does anybody before `auth`."""
    ann, bob = await house.person(balances={"arbitrum:USDC": "50"}), await house.person()
    eve = await house.person()
    async with house.socket(eve.token) as other, house.socket() as silent:
        await ann.post("/token/sendToken", sending(ann, bob.phone))
        assert await other.nothing()
        assert await silent.nothing()


async def test_a_client_that_resumes_hears_what_it_missed(house: House) -> None:
    """X-C28: additive offsets."""
    ann, bob = await house.person(balances={"arbitrum:USDC": "50"}), await house.person()
    await ann.post("/token/sendToken", sending(ann, bob.phone, "1"))
    async with house.socket(bob.token, "?resume_from=0") as socket:
        first = await socket.next()
        await ann.post("/token/sendToken", sending(ann, bob.phone, "2"))
        second = await socket.next()
    assert 0 < first["offset"] < second["offset"]
    async with house.socket(bob.token, f"?resume_from={first['offset']}") as socket:
        assert await socket.next() == second
