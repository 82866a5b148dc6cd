"""What the client makes of a provider that misbehaves: sent once, unknown, refused."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest
import trio

from actors.clock import Clock
from actors.rails import (
    Cause,
    MobileMoney,
    MobileMoneyCallbacks,
    PushAccepted,
    Refused,
    TransferAccepted,
    Unknown,
)
from providers.mpesa import wire
from providers.mpesa.client import Callbacks, Mpesa, open_mpesa
from providers.mpesa.settings import Settings
from providers.sandbox.mpesa.account import Vault
from providers.sandbox.server import Hangup, HttpReply, HttpRequest
from tests.providers.mpesa.support import serving

Answer = Callable[[], HttpReply]
QUICK: dict[str, Any] = {"retry_seconds": 0.01}
ACCEPTED = {
    "MerchantRequestID": "m",
    "CheckoutRequestID": "ws_CO_1",
    "ConversationID": "AG_9",
    "OriginatorConversationID": "o-1",
    "ResponseCode": "0",
}


def says(status: int, **members: object) -> Answer:
    return lambda: HttpReply(status, msgspec.json.encode(members))


def hangs_up() -> HttpReply:
    raise Hangup


ACCEPT = says(200, **ACCEPTED)
OOPS = says(500, errorCode="500.003.1001", errorMessage="Internal Server Error")
SPIKE = says(429, errorCode="500.003.02", errorMessage="Spike arrest")
INVALID = says(400, errorCode="400.002.02", errorMessage="Bad Request")
DUPLICATE = says(500, errorCode="500.002.1001", errorMessage="Duplicate OriginatorConversationID.")
BAD_TOKEN = says(404, errorCode="404.001.03", errorMessage="Invalid Access Token")


@dataclass
class Daraja:
    """Answers calls from a script (the last line again and again); hands out tokens."""

    script: list[Answer]
    calls: list[HttpRequest] = field(default_factory=list)
    tokens: int = 0
    delay: float = 0.0

    async def handle(self, request: HttpRequest) -> HttpReply:
        if request.path == wire.OAUTH_PATH:
            self.tokens += 1
            return HttpReply(200, b'{"access_token":"t%d","expires_in":"3599"}' % self.tokens)
        self.calls.append(request)
        await trio.sleep(self.delay)
        answer = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        return answer()


@asynccontextmanager
async def talking(daraja: Daraja, vault: Vault, **changes: Any) -> AsyncIterator[Mpesa]:
    async with serving(daraja.handle) as base:
        settings = replace(vault.client_settings(1), base_url=base, **(QUICK | changes))
        async with open_mpesa(settings, Clock()) as mpesa:
            yield mpesa


async def push(mpesa: MobileMoney) -> PushAccepted | Refused | Unknown:
    return await mpesa.push(
        payment_id="p",
        phone="254712345678",
        amount_kes=1,
        reference="r",
        description="d",
        callback_url="https://a.example/cb",
    )


async def pay_out(mpesa: MobileMoney) -> TransferAccepted | Refused | Unknown:
    return await mpesa.pay_out(
        payment_id="AG_1",
        phone="254712345678",
        amount_kes=1,
        remarks="r",
        result_url="https://a.example/r",
        timeout_url="https://a.example/t",
    )


async def pay_till(mpesa: MobileMoney) -> TransferAccepted | Refused | Unknown:
    return await mpesa.pay_till(
        payment_id="t",
        till="123456",
        amount_kes=1,
        remarks="r",
        result_url="https://a.example/r",
        timeout_url="https://a.example/t",
    )


def test_client_and_callbacks_are_what_the_actors_ask_for(vault: Vault) -> None:
    """mypy proves it too, but only where they are handed over."""

    def typed(mpesa: Mpesa) -> tuple[MobileMoney, MobileMoneyCallbacks]:
        return mpesa, Callbacks()

    assert typed
    for interface, made in ((MobileMoney, Mpesa), (MobileMoneyCallbacks, Callbacks)):
        names = {name for name in vars(interface) if not name.startswith("_")}
        assert names <= set(dir(made))


@pytest.mark.parametrize("call", [push, pay_till])
@pytest.mark.parametrize(
    "answer", [OOPS, hangs_up, says(200), lambda: HttpReply(503), lambda: HttpReply(200, b"<html>")]
)
async def test_what_has_no_idempotency_is_sent_once_and_then_unknown(
    vault: Vault, call: Callable[[Mpesa], Any], answer: Answer
) -> None:
    daraja = Daraja([answer])
    async with talking(daraja, vault) as mpesa:
        assert isinstance(await call(mpesa), Unknown)
    assert len(daraja.calls) == 1


@pytest.mark.parametrize("call", [push, pay_out, pay_till])
async def test_no_answer_in_time_is_unknown(vault: Vault, call: Callable[[Mpesa], Any]) -> None:
    daraja = Daraja([ACCEPT], delay=10.0)
    async with talking(daraja, vault, answer_seconds=0.05) as mpesa:
        assert isinstance(await call(mpesa), Unknown)


@pytest.mark.parametrize("call", [push, pay_out, pay_till])
async def test_when_nobody_listens_nothing_was_sent(
    vault: Vault, call: Callable[[Mpesa], Any]
) -> None:
    daraja = Daraja([ACCEPT])
    async with serving(daraja.handle) as base:
        settings = replace(vault.client_settings(1), base_url=base, **QUICK)
    async with open_mpesa(settings, Clock()) as mpesa:
        refused = await call(mpesa)
    assert isinstance(refused, Refused)
    assert (refused.cause, refused.may_retry) == (Cause.NOT_SENT, True)


@pytest.mark.parametrize("call", [push, pay_out, pay_till])
async def test_a_call_turned_away_for_its_token_is_sent_once_more_with_a_new_one(
    vault: Vault, call: Callable[[Mpesa], Any]
) -> None:
    daraja = Daraja([BAD_TOKEN, ACCEPT])
    async with talking(daraja, vault) as mpesa:
        assert isinstance(await call(mpesa), PushAccepted | TransferAccepted)
    assert [request.headers["authorization"] for request in daraja.calls] == [
        "Bearer t1",
        "Bearer t2",
    ]


@pytest.mark.expects_error_log
async def test_a_call_turned_away_for_its_token_twice_is_refused(vault: Vault) -> None:
    daraja = Daraja([BAD_TOKEN])
    async with talking(daraja, vault) as mpesa:
        refused = await push(mpesa)
    assert isinstance(refused, Refused)
    assert refused.cause is Cause.CREDENTIALS
    assert len(daraja.calls) == 2


@pytest.mark.parametrize(
    ("script", "expected", "calls"),
    [
        ([OOPS, ACCEPT], TransferAccepted, 2),
        ([hangs_up, DUPLICATE], TransferAccepted, 2),
        ([SPIKE, SPIKE, ACCEPT], TransferAccepted, 3),
        ([OOPS], Unknown, 3),
        ([INVALID], Refused, 1),
        # the first may have arrived, so a later refusal proves nothing about it
        ([OOPS, INVALID], Unknown, 2),
        ([hangs_up, SPIKE], Unknown, 3),
        ([SPIKE], Refused, 3),
    ],
)
async def test_a_payout_is_repeated_under_its_own_id_until_it_is_plain(
    vault: Vault, script: list[Answer], expected: type, calls: int
) -> None:
    daraja = Daraja(list(script))
    async with talking(daraja, vault) as mpesa:
        assert isinstance(await pay_out(mpesa), expected)
    assert len(daraja.calls) == calls
    originators = {
        msgspec.json.decode(request.body)["OriginatorConversationID"] for request in daraja.calls
    }
    assert originators == {"AG_1"}


async def test_a_payout_that_may_have_arrived_stays_unknown_when_daraja_goes_away(
    vault: Vault,
) -> None:
    gone = trio.Event()

    async def once(request: HttpRequest) -> HttpReply:
        if request.path == wire.OAUTH_PATH:
            return HttpReply(200, b'{"access_token":"t","expires_in":3599}')
        gone.set()
        raise Hangup

    outcomes = []
    async with trio.open_nursery() as nursery, serving(once) as base:
        settings = replace(vault.client_settings(1), base_url=base, **QUICK)

        async def pay() -> None:
            async with open_mpesa(settings, Clock()) as mpesa:
                outcomes.append(await pay_out(mpesa))

        nursery.start_soon(pay)
        await gone.wait()
    assert isinstance(outcomes[0], Unknown)


async def test_a_query_that_cannot_be_sent_proves_nothing(vault: Vault) -> None:
    daraja = Daraja([INVALID])
    async with talking(daraja, vault) as mpesa:
        assert isinstance(await mpesa.query_push("ws"), Unknown)
    async with open_mpesa(replace(vault.client_settings(9), **QUICK), Clock()) as mpesa:
        assert isinstance(await mpesa.query_push("ws"), Unknown)


async def test_many_first_calls_at_once_buy_one_token(vault: Vault) -> None:
    daraja = Daraja([ACCEPT])
    async with talking(daraja, vault) as mpesa, trio.open_nursery() as nursery:
        for _ in range(30):
            nursery.start_soon(push, mpesa)
    assert (len(daraja.calls), daraja.tokens) == (30, 1)


async def test_a_certificate_that_is_none_stops_the_start() -> None:
    settings = Settings(
        base_url="http://127.0.0.1:9",
        consumer_key="k",
        consumer_secret="s",
        passkey="p",
        initiator="i",
        initiator_password="w",
        certificate_pem=b"not a certificate",
        collect_shortcode="1",
        payout_shortcode="2",
    )
    with pytest.raises(ValueError, match="PEM"):
        async with open_mpesa(settings, Clock()):
            pass
