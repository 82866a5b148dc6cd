"""FC-05, FC-22..FC-25: accounts, transfers, conversion, statements, quotes."""

from datetime import UTC, datetime
from typing import Any

import trio

from tests.flows.client import Person, Socket, World


async def test_fc_05_accounts_life_cycle(world: World) -> None:
    user, other = await world.user(balances={"USD": "100"}), await world.user()
    async with world.cashier(user) as client, world.cashier(other) as stranger:
        made = await client.ask("create_account", currency="BTC", account_type="real")
        account = made["account"]
        number = account["account_number"]
        assert number.startswith("ACC-BTC-")
        assert account == {
            "id": account["id"],
            "account_number": number,
            "currency": "BTC",
            "purpose": "WALLET",
            "account_type": "REAL",
            "is_active": True,
            "is_locked": False,
            "created_at": account["created_at"],
        }
        assert made["message"] == "BTC REAL wallet account created"
        text = await client.refused("create_account", currency="BTC", account_type="real")
        assert text == f"BTC REAL wallet account already exists: {number}"
        demo = await client.ask("create_account", currency="BTC", account_type="demo")
        assert demo["account"]["account_type"] == "DEMO"
        for currency in ("KES", "XXX"):
            text = await client.refused("create_account", currency=currency, account_type="real")
            assert text == "currency not supported"
        shown = await client.ask("get_account_balance", account_number=number)
        assert shown == {
            "account_number": number,
            "balance": 0,
            "available_balance": 0,
            "pending_debit": 0,
            "pending_credit": 0,
            "currency": "BTC",
            "last_transaction": None,
        }
        for kind in ("get_account_balance", "get_account_statement", "get_ledgers"):
            text = await client.refused(kind, account_number="ACC-USD-99999999")
            assert text == "account not found"
            text = await stranger.refused(kind, account_number=user.numbers["USD"])
            assert text == "unauthorized"
    await world.check_books()


async def test_fc_22_p2p_transfer(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    payee, third = await world.user(), await world.user()
    transfer = {
        "to_user_id": payee.id,
        "amount": 25.00,
        "currency": "USD",
        "description": "Payment for services",
    }
    async with (
        world.cashier(user) as client,
        world.cashier(payee) as first,
        world.cashier(payee) as second,
        world.cashier(third) as stranger,
    ):
        done = await client.ask("transfer", **transfer)
        assert done == {
            "receipt_code": done["receipt_code"],
            "journal_id": done["journal_id"],
            "amount": 25,
            "currency": "USD",
            "fee": 0,
            "to_user_id": payee.id,
            "transfer_type": "p2p",
            "created_at": done["created_at"],
            "balance_after": 75,
            "sequence": 2,
        }
        for socket in (first, second):
            event = await socket.event("transfer_received")
            assert event["data"] == {
                "from_user_id": user.id,
                "amount": 25,
                "currency": "USD",
                "description": "Payment for services",
                "receipt_code": done["receipt_code"],
                "transfer_type": "p2p",
            }
        (account,) = (await first.ask("get_accounts"))["accounts"]
        assert await first.balance(account["account_number"]) == (25, 25, 0)
        receipt = {"receipt_code": done["receipt_code"]}
        for socket, type_, after in ((client, "DEBIT", 75), (first, "CREDIT", 25)):
            shown = await socket.ask("get_transaction_by_receipt", **receipt)
            (line,) = shown["ledgers"]
            assert (line["type"], line["amount"], line["balance_after"]) == (type_, 25, after)
        assert await stranger.refused("get_transaction_by_receipt", **receipt) == "unauthorized"
        for change, text in (
            ({"amount": 75.01}, "insufficient balance"),
            ({"amount": 0}, "amount must be greater than zero"),
            ({"currency": "EUR"}, "currency not supported"),
            ({"to_user_id": "999999999"}, "recipient not found"),
            ({"to_user_id": user.id}, "cannot transfer to yourself"),
            ({"currency": "USDT"}, "account not found"),
        ):
            assert await client.refused("transfer", **{**transfer, **change}) == text
        assert await client.balance(user.numbers["USD"]) == (75, 75, 0)
    await world.check_books()


async def test_fc_22_a_hundred_concurrent_transfers_of_sixty_affordable(world: World) -> None:
    """FC-22.5."""
    user, payee = await world.user(balances={"USD": "60.00"}), await world.user()
    texts: list[str] = []

    async def send() -> None:
        async with world.cashier(user) as client:
            for _ in range(10):
                await client.send(
                    "transfer", {"to_user_id": payee.id, "amount": 1.00, "currency": "USD"}
                )
            texts.extend([(await client.reply())["data"]["message"] for _ in range(10)])

    async with trio.open_nursery() as nursery:
        for _ in range(10):
            nursery.start_soon(send)
    assert texts.count("transfer completed") == 60
    assert texts.count("insufficient balance") == 40
    async with world.cashier(user) as client:
        assert await client.balance(user.numbers["USD"]) == (0, 0, 0)
    await world.check_books()


async def test_fc_22_opposite_transfers_at_once(world: World) -> None:
    """FC-22.6: a thousand each way, no deadlock, nothing lost."""
    one, other = [await world.user(balances={"USD": "1000.00"}) for _ in range(2)]

    async def send(payer: Person, payee: Person) -> None:
        async with world.cashier(payer) as client:
            for _ in range(1000):
                await client.send(
                    "transfer", {"to_user_id": payee.id, "amount": 0.5, "currency": "USD"}
                )
            for _ in range(1000):
                assert (await client.reply())["type"] == "success"

    async with trio.open_nursery() as nursery:
        nursery.start_soon(send, one, other)
        nursery.start_soon(send, other, one)
    for person in (one, other):
        async with world.cashier(person) as client:
            assert await client.balance(person.numbers["USD"]) == (1000, 1000, 0)
    await world.check_books()


async def test_fc_23_conversion(world: World) -> None:
    user = await world.user(balances={"USD": "100.00"})
    async with world.cashier(user) as client:
        done = await client.ask(
            "convert_and_transfer",
            from_currency="USD",
            to_currency="BTC",
            amount=50.00,
            description="Converting USD to BTC",
        )
        assert (done["source_amount"], done["fee"], done["fx_rate"]) == (50, 0.5, "42650.50")
        assert done["converted_amount"] == 0.00116059
        assert isinstance(done["fx_rate_id"], int)
        numbers = await _numbers(client)
        assert await client.balance(numbers["BTC"]) == (0.00116059, 0.00116059, 0)
        assert await client.balance(numbers["USD"]) == (50, 50, 0)
        for number in numbers.values():
            lines = (await client.ask("get_ledgers", account_number=number))["ledgers"]
            assert lines[0]["journal_id"] == done["journal_id"]
        for change, text in (
            ({"to_currency": "USD"}, "source and destination currencies must differ"),
            ({"amount": 50.01}, "insufficient balance"),
            ({"to_currency": "EUR"}, "currency not supported"),
        ):
            request = {"from_currency": "USD", "to_currency": "BTC", "amount": 10.00, **change}
            assert await client.refused("convert_and_transfer", **request) == text
    await world.check_books()


async def test_fc_24_statements_and_ledgers(world: World) -> None:
    user, payee = await world.user(balances={"USD": "100.00"}), await world.user()
    number = user.numbers["USD"]
    async with world.cashier(user) as client:
        await client.ask("deposit_request", amount=1000, local_currency="KES", service="mpesa")
        await client.event("deposit_completed")
        await client.ask("transfer", to_user_id=payee.id, amount=25.00, currency="USD")
        now = await world.now()
        period = {"from": _iso(now - 3600), "to": _iso(now + 3600)}
        statement = await client.ask("get_account_statement", account_number=number, **period)
        assert statement["opening_balance"] == 0
        assert statement["total_credits"] == 107.5
        assert statement["total_debits"] == 25
        assert statement["closing_balance"] == 82.5
        assert statement["transaction_count"] == len(statement["ledgers"]) == 3
        assert statement["ledgers"][-1]["balance_after"] == 82.5
        owner = await client.ask("get_owner_statement", **period)
        assert owner["count"] == len(owner["statements"]) == 1
        page = await client.ask("get_ledgers", account_number=number, limit=1, offset=1)
        assert (len(page["ledgers"]), page["total"]) == (1, 3)
        before = {"from": _iso(now - 86_400 * 9), "to": _iso(now - 86_400 * 8)}
        empty = await client.ask("get_account_statement", account_number=number, **before)
        assert (empty["opening_balance"], empty["closing_balance"]) == (0, 0)
        assert empty["ledgers"] == []
        reverse = {"from": period["to"], "to": period["from"]}
        text = await client.refused("get_account_statement", account_number=number, **reverse)
        assert text == "invalid date range"
    await world.check_books()


async def test_fc_25_fee_quotes_partners_and_currencies(world: World) -> None:
    user = await world.user()
    async with world.cashier(user) as client:
        expected: dict[str, tuple[dict[str, Any], tuple[float, ...]]] = {
            "transfer": ({"amount": 100.00}, (0, 0, 0, 0, 100)),
            "withdrawal": (
                {"amount": 100.00, "to_address": "TJRabPrwbZy45sbavfcjinPJC18kjpRTv8"},
                (0.5, 1.5, 2, 2, 98),
            ),
            "conversion": ({"amount": 1000.00, "target_currency": "BTC"}, (5, 0, 5, 0.5, 995)),
        }
        for kind, (request, quoted) in expected.items():
            fee = await client.ask(
                "calculate_fee", transaction_type=kind, source_currency="USD", **request
            )
            names = ("platform_fee", "network_fee", "total_fee", "fee_percentage")
            assert (*(fee[name] for name in names), fee["amount_after_fee"]) == quoted
        partners = await client.ask("get_partners", service="mpesa")
        assert [p["id"] for p in partners["partners"]] == ["safaricom_mpesa"]
        assert partners["partners"][0]["fees"] == {"deposit": 0.5, "withdrawal": 1.0}
        assert await client.ask("get_partners", service="crypto") == {"partners": [], "count": 0}
        currencies = await client.ask("get_supported_currencies")
        assert currencies["count"] == len(currencies["currencies"]) == 5


async def _numbers(client: Socket) -> dict[str, str]:
    accounts = (await client.ask("get_accounts"))["accounts"]
    return {account["currency"]: account["account_number"] for account in accounts}


def _iso(at_s: int) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%dT%H:%M:%SZ}"
