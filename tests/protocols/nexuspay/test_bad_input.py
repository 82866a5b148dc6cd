"""What is not the documented request moves nothing and is answered in the standard body."""

import json
from typing import Any

import pytest

from tests.protocols.nexuspay.house import House, Person, refused
from tests.protocols.nexuspay.mpesa import balances


async def _sender(house: House) -> tuple[Person, dict[str, Any]]:
    """Somebody with 5 USDC, and a transfer of 1 that would work."""
    person = await house.person(balances={"arbitrum:USDC": "5"})
    other = await house.person()
    order = {
        "recipientIdentifier": other.address,
        "amount": "1",
        "senderAddress": person.address,
        "chain": "arbitrum",
    }
    return person, order


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "text/json"])
async def test_a_body_that_is_called_something_else_than_json_is_refused(
    house: House, kind: str
) -> None:
    person, order = await _sender(house)
    refused(
        await person.post("/token/sendToken", order, Content_Type=kind), 400, "VALIDATION_ERROR"
    )
    assert await balances(person) == {"USDC": "5.00"}


@pytest.mark.parametrize("kind", ["application/json", "Application/JSON; charset=utf-8"])
async def test_json_by_its_name_is_taken(house: House, kind: str) -> None:
    person, order = await _sender(house)
    answer = await person.post("/token/sendToken", order, Content_Type=kind)
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("member", ["recipientIdentifier", "amount", "senderAddress", "chain"])
async def test_bad_utf_8_in_any_member_is_malformed_json(house: House, member: str) -> None:
    person, order = await _sender(house)
    body = json.dumps({**order, member: "@"}).encode().replace(b"@", b"\xff\xfe")
    refused(await person.post("/token/sendToken", body), 400, "VALIDATION_ERROR")
    assert await balances(person) == {"USDC": "5.00"}


async def test_a_number_may_have_an_exponent_and_a_text_may_not(house: House) -> None:
    """NXPY-C33 speaks of texts. A JSON number is its value however it is written: browsers write
    0.0000001 as 1e-7, and nobody can make them write it otherwise."""
    person, order = await _sender(house)
    body = json.dumps({**order, "amount": "@"}).encode()
    for text in (b'"1e0"', b'" 1 "', b'"NaN"', b'"-1"', b'"+1"', b'"1_0"', b'"0x1"', b"1e400"):
        answer = await person.post("/token/sendToken", body.replace(b'"@"', text))
        refused(answer, 400, "VALIDATION_ERROR")
    assert await balances(person) == {"USDC": "5.00"}
    answer = await person.post("/token/sendToken", body.replace(b'"@"', b"1.25e0"))
    assert answer.json()["data"]["amount"] == "1.25 USDC"


async def test_events_of_an_address_with_a_wrong_checksum_are_refused(house: House) -> None:
    """NXPY-C19: an address whose case says that a digit is wrong."""
    person = await house.person()
    wrong = "0x" + person.address[2:].swapcase()
    answer = await person.get("/token/tokenTransferEvents", address=wrong)
    refused(answer, 400, "VALIDATION_ERROR")
    for right in (person.address, person.address.lower(), "0x123"):
        answer = await person.get("/token/tokenTransferEvents", address=right)
        assert answer.status_code == 200
