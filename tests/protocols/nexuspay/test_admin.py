"""Administration over HTTP (FN-17)."""

import re
from pathlib import Path

from storage.audit import PostgresAudit
from storage.pool import Pool
from tests.protocols.nexuspay.house import House, Person, refused
from tests.protocols.nexuspay.mpesa import BUY, balances, ended, push
from tests.protocols.nexuspay.test_history import send

_READS = ("/admin/users", "/admin/transactions", "/admin/platform-wallets")


async def test_only_administrators_may_look(house: House) -> None:
    """FN-17 step 1."""
    person = await house.person()
    for path in (*_READS, f"/admin/users/{person.object_id}"):
        refused(await person.get(path), 403, "FORBIDDEN")
        refused(await house.get(path), 401, "UNAUTHORIZED")
    fund = {"userId": person.object_id, "amount": 1, "chainName": "celo"}
    refused(await person.post("/admin/wallets/fund", fund), 403, "FORBIDDEN")
    refused(await person.post(f"/admin/users/promote/{person.object_id}"), 403, "FORBIDDEN")


async def test_users_are_listed_in_the_order_asked_for(house: House) -> None:
    """FN-17 step 2, NXPY-C63."""
    admin = await house.admin()
    person = await house.person(email="aaa@example.com", phone="+254700000001")
    body = (await admin.get("/admin/users", sortBy="email", order="asc", limit=1)).json()
    assert body["message"] == "Users retrieved successfully"
    [first] = body["data"]["users"]
    assert first == {
        "_id": person.object_id,
        "email": "aaa@example.com",
        "phoneNumber": "+254700000001",
        "walletAddress": person.address,
        "role": "user",
        "createdAt": first["createdAt"],
        "lastLogin": None,
    }
    total = body["data"]["pagination"]["total"]
    assert body["data"]["pagination"] == {"total": total, "page": 1, "limit": 1, "pages": total}
    for sort in ("createdAt", "lastLogin", "phoneNumber", "role"):
        assert (await admin.get("/admin/users", sortBy=sort)).status_code == 200
    for query in ({"sortBy": "password"}, {"order": "up"}, {"page": 0}):
        refused(await admin.get("/admin/users", **query), 400, "VALIDATION_ERROR")


async def test_one_user_is_shown_with_transactions_and_balances(house: House) -> None:
    """NXPY-301..315: balances with two decimals, over all chains."""
    admin, bob = await house.admin(), await house.person()
    balances = {"arbitrum:USDC": "50", "celo:USDC": "50.509", "celo:CELO": "25.75", "USD": "9"}
    ann = await house.person(balances=balances)
    made = await send(ann, bob, "1")
    answer = await admin.get(f"/admin/users/{ann.object_id}")
    assert answer.json()["message"] == "User retrieved successfully"
    user = answer.json()["data"]["user"]
    assert user["walletBalance"] == {"USDC": "99.50", "CELO": "25.75"}
    [transaction] = user["transactions"]
    assert transaction["transactionId"] == made
    assert (transaction["type"], transaction["status"]) == ("token_transfer", "completed")
    assert transaction["amount"] > 100
    for wanted in ("0" * 24, "nobody"):
        refused(await admin.get(f"/admin/users/{wanted}"), 404, "NOT_FOUND")


async def test_a_promoted_user_passes_with_the_token_in_use(house: House, pool: Pool) -> None:
    """FN-17 step 2, XS-06; audited."""
    admin, person = await house.admin(), await house.person()
    answer = await admin.post(f"/admin/users/promote/{person.object_id}")
    assert answer.json() == {
        "success": True,
        "message": "User promoted to admin successfully",
        "data": {"userId": person.object_id, "email": person.email, "role": "admin"},
    }
    assert (await person.get("/admin/users")).status_code == 200
    [entry] = await PostgresAudit(pool).about(f"user:{person.id}")
    assert (entry.operator_id, entry.action) == (int(admin.id), "promote user")


async def test_surfaces_may_keep_administrators_of_their_own(dsn: str, tmp_path: Path) -> None:
    """X-C08, the other choice: promoted at NexusPay, nobody else's administrator."""
    async with House.serving(dsn, tmp_path, NEXUSPAY_OWN_ADMINS="1") as house:
        admin, person = await house.admin(), await house.person()
        for one in (person, admin):
            answer = await admin.post(f"/admin/users/promote/{one.object_id}")
            assert answer.json()["data"]["role"] == "admin"

        async def elsewhere(one: Person) -> list[int]:
            headers = {"Authorization": f"Bearer {one.token}"}
            paths = ("/amarktai/api/admin/users", "/ops/reviews")
            return [(await house.http.get(path, headers=headers)).status_code for path in paths]

        assert (await person.get("/admin/users")).status_code == 200
        assert await elsewhere(person) == [403, 403]
        assert await elsewhere(admin) == [200, 200]


async def test_transactions_of_all_users_are_filtered(house: House) -> None:
    """FN-17 step 3, NXPY-C58."""
    admin, bob = await house.admin(), await house.person()
    ann = await house.person(balances={"arbitrum:USDC": "50"})
    made = await send(ann, bob, "1")
    query = {"status": "completed", "type": "token_transfer", "userId": ann.object_id}
    body = (await admin.get("/admin/transactions", startDate="2020-01-01", **query)).json()
    assert body["message"] == "Transactions retrieved successfully"
    [shown] = body["data"]["transactions"]
    assert body["data"]["pagination"]["total"] == 1
    assert re.fullmatch("0x[0-9a-f]{64}", shown["cryptoTransactionHash"])
    assert (shown["transactionId"], shown["cryptoAmount"]) == (made, 1)
    assert shown["userId"] == {
        "phoneNumber": ann.phone,
        "email": ann.email,
        "walletAddress": ann.address,
    }
    assert shown["mpesaTransactionId"] is None
    for other in ({"userId": bob.object_id}, {"userId": "0" * 24}, {"endDate": "2020-01-01"}):
        data = (await admin.get("/admin/transactions", **other)).json()["data"]
        assert data["transactions"] == [], other
    for bad in ({"status": "x"}, {"type": "x"}, {"startDate": "x"}, {"userId": "x"}):
        refused(await admin.get("/admin/transactions", **bad), 400, "VALIDATION_ERROR")
    answer = await admin.get(f"/admin/transactions/{made}")
    assert answer.json()["message"] == "Transaction retrieved successfully"
    assert answer.json()["data"] == {"transaction": shown}
    refused(await admin.get("/admin/transactions/tx123"), 404, "NOT_FOUND")


async def test_an_administrator_funds_a_user_from_the_main_wallet(house: House, pool: Pool) -> None:
    """FN-17 step 5."""
    admin, person = await house.admin(), await house.person()
    wallets = (await admin.get("/admin/platform-wallets")).json()
    assert wallets["message"] == "Platform wallet status retrieved successfully"
    before = wallets["data"]["mainWallet"]["balance"]
    body = {"userId": person.object_id, "amount": 100, "chainName": "celo"}
    async with house.socket(person.token) as socket:
        answer = await admin.post("/admin/wallets/fund", body, Idempotency_Key="fund-1")
        assert (await socket.next())["type"] == "transaction_update"
    assert answer.json()["message"] == "User wallet funded successfully"
    data = answer.json()["data"]
    assert (data["userId"], data["amount"]) == (person.object_id, 100)
    assert data["recipientAddress"] == person.address
    again = await admin.post("/admin/wallets/fund", body, Idempotency_Key="fund-1")
    assert again.json() == answer.json()
    wallets = (await admin.get("/admin/platform-wallets")).json()["data"]
    assert wallets["mainWallet"]["balance"] == before - 100
    user = (await admin.get(f"/admin/users/{person.object_id}")).json()["data"]["user"]
    assert user["walletBalance"] == {"USDC": "100.00"}
    for change, status, code in (
        ({"userId": "0" * 24}, 404, "NOT_FOUND"),
        ({"amount": 10**9}, 400, "INSUFFICIENT_BALANCE"),
        ({"amount": 0}, 400, "VALIDATION_ERROR"),
        ({"chainName": "doge"}, 400, "UNSUPPORTED_CHAIN"),
    ):
        answer = await admin.post("/admin/wallets/fund", {**body, **change})
        refused(answer, status, code)
    [entry] = await PostgresAudit(pool).about(f"user:{person.id}")
    assert (entry.operator_id, entry.action) == (int(admin.id), "fund wallet")
    assert entry.note == "100 USDC on celo"
    await house.check_books()


async def test_fees_beyond_the_balance_stay_where_they_are(house: House) -> None:
    """FN-17 step 6."""
    admin = await house.admin()
    answer = await admin.post("/admin/wallets/withdraw-fees", {"amount": 500})
    refused(answer, 400, "INSUFFICIENT_BALANCE")


async def a_purchase(house: House, outcome: str) -> tuple[Person, str]:
    """Somebody and their purchase of 0.5 USDC, pushed with this outcome."""
    person = await house.person()
    await push(house, person, outcome)
    answer = await person.post("/mpesa/buy-crypto", {**BUY, "phone": person.phone})
    return person, answer.json()["data"]["transactionId"]


async def test_an_administrator_completes_a_purchase_once(house: House, pool: Pool) -> None:
    """FN-17 step 4, NXPY-C57."""
    admin = await house.admin()
    person, made = await a_purchase(house, "no_callback")
    path = f"/admin/transactions/{made}/status"
    body = {"status": "completed", "notes": "Manually verified and completed"}
    refused(await person.put(path, body), 403, "FORBIDDEN")
    answer = await admin.put(path, body)
    assert answer.json()["message"] == "Transaction status updated successfully"
    data = answer.json()["data"]
    assert data == {
        "transactionId": made,
        "status": "completed",
        "retryCount": 0,
        "lastRetryAt": None,
        "completedAt": data["completedAt"],
    }
    again = await admin.put(path, body)
    assert (again.status_code, again.json()["data"]) == (200, data), "nothing more happens"
    assert await balances(person) == {"USDC": "0.50"}
    for status in ("failed", "pending", "reserved", "error"):
        refused(await admin.put(path, {"status": status}), 400, "VALIDATION_ERROR")
    refused(await admin.put(path, {"status": "done"}), 400, "VALIDATION_ERROR")
    refused(await admin.put("/admin/transactions/tx1/status", body), 404, "NOT_FOUND")
    [entry] = await PostgresAudit(pool).about(made)
    assert (entry.operator_id, entry.note) == (int(admin.id), body["notes"])
    await house.check_books()


async def test_an_administrator_fails_a_purchase_and_lets_it_be_tried_again(
    house: House, pool: Pool
) -> None:
    """NXPY-C57: the hold is released; a retry sets aside and asks anew."""
    admin = await house.admin()
    person, made = await a_purchase(house, "no_callback")
    path = f"/admin/transactions/{made}/status"
    assert (await admin.put(path, {"status": "failed"})).json()["data"]["status"] == "failed"
    await house.check_books()
    await push(house, person, "success")
    data = (await admin.put(path, {"status": "pending", "notes": "once more"})).json()["data"]
    assert (data["retryCount"], data["completedAt"]) == (1, None)
    assert data["lastRetryAt"] is not None
    now = await ended(person, made)
    assert now["status"] == "completed"
    detail = (await person.get(f"/transactions/{made}")).json()["data"]["transaction"]
    assert detail["references"]["retryCount"] == 1
    assert await balances(person) == {"USDC": "0.50"}
    assert len(await PostgresAudit(pool).about(made)) == 2
    await house.check_books()


async def test_a_retried_withdrawal_is_paid_out_once_more(house: House) -> None:
    admin = await house.admin()
    person = await house.person(balances={"arbitrum:USDC": "10"})
    rule = {"phone": person.phone, "operation": "b2c", "outcome": "unreachable", "times": 1}
    await house.sandbox("mpesa", rule)
    body = {"amount": "500", "phone": person.phone}
    made = (await person.post("/mpesa/withdraw", body)).json()["data"]["transactionId"]
    assert (await ended(person, made))["status"] == "failed"
    path = f"/admin/transactions/{made}/status"
    assert (await admin.put(path, {"status": "pending"})).status_code == 200
    assert (await ended(person, made))["status"] == "completed"
    assert await balances(person) == {"USDC": "6.24"}
    await house.check_books()
