"""The HTTP message providers' clients against their simulators, over real loopback."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx
import pytest
import trio

from actors.clock import Clock
from actors.messenger import Again, Channel, Refused, Sent, Unknown
from providers.africastalking import codec as africastalking
from providers.africastalking.client import AfricasTalking
from providers.sandbox import sms, whatsapp
from providers.sandbox.fault import Fault
from providers.sandbox.outbox import Outbox
from providers.sandbox.server import Hangup, HttpReply, HttpRequest, serve_http
from providers.twilio import codec as twilio
from providers.twilio.client import Twilio
from providers.whatsapp import codec as whatsapp_codec
from providers.whatsapp.client import WhatsApp

QUICK = httpx.Timeout(connect=2, pool=2, write=2, read=0.2)


@dataclass
class World:
    """Both simulators up, all three clients pointed at them."""

    clock: Clock
    outbox: Outbox
    fault: Fault
    http: httpx.AsyncClient
    sms_url: str
    channels: dict[str, Channel]

    async def send(self, name: str, to: str = "254712345678", code: str = "123456"):
        text = f"Your verification code is {code}"
        return await self.channels[name].deliver(to, text, subject=None, code=code)


@pytest.fixture
async def world(nursery) -> AsyncIterator[World]:
    clock = Clock(wall_us=lambda: 1_706_400_000_000_000)
    outbox, fault = Outbox(clock.now_us), Fault(clock.now_us)
    ids = iter(f"{n:032x}" for n in range(1000))
    sms_port = await nursery.start(
        _serve, sms.SmsServer(outbox, fault, lambda: next(ids), slow_seconds=0.5)
    )
    wa_port = await nursery.start(
        _serve, whatsapp.WhatsAppServer(outbox, fault, lambda: next(ids), slow_seconds=0.5)
    )
    sms_url, wa_url = f"http://127.0.0.1:{sms_port}", f"http://127.0.0.1:{wa_port}"
    async with httpx.AsyncClient() as http:
        channels: dict[str, Channel] = {
            "africastalking": AfricasTalking(
                http,
                africastalking.Settings(sms.AT_USERNAME, sms.AT_API_KEY, None, sms_url),
                QUICK,
            ),
            "twilio": Twilio(
                http,
                twilio.Settings(sms.TWILIO_SID, sms.TWILIO_TOKEN, "+15005550006", sms_url),
                QUICK,
            ),
            "whatsapp": WhatsApp(
                http,
                whatsapp_codec.Settings(
                    whatsapp.PHONE_NUMBER_ID, whatsapp.ACCESS_TOKEN, base_url=wa_url
                ),
                QUICK,
            ),
        }
        yield World(clock, outbox, fault, http, sms_url, channels)


async def _serve(server, *, task_status=trio.TASK_STATUS_IGNORED):
    await server.serve(task_status=task_status)


ALL = pytest.mark.parametrize("name", ["africastalking", "twilio", "whatsapp"])


@ALL
async def test_a_message_reaches_the_outbox_with_its_code(world: World, name: str) -> None:
    assert isinstance(await world.send(name), Sent)
    (row,) = world.outbox.messages("+254712345678")
    assert row.channel == ("whatsapp" if name == "whatsapp" else "sms")
    assert row.code == "123456"
    assert "123456" in row.text
    assert row.subject is None
    assert row.sent_at == "2024-01-28T00:00:00.000Z"


@ALL
async def test_a_provider_that_is_down_sent_nothing_and_recovers(world: World, name: str) -> None:
    world.fault.set("down", times=1)
    outcome = await world.send(name)
    assert isinstance(outcome, Refused)
    assert outcome.again is Again.LATER
    assert world.outbox.messages() == []
    assert isinstance(await world.send(name), Sent)


@ALL
async def test_a_provider_that_fails_says_that_nothing_was_sent(world: World, name: str) -> None:
    world.fault.set("error")
    assert isinstance(await world.send(name), Refused)
    assert world.outbox.messages() == []


@ALL
async def test_a_provider_that_answers_too_late_leaves_it_unknown(world: World, name: str) -> None:
    world.fault.set("slow", times=1)
    assert isinstance(await world.send(name), Unknown)
    with trio.fail_after(5):
        while not world.outbox.messages():
            await trio.sleep(0.01)  # it had been sent all the same


async def test_a_fault_ends_by_the_application_clock(world: World) -> None:
    world.fault.set("down", seconds=30)
    assert isinstance(await world.send("twilio"), Refused)
    world.clock.advance(31)
    assert isinstance(await world.send("twilio"), Sent)


async def test_wrong_credentials_are_refused_for_good(world: World) -> None:
    wrong: list[Channel] = [
        AfricasTalking(
            world.http, africastalking.Settings(sms.AT_USERNAME, "wrong", None, world.sms_url)
        ),
        Twilio(world.http, twilio.Settings(sms.TWILIO_SID, "wrong", "+15005550006", world.sms_url)),
    ]
    for channel in wrong:
        outcome = await channel.deliver("254712345678", "x", subject=None, code=None)
        assert isinstance(outcome, Refused)
        assert outcome.again is Again.NEVER
    assert world.outbox.messages() == []


async def test_a_notice_by_whatsapp_uses_its_own_template(world: World) -> None:
    channel = world.channels["whatsapp"]
    outcome = await channel.deliver("254712345678", "Paid\n5 USD", subject=None, code=None)
    assert isinstance(outcome, Sent)
    (row,) = world.outbox.messages("254712345678")
    assert (row.text, row.code) == ("Paid 5 USD", None)


async def test_a_port_that_nobody_listens_on_was_sent_nothing(world: World) -> None:
    settings = twilio.Settings("AC1", "t", "+15005550006", "http://127.0.0.1:1")
    outcome = await Twilio(world.http, settings).deliver(
        "254712345678", "x", subject=None, code=None
    )
    assert outcome == Refused("no connection: ConnectError", Again.NOW)


async def test_a_connection_dropped_without_an_answer_leaves_it_unknown(
    world: World, nursery
) -> None:
    async def hang_up(request: HttpRequest) -> HttpReply:
        raise Hangup

    port = await nursery.start(serve_http, hang_up)
    settings = twilio.Settings("AC1", "t", "+15005550006", f"http://127.0.0.1:{port}")
    outcome = await Twilio(world.http, settings).deliver(
        "254712345678", "x", subject=None, code=None
    )
    assert isinstance(outcome, Unknown)


async def test_an_answer_of_absurd_length_is_no_answer(world: World, nursery) -> None:
    async def babble(request: HttpRequest) -> HttpReply:
        return HttpReply(200, b"x" * 1_000_000)

    port = await nursery.start(serve_http, babble)
    settings = twilio.Settings("AC1", "t", "+15005550006", f"http://127.0.0.1:{port}")
    outcome = await Twilio(world.http, settings).deliver(
        "254712345678", "x", subject=None, code=None
    )
    assert outcome == Unknown("answer too long")


@ALL
async def test_no_library_logs_a_code_or_a_credential(world: World, name: str, caplog) -> None:
    """WOTP-C23: whatever the log level is."""
    caplog.set_level("DEBUG")
    await world.send(name, code="918273")
    assert caplog.records
    for secret in ("918273", sms.AT_API_KEY, sms.TWILIO_TOKEN, whatsapp.ACCESS_TOKEN):
        assert secret not in caplog.text
