"""Funds at exchanges with a real client and a real operator (FA-08, AMKT-C29..C32)."""

from typing import Any

import pytest

from tests.protocols.amarktai.house import GOOD_KEYS, House, refused

TRANSFER = {
    "from_provider": "luno",
    "to_provider": "binance",
    "amount": 1000.0,
    "currency": "ZAR",
    "reason": "manual_allocation",
}
RECORDED = "Transfer recorded. Manual action required for real exchange transfer."


async def test_balances_are_worth_their_sum_in_rand(house: House) -> None:
    """AMKT-200..205, AMKT-C31."""
    person = await house.person(balances={"ZAR": "20000", "USD": "5"})
    body = (await person.get("/wallet/balances")).json()
    assert body == {
        "success": True,
        "balances": {"luno": {"ZAR": 20000.0}},
        "total_value_zar": 20000.0,
    }
    assert type(body["balances"]["luno"]["ZAR"]) is float
    nobody = await house.person()
    assert (await nobody.get("/wallet/balances")).json()["balances"] == {}
    await nobody.post("/keys/test", GOOD_KEYS)
    assert (await nobody.get("/wallet/balances")).json()["balances"] == {"luno": {}}


async def test_a_transfer_is_held_until_an_operator_has_made_it(house: House) -> None:
    """FA-08, AMKT-C29: documented answer, listed, held; approved it moves."""
    person, admin = await house.person(balances={"ZAR": "20000"}), await house.admin()
    made = (await person.post("/wallet/transfer", TRANSFER)).json()
    transfer_id = made["transfer"]["id"]
    assert made["success"] is True
    assert made["transfer"] == {"id": transfer_id, "status": "pending", "message": RECORDED}
    assert list(made) == ["success", "transfer", "balance_after", "sequence"]
    listed = (await person.get("/wallet/transfers")).json()["transfers"]
    assert len(listed) == 1
    assert set(listed[0]) == {*TRANSFER, "id", "status", "correlation_id", "timestamp"}
    assert {**TRANSFER, "id": transfer_id, "status": "pending"}.items() <= listed[0].items()
    balances = (await person.get("/wallet/balances")).json()["balances"]
    assert balances == {"luno": {"ZAR": 19000.0}}
    ruled = await house.http.post(
        f"/ops/reviews/{transfer_id}",
        json={"decision": "approve", "note": "made"},
        headers={"Authorization": f"Bearer {admin.token}"},
    )
    assert ruled.json()["status"] == "completed"
    balances = (await person.get("/wallet/balances")).json()["balances"]
    assert balances == {"luno": {"ZAR": 19000.0}, "binance": {"ZAR": 1000.0}}
    assert (await person.get("/wallet/transfers")).json()["transfers"][0]["status"] == "completed"
    again = await house.http.post(
        f"/ops/reviews/{transfer_id}",
        json={"decision": "reject"},
        headers={"Authorization": f"Bearer {admin.token}"},
    )
    assert again.status_code == 409
    await house.check_books()


async def test_a_rejected_transfer_gives_back_what_it_held(house: House) -> None:
    """AMKT-C29."""
    person, admin = await house.person(balances={"ZAR": "1000"}), await house.admin()
    made = (await person.post("/wallet/transfer", TRANSFER)).json()
    waiting = await house.http.get(
        "/ops/reviews", headers={"Authorization": f"Bearer {admin.token}"}
    )
    mine = [row for row in waiting.json()["reviews"] if row["reference"] == made["transfer"]["id"]]
    assert [(row["kind"], row["amount"]) for row in mine] == [("transfer", 1000.0)]
    text = refused(await person.post("/wallet/transfer", TRANSFER), 400, "INSUFFICIENT_FUNDS")
    assert text == "Insufficient ZAR at luno"
    await house.http.post(
        f"/ops/reviews/{made['transfer']['id']}",
        json={"decision": "reject", "note": "no"},
        headers={"Authorization": f"Bearer {admin.token}"},
    )
    assert (await person.post("/wallet/transfer", TRANSFER)).status_code == 200
    statuses = [t["status"] for t in (await person.get("/wallet/transfers")).json()["transfers"]]
    assert sorted(statuses) == ["pending", "rejected"]
    await house.check_books()


async def test_a_repeat_of_a_key_is_answered_alike_and_holds_once(house: House) -> None:
    """X-C29."""
    person = await house.person(balances={"ZAR": "1500"})
    first = await person.post("/wallet/transfer", TRANSFER, Idempotency_Key="k1")
    again = await person.post("/wallet/transfer", TRANSFER, Idempotency_Key="k1")
    assert first.content == again.content
    assert again.headers["Idempotent-Replayed"] == "true"
    other = await person.post("/wallet/transfer", TRANSFER | {"amount": 1}, Idempotency_Key="k1")
    refused(other, 422, "IDEMPOTENCY_KEY_REUSED")
    short = await person.post("/wallet/transfer", TRANSFER, Idempotency_Key="k2")
    refused(short, 400, "INSUFFICIENT_FUNDS")
    replayed = await person.post("/wallet/transfer", TRANSFER, Idempotency_Key="k2")
    assert (replayed.status_code, replayed.content) == (400, short.content)
    assert len((await person.get("/wallet/transfers")).json()["transfers"]) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"to_provider": "luno"},
        {"to_provider": "nope"},
        {"from_provider": "LUNO"},
        {"from_provider": None},
        {"amount": 0},
        {"amount": -1},
        {"amount": "1000"},
        {"amount": True},
        {"amount": 0.001},
        {"amount": 1e400},
        {"amount": None},
        {"currency": "zar"},
        {"currency": "XXX"},
        {"currency": 1},
        {"reason": "x" * 201},
    ],
)
async def test_a_transfer_with_a_wrong_member_is_422(house: House, change: Any) -> None:
    """AMKT-C29."""
    person = await house.person(balances={"ZAR": "5000"})
    body = TRANSFER | change
    content = repr(body).replace("'", '"').replace("inf", "1e400")
    content = content.replace("None", "null").replace("True", "true")
    refused(await person.post("/wallet/transfer", content.encode()), 422, "VALIDATION_ERROR")
    assert (await person.get("/wallet/balances")).json()["balances"]["luno"] == {"ZAR": 5000.0}


async def test_a_transfer_from_where_nothing_is_lacks_funds(house: House) -> None:
    """AMKT-317."""
    person = await house.person()
    refused(await person.post("/wallet/transfer", TRANSFER), 400, "INSUFFICIENT_FUNDS")
