"""Cash customers pay unasked (C2B): addresses registered at start, asked before, told after.

The simulated M-Pesa remembers which addresses our server registered, with the secret in them; the
test plays the provider that calls there.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from providers.sandbox.mpesa.store import FileStore
from tests.flows.client import World, until_status
from tests.flows.conftest import serving
from tests.flows.mpesa import B2C, line, new_hash, ordered

_receipts = itertools.count()
ACCEPTED = {"ResultCode": 0, "ResultDesc": "Accepted"}


@pytest.fixture(scope="module")
def incoming(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that takes unasked cash, and its folder."""
    folder = tmp_path_factory.mktemp("incoming")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("MPESA_INCOMING", "1")
        with serving(folder) as (base, _):
            yield base, folder


async def registered(folder: Path) -> tuple[str, str]:
    """The confirmation and the validation address, once M-Pesa has been told them."""
    with trio.fail_after(30):
        while True:
            for line in FileStore(folder / "data" / "sandbox" / "mpesa").load():
                if addresses := json.loads(line).get("addresses"):
                    return addresses["confirmation_url"], addresses["validation_url"]
            await trio.sleep(0.05)


def notice(reference: str, amount: str = "150.00", receipt: str = "") -> dict[str, Any]:
    """Daraja's validation and confirmation body."""
    return {
        "TransactionType": "Pay Bill",
        "TransID": receipt or f"RKT{next(_receipts):07d}",
        "TransTime": "20191122063845",
        "TransAmount": amount,
        "BusinessShortCode": "174379",
        "BillRefNumber": reference,
        "InvoiceNumber": "",
        "OrgAccountBalance": "",
        "ThirdPartyTransID": "",
        "MSISDN": "2547 ***** 126",
        "FirstName": "John",
        "MiddleName": "",
        "LastName": "",
    }


async def test_unasked_cash_is_checked_credited_once_and_never_forged(
    incoming: tuple[str, Path],
) -> None:
    """facts/mpesa-daraja.md, "C2B"; X-C14, X-C15."""
    base, folder = incoming
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        world = World(http)
        confirm, validate = await registered(folder)
        ann = await world.user(balances={"KES": "0"})
        number = ann.numbers["KES"]

        async def said(url: str, body: Any) -> Any:
            answer = await http.post(url, json=body)
            assert answer.status_code == 200, answer.text
            return answer.json()

        async def withdrawn(amount: int) -> str:
            async with line(world, B2C + new_hash(), ann) as socket:
                await socket.send("withdraw", **ordered(amount))
                reply = await socket.first()
            return str(reply["payload"].get("code") or reply["payload"]["status"])

        assert (await said(validate, notice(number)))["ResultCode"] == "0"
        assert (await said(validate, notice("nobody")))["ResultCode"] == "C2B00012"
        assert (await said(validate, notice(number, "0")))["ResultCode"] == "C2B00016"
        bare = validate.partition("?")[0]
        assert (await said(bare, notice(number)))["ResultCode"] == "C2B00016"

        body = notice(number)
        forged = confirm.partition("?")[0]
        for address in (forged, forged + "?key=" + "0" * 40):
            assert await said(address, notice(number, "999999.00")) == ACCEPTED
        for _ in range(3):
            assert await said(confirm, body) == ACCEPTED
        assert await said(confirm, {"TransID": 5}) == ACCEPTED
        assert await said(confirm, notice("nobody")) == ACCEPTED  # into suspense
        await trio.sleep(0.5)
        assert await withdrawn(151) == "INSUFFICIENT_FUNDS"
        assert await world.until(lambda: withdrawn(150), lambda it: it == "queued") == "queued"
        assert await withdrawn(1) == "INSUFFICIENT_FUNDS"
        await world.check_books()


async def test_cash_typed_in_for_a_deposit_is_not_taken_for_its_own(
    incoming: tuple[str, Path],
) -> None:
    """X-C15: the deposit was found paid by asking, so that its receipt is not known yet. Both are
    booked, each as large as it is, and what was not credited can be given back."""
    base, folder = incoming
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        world = World(http)
        confirm, _ = await registered(folder)
        admin = (await world.post("/sandbox/token", user="admin@example.com"))["token"]

        async def ops(path: str, **body: Any) -> Any:
            answer = await http.post(path, json=body, headers={"Authorization": f"Bearer {admin}"})
            return answer.json()

        async def given_back(receipt: str) -> Any:
            return await ops("/ops/reversals", receipt=receipt)

        ann, typed = await world.user(), notice("", "500.00")
        await world.rule("lost_callback", phone=ann.mpesa)
        async with world.cashier(ann) as client:
            order = {"amount": 1000, "local_currency": "KES", "service": "mpesa"}
            ref = (await client.ask("deposit_request", **order))["request_ref"]
            paid = await world.until(lambda: world.operation(ann.mpesa), lambda it: it["receipt"])
            await world.advance(121)
            await until_status(world, client, ref, "completed")
        await http.post(confirm, json={**typed, "BillRefNumber": ref[-12:]})
        unknown = {"error": "no such receipt"}
        found = await world.until(lambda: given_back(typed["TransID"]), lambda it: it != unknown)
        assert found.get("amount") == 500, found
        await ops("/ops/reconcile")
        assert await given_back(paid["receipt"]) == {"error": "the cash was credited to its owner"}
        await world.check_books()
