"""One socket of a hash, without a network: replies, updates, and how it ends."""

import json
from typing import Any

import pytest
from websockets.frames import CloseCode

from actors.clock import Clock
from actors.feed import Feeds
from actors.identity_store import StoreUnavailable
from actors.mpesa_hashes import Hashes
from actors.people import Authenticated
from domain.events import DepositFailed, Event, PushMoved
from domain.hashes import pushes
from domain.money import units_of
from protocols.mpesa.admission import Caller
from protocols.mpesa.errors import Code, Refused, invalid
from protocols.mpesa.service import Mpesa
from protocols.mpesa.session import EXPIRED, Session
from protocols.mpesa.sockets import OpenSockets
from protocols.mpesa.wire import Message, PushStatus

DONE = PushMoved(
    checkout="ws_CO_1",
    state="completed",
    code="0",
    message="Done",
    phone="254712345678",
    amount=units_of("100"),
    receipt="NLJ7RT61SV",
)
SHOWN: dict[str, Any] = {
    "checkout": "ws_CO_1",
    "status": "completed",
    "code": 0,
    "message": "Done",
    "phone": "254712345678",
    "amount": 100,
    "receipt": "NLJ7RT61SV",
}


class Connection:
    """What a session sends, and how it closed."""

    is_open, pending = True, False

    def __init__(self) -> None:
        self.sent: list[Any] = []
        self.closed_with: tuple[int, str] | None = None

    def send_text(self, frame: bytes) -> None:
        self.sent.append(json.loads(frame))

    def close(self, code: int, reason: str) -> None:
        self.closed_with = (int(code), reason)


class Events:
    """Committed events of one feed; `away` while storage is."""

    def __init__(self) -> None:
        self.kept: list[tuple[int, PushMoved]] = []
        self.away = False
        self.purged = 0

    async def since(self, _feed: str, offset: int, limit: int) -> list[tuple[int, PushMoved]]:
        return [event for event in self.kept if event[0] > offset][:limit]

    async def newest(self, _feed: str) -> int:
        if self.away:
            raise StoreUnavailable("away")
        return self.kept[-1][0] if self.kept else 0

    async def forgotten(self) -> int:
        return self.purged


class People:
    """Remembers who wants to know of a revoked token."""

    def __init__(self) -> None:
        self.watching: list[Any] = []

    def on_revoked(self, _who: Authenticated, end: Any) -> Any:
        self.watching.append(end)
        return lambda: self.watching.remove(end)


class House:
    """A surface, and the sockets of its hash `h`."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.feeds, self.events, self.people = Feeds(), Events(), People()
        self.sockets = OpenSockets(self.clock)
        self.mpesa = Mpesa(
            clock=self.clock,
            people=self.people,  # type: ignore[arg-type]  # only what a socket asks of people
            payments=None,  # type: ignore[arg-type]  # handlers are the test's
            hashes=Hashes(None, self.clock),  # type: ignore[arg-type]  # nothing is bound
            idempotency=None,  # type: ignore[arg-type]
            feeds=self.feeds,
            events=self.events,
            sockets=self.sockets,
            random_bytes=bytes,
            unavailable=(StoreUnavailable,),
        )

    async def open(
        self, *, who: Authenticated | None = None, resume_from: int | None = None
    ) -> tuple[Session, Connection]:
        connection = Connection()
        user_id = who.user_id if who is not None else None
        session = Session(
            self.mpesa,
            connection,  # type: ignore[arg-type]
            Caller("h", user_id, "hash:h"),
            who,
            pushes("h"),
            {"push": answer, "status": storage_is_away, "broken": broken},
            resume_from,
        )
        await session.opened()
        return session, connection

    def publish(self, offset: int, fact: Any = DONE) -> None:
        self.events.kept.append((offset, fact))
        self.feeds.publish(offset, Event(pushes("h"), fact))


async def answer(_mpesa: Mpesa, caller: Caller, payload: bytes) -> Message:
    if not payload:
        raise invalid("payload", "payload is required")
    if payload == b"5":
        raise Refused(Code.NOT_FOUND, "no such checkout")
    return Message(kind="status", payload=PushStatus(**(SHOWN | {"message": caller.hash})))


async def storage_is_away(*_: object) -> Message:
    raise StoreUnavailable("away")


async def broken(*_: object) -> Message:
    raise ZeroDivisionError


@pytest.fixture
def house() -> House:
    return House()


async def test_there_is_no_welcome_and_every_message_has_one_reply(house: House) -> None:
    """MPWS-059, MPWS-054."""
    session, connection = await house.open()
    assert connection.sent == []
    for _ in range(3):
        await session.text(b'{"kind":"push","payload":{}}')
    shown = {"kind": "status", "payload": SHOWN | {"message": "h"}}
    assert connection.sent == [shown] * 3
    assert connection.closed_with is None


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"{", {"request": None, "code": "INVALID_JSON", "message": "malformed JSON"}),
        (
            b'{"kind":"withdraw","payload":{}}',
            {
                "request": "withdraw",
                "code": "INVALID_KIND",
                "message": "no such kind on this endpoint",
            },
        ),
        (
            b'{"kind":"push"}',
            {
                "request": "push",
                "code": "VALIDATION_ERROR",
                "message": "payload is required",
                "field": "payload",
            },
        ),
        (
            b'{"kind":"push","payload":5}',
            {"request": "push", "code": "NOT_FOUND", "message": "no such checkout"},
        ),
        (
            b'{"kind":"status","payload":{}}',
            {"request": "status", "code": "INTERNAL_ERROR", "message": "temporarily unavailable"},
        ),
    ],
)
async def test_an_error_names_its_request_and_the_socket_lives(
    house: House, data: bytes, error: dict[str, Any]
) -> None:
    """MPWS-C01, MPWS-C02: `field` only where one is to blame; binary frames are the same JSON."""
    session, connection = await house.open()
    await session.text(data)
    await session.binary(data)
    assert connection.sent == [{"kind": "error", "payload": error}] * 2
    assert connection.closed_with is None


@pytest.mark.expects_error_log
async def test_a_defect_of_ours_is_an_error_too(house: House) -> None:
    """MPWS-C02: logged, and nothing of it is told."""
    session, connection = await house.open()
    await session.text(b'{"kind":"broken","payload":{}}')
    (frame,) = connection.sent
    assert frame["payload"] == {
        "request": "broken",
        "code": "INTERNAL_ERROR",
        "message": "internal error",
    }


async def test_every_socket_of_the_topic_is_told_until_it_closes(house: House) -> None:
    """MPWS-C04, MPWS-051; an event of another surface is not shown."""
    (one, first), (_, second) = await house.open(), await house.open()
    assert house.sockets.count("h") == 2
    house.publish(1)
    house.publish(2, DepositFailed(ref="D", amount=1, asset="USD", status="failed"))
    assert first.sent == second.sent == [{"kind": "status", "payload": SHOWN}]
    one.closed()
    house.publish(3)
    assert (len(first.sent), len(second.sent)) == (1, 2)
    assert house.sockets.count("h") == 1


async def test_a_client_that_resumes_gets_what_it_missed_with_offsets(house: House) -> None:
    """X-C28: additive, and only for those that ask."""
    house.publish(5)
    house.publish(9)
    _, connection = await house.open(resume_from=5)
    assert connection.sent == [{"kind": "status", "payload": SHOWN, "offset": 9}]
    house.publish(12)
    assert connection.sent[1:] == [{"kind": "status", "payload": SHOWN, "offset": 12}]


async def test_a_client_that_resumes_too_late_is_told_to_reload(house: House) -> None:
    """X-C28: what is not kept any more is not passed over in silence."""
    house.publish(9)
    house.events.purged = 7
    _, connection = await house.open(resume_from=3)
    assert [frame["kind"] for frame in connection.sent] == ["reload_required"]
    assert connection.sent[0]["offset"] == 9


async def test_who_cannot_be_told_what_was_missed_is_asked_to_come_again(house: House) -> None:
    house.events.away = True
    _, connection = await house.open(resume_from=3)
    assert connection.closed_with == (
        int(CloseCode.TRY_AGAIN_LATER),
        "storage is unavailable",
    )


async def test_a_socket_ends_with_its_token(house: House) -> None:
    """X-C26: expired at the next message, or revoked at once."""
    until_us = house.clock.now_us() + 1_000_000
    who = Authenticated(7, None, until_us, ("pwd",), 0)  # type: ignore[arg-type]  # nobody reads it
    session, connection = await house.open(who=who)
    (revoked,) = house.people.watching
    house.clock.advance(2)
    await session.text(b'{"kind":"push","payload":{}}')
    assert (connection.sent, connection.closed_with) == ([], (EXPIRED, "token expired"))
    connection.closed_with = None
    revoked()
    assert connection.closed_with == (EXPIRED, "token expired")
    session.closed()
    assert house.people.watching == []


async def test_a_stranger_on_a_hash_that_becomes_somebodys_is_cut_off(house: House) -> None:
    """MPWS-C03: whoever listens without being its owner must not."""
    _, connection = await house.open()
    house.sockets.bound("h", 7)
    assert connection.closed_with == (EXPIRED, "unauthorized")
