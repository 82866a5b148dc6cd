"""FC-14, FC-20, XS-07: cryptocurrency in and out, over the real port and the simulated chains."""

import json
from collections.abc import Callable
from typing import Any

import pytest
import trio

from tests.flows.client import Person, Socket, World

DOCUMENTED = "TYzK7gD3K4VwY8uP..."
OUTSIDE = "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t"  # a real contract, and nobody's address here
BITCOIN = "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"
EVM = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
SEEDED = "0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7"
CHAIN = {"USDT": "tron", "TRX": "tron", "BTC": "bitcoin", "USDC": "polygon"}
QR = "https://api.qrserver.com/v1/create-qr-code/?data="


async def announce(client: Socket, currency: str, amount: float) -> dict[str, Any]:
    made: dict[str, Any] = await client.ask(
        "deposit_request", amount=amount, local_currency=currency, service="crypto"
    )
    return made


async def pay(world: World, currency: str, address: str, amount: str, blocks: int = 0) -> str:
    """An outsider pays the address; the transaction's hash."""
    chain = CHAIN[currency]
    paid = await world.post(
        f"/sandbox/chains/{chain}/deposit", address=address, token=currency, amount=amount
    )
    if blocks:
        await world.post(f"/sandbox/chains/{chain}/blocks", count=blocks)
    tx_hash: str = paid["tx_hash"]
    return tx_hash


async def patient(client: Socket, kind: str) -> Any:
    """An event that has to wait for a chain."""
    with trio.fail_after(60):
        while not any(event["type"] == kind for event in client.events):
            await trio.sleep(0.05)
    return await client.event(kind)


async def mined(world: World, client: Socket, kind: str, chain: str) -> Any:
    """The same, while the chain's blocks are made more quickly than by themselves."""
    with trio.fail_after(60):
        while not any(event["type"] == kind for event in client.events):
            await world.post(f"/sandbox/chains/{chain}/blocks", count=1)
            await trio.sleep(0.2)
    return await client.event(kind)


async def withdraw(
    world: World, client: Socket, user: Person, currency: str, to: str, amount: float
) -> dict[str, Any]:
    token = await client.token(world, user)
    made: dict[str, Any] = await client.ask(
        "withdraw_request",
        amount=amount,
        local_currency=currency,
        service="crypto",
        destination=to,
        verification_token=token,
        consent=True,
    )
    return made


async def test_fc_20_a_deposit_is_credited_when_it_is_confirmed(world: World) -> None:
    user = await world.user()
    async with world.cashier(user) as client:
        made = await announce(client, "USDT", 100)
        address, ref = made["wallet_address"], made["request_ref"]
        assert ref.startswith("DEP-USDT-")
        assert (len(address), address[0]) == (34, "T")
        assert made == {
            "request_ref": ref,
            "amount": 100,
            "currency": "USDT",
            "chain": "TRC20",
            "wallet_address": address,
            "qr_code_url": QR + address,
            "status": "awaiting_deposit",
            "instructions": "Send exactly 100.00 USDT to the address above",
            "minimum_confirmations": 1,
        }
        assert (await announce(client, "USDT", 100))["wallet_address"] == address
        await pay(world, "USDT", address, "100")
        event = (await patient(client, "deposit_completed"))["data"]
        assert event == {
            "request_ref": ref,
            "amount": 100,
            "currency": "USDT",
            "receipt_code": event["receipt_code"],
            "status": "completed",
            "completed_at": event["completed_at"],
        }
        accounts = (await client.ask("get_accounts"))["accounts"]
        number = next(a["account_number"] for a in accounts if a["currency"] == "USDT")
        assert await client.balance(number) == (100, 100, 0)
        shown = await client.ask("get_deposit_status", request_ref=ref)
        assert (shown["status"], shown["receipt_code"]) == ("completed", event["receipt_code"])
        await client.quiet("deposit_completed", 2.5)  # the second request still waits
    await world.check_books()


async def test_fc_20_what_arrives_counts_not_what_was_announced(world: World) -> None:
    """Too little, and then something that nobody announced: all of it is credited."""
    user = await world.user()
    async with world.cashier(user) as client:
        made = await announce(client, "USDT", 100)
        await pay(world, "USDT", made["wallet_address"], "60")
        event = (await patient(client, "deposit_completed"))["data"]
        assert (event["request_ref"], event["amount"]) == (made["request_ref"], 60)
        shown = await client.ask("get_deposit_status", request_ref=made["request_ref"])
        # What was announced stays, as at creation (CASH-209); the value is of what came.
        assert (shown["amount_local"], shown["amount_usd"]) == (100, 60)
        await pay(world, "USDT", made["wallet_address"], "7.25")
        event = (await patient(client, "deposit_completed"))["data"]
        assert event["amount"] == 7.25
        assert event["request_ref"] != made["request_ref"]
        history = (await client.ask("get_history", type="deposits"))["deposits"]
        assert [(d["amount"], d["status"]) for d in history] == [
            (7.25, "completed"),
            (60, "completed"),
        ]
        refused = await client.refused(
            "deposit_request", amount=100, local_currency="USD", service="crypto"
        )
        assert refused == "currency not supported"
    await world.check_books()


@pytest.mark.parametrize(
    ("currency", "amount", "name"),
    [("TRX", "12.5", "TRON"), ("BTC", "0.5", "BITCOIN"), ("USDC", "30", "POLYGON")],
)
async def test_every_currency_comes_in_on_its_chain(
    world: World, currency: str, amount: str, name: str
) -> None:
    """CASH-C58."""
    user = await world.user()
    async with world.cashier(user) as client:
        made = await announce(client, currency, float(amount))
        assert made["chain"] == name
        await pay(world, currency, made["wallet_address"], amount)
        event = (await mined(world, client, "deposit_completed", CHAIN[currency]))["data"]
        assert (event["currency"], event["amount"]) == (currency, float(amount))
        assert event["request_ref"] == made["request_ref"]


async def test_a_deposit_whose_block_is_replaced_is_credited_once(world: World) -> None:
    """Before it has its confirmations, and again after it was credited."""
    user = await world.user()
    async with world.cashier(user) as client:
        made = await announce(client, "USDC", 40)
        await pay(world, "USDC", made["wallet_address"], "40", 2)
        await world.post("/sandbox/chains/polygon/reorg", depth=2)
        event = await mined(world, client, "deposit_completed", "polygon")
        assert event["data"]["amount"] == 40
        await world.post("/sandbox/chains/polygon/reorg", depth=12)
        await world.post("/sandbox/chains/polygon/blocks", count=12)
        await client.quiet("deposit_completed", 2.5)
        accounts = (await client.ask("get_accounts"))["accounts"]
        number = next(a["account_number"] for a in accounts if a["currency"] == "USDC")
        assert await client.balance(number) == (40, 40, 0)
    await world.check_books()


async def test_a_deposit_that_is_dropped_before_it_is_confirmed_is_never_credited(
    world: World,
) -> None:
    user = await world.user()
    async with world.cashier(user) as client:
        made = await announce(client, "USDC", 40)
        # What other flows did lies deeper than what is dropped here.
        await world.post("/sandbox/chains/polygon/blocks", count=40)
        await trio.sleep(1.2)
        await pay(world, "USDC", made["wallet_address"], "40", 1)
        await trio.sleep(1.2)  # it is seen
        await world.post("/sandbox/chains/polygon/reorg", depth=30, drop=True)
        await world.post("/sandbox/chains/polygon/blocks", count=10)
        await client.quiet("deposit_completed", 2.5)
        shown = await client.ask("get_deposit_status", request_ref=made["request_ref"])
        assert shown["status"] == "awaiting_deposit"


async def test_fc_14_a_withdrawal_is_held_until_the_chain_confirms_it(world: World) -> None:
    user = await world.user(balances={"USDT": "250.00"})
    number = user.numbers["USDT"]
    async with world.cashier(user) as client:
        quoted = await client.ask(
            "calculate_fee",
            transaction_type="withdrawal",
            amount=100.00,
            source_currency="USDT",
            to_address=OUTSIDE,
        )
        assert quoted == {
            "platform_fee": 0.5,
            "network_fee": 1.5,
            "total_fee": 2,
            "fee_percentage": 2,
            "amount_after_fee": 98,
            "currency": "USDT",
        }
        made = await withdraw(world, client, user, "USDT", DOCUMENTED, 100)
        ref, receipt = made["request_ref"], made["receipt_code"]
        assert ref.startswith("WTH-USDT-")
        assert made == {
            "request_ref": ref,
            "receipt_code": receipt,
            "amount": 100,
            "currency": "USDT",
            "chain": "TRC20",
            "destination_address": DOCUMENTED,
            "network_fee": 1.5,
            "platform_fee": 0.5,
            "total_fee": 2,
            "amount_to_receive": 98,
            "status": "processing",
            "tx_hash": None,
            "estimated_completion": made["estimated_completion"],
            "balance_after": 250,
            "sequence": 1,
        }
        assert await client.balance(number) == (250, 150, 100)
        event = (await patient(client, "withdraw_completed"))["data"]
        assert event == {
            "request_ref": ref,
            "amount": 100,
            "currency": "USDT",
            "receipt_code": receipt,
            "status": "completed",
            "completed_at": event["completed_at"],
        }
        assert await client.balance(number) == (150, 150, 0)
        shown = await client.ask("get_transaction_by_receipt", receipt_code=receipt)
        assert {f["type"]: f["amount"] for f in shown["fees"]} == {
            "PLATFORM_FEE": 0.5,
            "NETWORK_FEE": 1.5,
        }
        assert sum(line["amount"] for line in shown["ledgers"]) == 100
    await world.check_books()


@pytest.mark.parametrize(
    ("currency", "held", "amount", "to"),
    [("BTC", "0.5", 0.2, BITCOIN), ("USDC", "50", 20, EVM), ("TRX", "900", 100, OUTSIDE)],
)
async def test_every_currency_goes_out_on_its_chain(
    world: World, currency: str, held: str, amount: float, to: str
) -> None:
    user = await world.user(balances={currency: held})
    async with world.cashier(user) as client:
        made = await withdraw(world, client, user, currency, to, amount)
        event = (await mined(world, client, "withdraw_completed", CHAIN[currency]))["data"]
        assert (event["request_ref"], event["amount"]) == (made["request_ref"], amount)
        left = round(float(held) - amount, 8)
        assert await client.balance(user.numbers[currency]) == (left, left, 0)


@pytest.mark.parametrize(
    ("currency", "to"),
    [
        ("USDT", ""),
        ("USDT", "TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6T"),  # its checksum is wrong
        ("USDT", EVM),
        ("USDT", "TYzK7gD3K4VwY8uP.."),
        ("USDC", DOCUMENTED),
        ("USDC", "0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        ("BTC", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5"),
        ("BTC", "tb1qw508d6qejxtdg4y5r3zarvary0c5xw7kxpjzsx"),
    ],
)
async def test_an_address_that_is_none_on_its_chain_is_refused(
    world: World, currency: str, to: str
) -> None:
    """CASH-C29: nothing is held, and the token stays good."""
    user = await world.user(balances={currency: "100"})
    async with world.cashier(user) as client:
        token = await client.token(world, user)
        request = {
            "amount": 50,
            "local_currency": currency,
            "service": "crypto",
            "destination": to,
            "verification_token": token,
            "consent": True,
        }
        assert await client.refused("withdraw_request", **request) == "invalid destination"
        assert await client.balance(user.numbers[currency]) == (100, 100, 0)


@pytest.mark.parametrize("fault", ["down", "error", "slow"])
async def test_a_chain_that_fails_delays_a_withdrawal_and_never_doubles_it(
    world: World, fault: str
) -> None:
    user = await world.user(balances={"TRX": "500"})
    number = user.numbers["TRX"]
    async with world.cashier(user) as client:
        await world.post("/sandbox/faults", target="chain", fault=fault, times=4)
        made = await withdraw(world, client, user, "TRX", OUTSIDE, 100)
        assert made["status"] == "processing"
        assert await client.balance(number) == (500, 400, 100)
        event = await patient(client, "withdraw_completed")
        assert event["data"]["request_ref"] == made["request_ref"]
        assert await client.balance(number) == (400, 400, 0)
    await world.check_books()


async def test_xs_07_a_withdrawal_to_an_address_of_this_house_is_settled_in_the_ledger(
    world: World,
) -> None:
    """The sender is told at the cashier, the receiver at NexusPay; no chain hears of it."""
    user = await world.user(balances={"USDC": "50"})
    other = await world.post("/sandbox/users", balances={"polygon:USDC": "1"})
    async with (
        world.cashier(user) as client,
        world.socket("/nexuspay/ws") as nexus,
    ):
        await nexus.connection.send_message(json.dumps({"type": "auth", "token": other["token"]}))
        made = await withdraw(world, client, user, "USDC", other["wallet_address"], 20)
        assert made["amount_to_receive"] == 19.4
        event = (await client.event("withdraw_completed"))["data"]
        assert event["request_ref"] == made["request_ref"]
        assert await client.balance(user.numbers["USDC"]) == (30, 30, 0)
        update = await nexus.event("transaction_update")
        assert "confirmed" in json.dumps(update)
        headers = {"Authorization": f"Bearer {other['token']}"}
        path = "/nexuspay/api/transactions/history"
        history = (await world.http.get(path, headers=headers)).json()["data"]["transactions"]
        assert [(t["token"]["amount"], t["status"]) for t in history] == [(19.4, "completed")]
    await world.check_books()


@pytest.mark.parametrize(
    ("currency", "respelled"), [("USDT", str), ("USDC", str.lower), ("BTC", str.upper)]
)
async def test_xs_07_a_withdrawal_to_another_customers_deposit_address_completes_their_request(
    world: World, currency: str, respelled: Callable[[str], str]
) -> None:
    """However the sender has spelled it."""
    sender, receiver = await world.user(balances={currency: "200"}), await world.user()
    async with world.cashier(sender) as paying, world.cashier(receiver) as paid:
        asked = await announce(paid, currency, 98)
        to = respelled(asked["wallet_address"])
        made = await withdraw(world, paying, sender, currency, to, 100)
        await paying.event("withdraw_completed")
        event = (await paid.event("deposit_completed"))["data"]
        assert event["request_ref"] == asked["request_ref"]
        assert event["amount"] == made["amount_to_receive"]
    await world.check_books()


async def test_tokens_that_come_to_a_wallet_address_are_credited_on_their_chain(
    world: World,
) -> None:
    """The seeded address of contract.md has no key here and receives all the same."""
    made = await world.post("/sandbox/users")
    async with world.socket("/nexuspay/ws") as nexus:
        await nexus.connection.send_message(json.dumps({"type": "auth", "token": made["token"]}))
        for address in (made["wallet_address"], SEEDED):
            paid = await world.post(
                "/sandbox/chains/arbitrum/deposit", address=address, token="USDC", amount="12.5"
            )
            assert paid["tx_hash"].startswith("0x")
        await mined(world, nexus, "transaction_update", "arbitrum")
    headers = {"Authorization": f"Bearer {made['token']}"}
    answer = await world.http.get("/nexuspay/api/transactions/history", headers=headers)
    (row,) = answer.json()["data"]["transactions"]
    assert (row["token"]["amount"], row["blockchain"]["chain"]) == (12.5, "arbitrum")
    await world.check_books()


@pytest.mark.parametrize(
    ("chain", "body", "status"),
    [
        ("nowhere", {"address": EVM, "token": "USDC", "amount": "1"}, 404),
        ("tron", {"address": EVM, "token": "USDT", "amount": "1"}, 400),
        ("polygon", {"address": EVM, "token": "DOGE", "amount": "1"}, 400),
        ("polygon", {"address": EVM, "token": "USDC", "amount": "0"}, 400),
        ("polygon", {"address": EVM, "token": "USDC", "amount": "-1"}, 400),
        ("polygon", {"address": EVM, "token": "USDC", "amount": "NaN"}, 400),
        ("polygon", {"address": EVM, "token": "USDC", "amount": "1e400"}, 400),
        ("polygon", {"address": EVM, "token": "USDC", "amount": "0.0000001"}, 400),
    ],
)
async def test_a_deposit_that_no_chain_could_make_is_refused(
    world: World, chain: str, body: dict[str, str], status: int
) -> None:
    answer = await world.http.post(f"/sandbox/chains/{chain}/deposit", json=body)
    assert answer.status_code == status, answer.text
