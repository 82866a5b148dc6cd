"""What tests of M-Pesa payments have in common: the handset, and how a transaction ends."""

from typing import Any

import trio

from tests.protocols.nexuspay.house import WITHIN_S, House, Person

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
