"""History, details and insights over HTTP (FN-15)."""

from typing import Any

from domain.nexuspay.codes import object_id
from tests.protocols.nexuspay.house import House, Person, refused
from tests.protocols.nexuspay.mpesa import ended


async def send(sender: Person, to: Person, amount: str, chain: str = "arbitrum") -> str:
    """The id of a transfer."""
    body = {
        "recipientIdentifier": to.phone,
        "amount": amount,
        "senderAddress": sender.address,
        "chain": chain,
    }
    answer = await sender.post("/token/sendToken", body)
    assert answer.status_code == 200, answer.text
    made: str = answer.json()["data"]["transactionId"]
    return made


async def history(person: Person, **query: Any) -> dict[str, Any]:
    answer = await person.get("/transactions/history", **query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["message"] == "Enhanced transaction history retrieved successfully"
    data: dict[str, Any] = answer.json()["data"]
    return data


async def two(house: House) -> tuple[Person, Person]:
    balances = {"arbitrum:USDC": "50", "celo:USDC": "50"}
    return await house.person(balances=balances), await house.person()


async def test_the_history_is_filtered_and_echoes_its_filters(house: House) -> None:
    """FN-15 steps 1 to 3."""
    ann, bob = await two(house)
    first = await send(ann, bob, "1")
    second = await send(ann, bob, "2", "celo")
    data = await history(ann, page=1, limit=5, status="completed", chain="arbitrum")
    assert [each["id"] for each in data["transactions"]] == [first]
    filters = {"status": "completed", "type": None, "chain": "arbitrum"}
    filters |= {"tokenType": None, "dateFrom": None, "dateTo": None}
    summary = {"total": 1, "page": 1, "limit": 5, "pages": 1, "filters": filters}
    assert data["summary"] == summary
    assert data["insights"]["totalTransactions"] == 2, "always all of them (NXPY-C49)"
    everything = await history(ann, limit=1000)
    assert [each["id"] for each in everything["transactions"]] == [second, first]
    assert everything["summary"]["limit"] == 100
    beyond = await history(ann, page=9)
    assert (beyond["transactions"], beyond["summary"]["total"]) == ([], 2)
    assert (await history(ann, type="token_transfer", tokenType="USDC"))["summary"]["total"] == 2
    assert (await history(ann, dateTo="2020-01-01"))["summary"]["total"] == 0
    assert (await history(ann, dateFrom="2020-01-01T00:00:00+03:00"))["summary"]["total"] == 2
    received = (await history(bob))["transactions"][0]
    assert received["dashboard"]["summary"] == "Received 2 USDC ($2.00) on celo"


async def test_filters_that_mean_nothing_are_refused(house: House) -> None:
    """NXPY-C55, NXPY-C39."""
    ann = await house.person()
    for query, code in (
        ({"status": "done"}, "VALIDATION_ERROR"),
        ({"type": "gift"}, "VALIDATION_ERROR"),
        ({"chain": "doge"}, "UNSUPPORTED_CHAIN"),
        ({"tokenType": "DOGE"}, "UNSUPPORTED_TOKEN"),
        ({"dateFrom": "yesterday"}, "VALIDATION_ERROR"),
        ({"dateTo": "2024-13-01"}, "VALIDATION_ERROR"),
        ({"page": 0}, "VALIDATION_ERROR"),
        ({"limit": "ten"}, "VALIDATION_ERROR"),
    ):
        refused(await ann.get("/transactions/history", **query), 400, code)
    refused(await house.get("/transactions/history"), 401, "UNAUTHORIZED")


async def test_details_are_found_by_either_id_and_by_those_who_took_part(house: House) -> None:
    """FN-15 step 4."""
    ann, bob = await two(house)
    made = await send(ann, bob, "1.5")
    answer = await ann.get(f"/transactions/{made}")
    body = answer.json()
    assert body["message"] == "Enhanced transaction details retrieved successfully"
    detail = body["data"]["transaction"]
    assert detail["metadata"]["userBalanceAtTime"] == 48.5
    assert detail["metadata"]["platformFee"] == 0
    assert detail["blockchain"]["blockNumber"] > 0
    assert detail["values"]["kes"]["rate"] == detail["values"]["kes"]["currentRate"] > 100
    assert detail["objectId"] == object_id(made)
    other = (await ann.get(f"/transactions/{detail['objectId']}")).json()["data"]["transaction"]
    assert other["id"] == made
    assert (await bob.get(f"/transactions/{made}")).json()["data"]["transaction"]["id"] == made
    eve = await house.person()
    for wanted in (made, detail["objectId"], "nonsense", "%00"):
        refused(await eve.get(f"/transactions/{wanted}"), 404, "NOT_FOUND")


async def test_insights_show_the_newest_fifty_in_full(house: House) -> None:
    """FN-15 step 5."""
    ann, bob = await two(house)
    made = await send(ann, bob, "1.5")
    data = (await ann.get("/transactions/dashboard/insights")).json()["data"]
    [shown] = data["transactions"]
    assert (shown["id"], shown["metadata"]["tokenType"]) == (made, "USDC")
    filters = dict.fromkeys(("status", "type", "chain", "tokenType", "dateFrom", "dateTo"))
    summary = {"total": 1, "page": 1, "limit": 50, "pages": 1, "filters": filters}
    assert data["summary"] == summary
    insights = data["insights"]
    assert insights["totalVolume"]["usd"] == insights["averageTransactionSize"] == 1.5
    assert insights["recentActivity"] == {"last24h": 1, "last7d": 1, "last30d": 1}
    empty = (await (await house.person()).get("/transactions/dashboard/insights")).json()["data"]
    assert empty["insights"]["totalVolume"] == {"usd": 0, "kes": 0}
    assert empty["insights"]["mostUsedChain"] is None
    assert empty["summary"]["pages"] == 0


async def test_insights_say_of_each_payment_what_its_details_say(house: House) -> None:
    """NXPY-638: "full details": the block and the balance of a payment too."""
    person = await house.person()
    answer = await person.post("/mpesa/deposit", {"amount": "1000", "phone": person.phone})
    made = answer.json()["data"]["transactionId"]
    assert (await ended(person, made))["status"] == "completed"
    [shown] = (await person.get("/transactions/dashboard/insights")).json()["data"]["transactions"]
    detail = (await person.get(f"/transactions/{made}")).json()["data"]["transaction"]
    assert shown["dashboard"].pop("category") == "Buy Crypto"  # only a list has it there
    assert shown == detail
    assert detail["blockchain"]["blockNumber"] > 0
    assert detail["metadata"]["userBalanceAtTime"] == detail["token"]["amount"]
