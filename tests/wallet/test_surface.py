"""What the wallet shares with every surface: shapes of errors, CORS, hosts, limits of size."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import pytest

from assembly.options import OptionError, read_options
from assembly.wallet import wallet_log
from tests.wallet.house import CODE, FUND, STATUS, VERIFY, House


async def test_framework_errors_have_the_surfaces_shape(house: House) -> None:
    """X-C21."""
    person = await house.person()
    for method, path, content, status, message in (
        ("GET", "/wallet/api/wallet/nothing", b"", 404, "Not found"),
        ("GET", FUND, b"", 405, "Method not allowed"),
        ("POST", FUND, b"{", 400, "Malformed JSON"),
        ("POST", VERIFY, b"\xff", 400, "Malformed JSON"),
        ("POST", FUND, b"[]", 400, "Invalid request body"),
        ("POST", FUND, b"[" * 5000, 400, "Malformed JSON"),
        ("POST", FUND, b" " * 20_000, 413, "Request body too large"),
    ):
        answer = await house.http.request(method, path, content=content, headers=person.headers)
        assert (answer.status_code, answer.json()) == (status, {"message": message})


async def test_browsers_may_ask_first(house: House) -> None:
    """X-C25."""
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    for path in (FUND, VERIFY, STATUS):
        preflight = await house.http.options(path, headers=asked)
        assert preflight.status_code == 204
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "Idempotency-Key" in preflight.headers["access-control-allow-headers"]
    refused = await house.http.post(FUND, headers={"Origin": "https://app.example"})
    assert refused.status_code == 401
    assert "X-RateLimit-Limit" in refused.headers["access-control-expose-headers"]


async def test_a_host_header_reaches_the_wallet_without_its_prefix(
    dsn: str, tmp_path: Path
) -> None:
    async with House.serving(dsn, tmp_path, WALLET_HOSTS="wallet.example") as house:
        person = await house.person()
        headers = person.headers | {"Host": "wallet.example"}
        path = FUND.removeprefix("/wallet")
        answer = await house.http.post(path, json={"amount": 5000}, headers=headers)
        assert answer.status_code == 200


async def test_a_day_has_its_limit(dsn: str, tmp_path: Path) -> None:
    """WOTP-C01: what is credited, or may be, counts; what is not proved does not."""
    async with House.serving(dsn, tmp_path, WALLET_DAILY_LIMIT="3000000") as house:
        person, admin = await house.person(), await house.person(admin=True)
        over = {"message": "Invalid funding amount", "details": "Daily funding limit exceeded"}
        assert (await person.fund(3_000_000.01)).json() == over
        assert (await person.fund(3_000_000)).status_code == 200
        reference = await person.reference(2_000_000, email="elsewhere@example.com")
        assert (await person.verify(reference)).status_code == 200
        answer = await person.fund(1_000_000.01)
        assert (answer.status_code, answer.json()) == (400, over)
        assert (await person.fund(1_000_000)).status_code == 200
        await house.rule(admin, reference, "reject")
        assert (await person.verify(await person.reference(3_000_000))).status_code == 200
        assert (await person.fund(100)).json() == over
        other = await house.person()
        assert (await other.fund(3_000_000)).status_code == 200


async def test_the_limit_is_new_at_midnight(dsn: str, tmp_path: Path) -> None:
    async with House.serving(dsn, tmp_path, WALLET_DAILY_LIMIT="5000") as house:
        person = await house.person()
        assert (await person.verify(await person.reference(5000))).status_code == 200
        assert (await person.fund(100)).status_code == 400
        now = (await house.sandbox("clock", {"advance_seconds": 0}))["now"]
        hours, minutes, seconds = (int(part) for part in now[11:19].split(":"))
        await house.advance(86_400 - hours * 3600 - minutes * 60 - seconds)
        token = await house.sandbox("token", {"user": person.id})
        person.headers = {"Authorization": f"Bearer {token['token']}"}
        assert (await person.fund(5000)).status_code == 200


@pytest.mark.parametrize("risky", [False, True])
async def test_codes_are_in_no_log_and_every_transaction_is(
    dsn: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, risky: bool
) -> None:
    """WOTP-103, WOTP-115, WOTP-116."""
    caplog.set_level(logging.DEBUG)
    log = tmp_path / "elsewhere" / "wallet.log"
    async with House.serving(dsn, tmp_path, SANDBOX_RANDOM_CODES="1", WALLET_LOG=str(log)) as house:
        person = await house.person()
        amount = 2_000_000 if risky else 5000
        address = "elsewhere@example.com" if risky else person.email
        reference = await person.reference(amount, email=address)
        code = (await house.messages(address))[0]["code"]
        wrong = f"{(int(code) + 1) % 1_000_000:06d}"
        assert (await person.verify(reference, wrong)).status_code == 400
        verified = await person.verify(reference, code)
        assert verified.status_code == 200
        lines = [json.loads(line) for line in log.read_text().splitlines()]
    last = "funding.under_review" if risky else "funding.credited"
    events = [line["event"] for line in lines]
    assert events == ["funding.opened", "funding.code_refused", last]
    assert lines[-1]["transaction_id"] == verified.json()["transactionId"]
    assert {line["reference"] for line in lines} == {reference}
    everything = log.read_text() + caplog.text
    assert reference in everything
    for secret in (code, wrong, person.headers["Authorization"].split()[1]):
        assert secret not in everything


async def test_the_examples_of_the_document_work(house: House) -> None:
    """Its curl calls, with the seeded user's token."""
    token = (await house.sandbox("token", {"user": "test@example.com"}))["token"]
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    funded = await house.http.post(
        FUND, content=b'{"amount": 5000, "email": "user@example.com"}', headers=headers
    )
    assert funded.status_code == 200
    body = {"otp": CODE, "transaction_reference": funded.json()["transactionReference"]}
    verified = await house.http.post(VERIFY, json=body, headers=headers)
    assert verified.json()["newBalance"] == 5000


async def test_a_wallet_purchase_has_codes_of_its_own(house: House) -> None:
    """WOTP-C13: sent and shown, and good for nothing else."""
    person = await house.person()
    reference = await person.reference()
    assert (await person.send("wallet_deduction")).status_code == 200
    assert (await person.status("wallet_deduction"))["hasPendingOTP"]
    assert (await person.verify(reference)).status_code == 200
    assert (await person.status("wallet_deduction"))["hasPendingOTP"]


async def test_a_code_without_a_funding_is_sent_all_the_same(house: House) -> None:
    """WOTP-C12."""
    person = await house.person()
    sent = await person.send()
    assert (sent.status_code, sent.json()["email"]) == (200, person.email)
    assert (await person.status())["hasPendingOTP"]


async def test_whoever_has_no_address_must_give_one(house: House) -> None:
    """WOTP-C02; and nothing of theirs is registered, so it is another one (X-C02)."""
    person = await house.person(email=None, phone="+254712999001")
    answer = await person.fund()
    assert (answer.status_code, answer.json()) == (400, {"message": "Invalid email address"})
    answer = await person.fund(email="new@example.com")
    assert answer.json()["fraudRiskLevel"] == "medium"


def test_only_the_sandbox_makes_money_by_itself() -> None:
    """FUNDING_SOURCE in docs/configuration.md."""
    assert not read_options({}).funding_needs_operator
    assert read_options({"FUNDING_SOURCE": "operator"}).funding_needs_operator
    live = replace(read_options({}), app_mode="live")
    assert live.funding_needs_operator
    assert not replace(live, funding_source="account").funding_needs_operator
    with pytest.raises(OptionError, match="FUNDING_SOURCE must be account or operator"):
        read_options({"FUNDING_SOURCE": "bank"})


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    options = read_options({"WALLET_LOG": str(tmp_path)})
    with pytest.raises(OptionError, match="WALLET_LOG: cannot write"), wallet_log(options):
        pass
