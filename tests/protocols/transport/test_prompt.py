"""Messages that are answered without waking the connection's task."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from actors import outbox
from actors.connection import Connection
from actors.session import Prompt
from tests.protocols.transport.client import PING, PONG, TEXT, RawSocket, frame, websocket
from tests.protocols.transport.support import Bed, EchoSession, Log


class PromptSession(EchoSession):
    """Answers what begins with `now` at once and what begins with `later` when it is told to."""

    def __init__(self, connection: Connection, log: Log) -> None:
        super().__init__(connection, log)
        self.begun: list[bytes] = []
        self.parked: list[bytes] = []

    async def opened(self) -> None:
        await super().opened()
        self.connection.prompt = self.prompted

    def prompted(self, data: bytes) -> Prompt:
        if data.startswith(b"now"):
            self.connection.send_text(data)
            return Prompt.ANSWERED
        if data.startswith(b"later"):
            self.begun.append(data)
            return Prompt.BEGUN
        if data.startswith(b"park"):
            self.parked.append(data)
            return Prompt.PARKED
        if data == b"fault":
            raise RuntimeError("a session's own fault")
        return Prompt.DECLINED

    def come(self, then: Prompt) -> None:
        """What the parked message waited for is there; what the session says to it now."""

        def prompted(data: bytes) -> Prompt:
            assert data == self.parked.pop()
            self.connection.prompt = self.prompted
            if then is Prompt.ANSWERED:
                self.connection.send_text(data)
            elif then is Prompt.BEGUN:
                self.begun.append(data)
            return then

        self.connection.prompt = prompted
        self.connection.offer_again()

    def finish(self) -> None:
        data = self.begun.pop()

        def render() -> None:
            self.connection.send_text(data)
            self.connection.answered()

        self.connection.render_later(render)


class PromptBed(Bed):
    def __init__(self) -> None:
        super().__init__()
        self.sessions: list[PromptSession] = []
        self.admit = self.admitted  # type: ignore[method-assign]

    async def admitted(self, request: object) -> object:
        def make(connection: Connection) -> PromptSession:
            self.sessions.append(PromptSession(connection, self.log))
            return self.sessions[-1]

        return make


async def begun(bed: PromptBed) -> PromptSession:
    """The newest session, once it has begun something."""
    while not bed.sessions[-1].begun:
        await trio.sleep(0.001)
    return bed.sessions[-1]


async def test_prompt_and_other_messages_are_answered_in_order():
    bed = PromptBed()
    async with bed.running() as server, websocket(server) as client:
        for number in range(20):
            for kind in (b"now", b"text"):
                await client.text(kind + b" %d" % number)
                assert await client.message() == kind + b" %d" % number
    assert bed.log.texts == [b"text %d" % number for number in range(20)]


async def test_a_pipelined_message_waits_for_the_answer_begun_before_it():
    bed = PromptBed()
    async with bed.running() as server, websocket(server) as client:
        for text in (b"later 1", b"text"):
            await client.text(text)
            session = await begun(bed)
        await trio.sleep(0.05)
        assert bed.log.texts == []
        session.finish()
        assert [await client.message() for _ in range(2)] == [b"later 1", b"text"]
        await client.text(b"now")
        assert await client.message() == b"now"


@asynccontextmanager
async def owed() -> AsyncIterator[tuple[RawSocket, PromptSession]]:
    """A client that has asked `later`, and the session that has begun to answer it."""
    bed = PromptBed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"later")
        yield client, await begun(bed)


async def test_what_is_sent_meanwhile_leaves_with_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """And in order. What is sent when nothing is due leaves at once."""
    monkeypatch.setattr(outbox, "HOLD_S", 60.0)
    async with owed() as (client, session):
        for text in (b"event 1", b"event 2"):
            session.connection.send_text(text)
        with trio.move_on_after(0.05):
            await client.message()
            raise AssertionError("it was not held")
        session.finish()
        for text in (b"event 1", b"event 2", b"later"):
            assert await client.message() == text
        session.connection.send_text(b"event 3")
        assert await client.message() == b"event 3"


async def test_what_is_sent_meanwhile_does_not_wait_long() -> None:
    """A commit that takes its time, or never comes, holds nothing up."""
    async with owed() as (client, session):
        for number in range(3):
            began = trio.current_time()
            session.connection.send_text(b"event %d" % number)
            assert await client.message() == b"event %d" % number
            assert trio.current_time() - began >= outbox.HOLD_S / 2
        session.finish()
        assert await client.message() == b"later"


async def test_what_is_held_leaves_before_a_close() -> None:
    async with owed() as (client, session):
        session.connection.send_text(b"event")
        session.connection.close(1001, "away")
        assert await client.message() == b"event"
        assert await client.closing() == (1001, "away")


async def test_what_is_held_is_bounded_and_its_reader_stays() -> None:
    """X-C27."""
    async with owed() as (client, session):
        count = 3 * session.connection.max_frames
        for number in range(count):
            session.connection.send_text(b"%d" % number)
        for number in range(count):
            assert await client.message() == b"%d" % number
        session.finish()
        assert await client.message() == b"later"


async def parked(bed: PromptBed) -> PromptSession:
    """The newest session, once it has parked something."""
    while not bed.sessions[-1].parked:
        await trio.sleep(0.001)
    return bed.sessions[-1]


@pytest.mark.parametrize("then", [Prompt.ANSWERED, Prompt.BEGUN, Prompt.DECLINED])
async def test_a_parked_message_is_offered_again_before_any_other(then: Prompt) -> None:
    bed = PromptBed()
    async with bed.running() as server, websocket(server) as client:
        for number in range(3):
            await client.text(b"park %d" % number)
            session = await parked(bed)
            await client.text(b"now %d" % number)
            await trio.sleep(0.02)
            session.come(then)
            if then is Prompt.BEGUN:
                assert session.begun
                session.finish()
            expected = [b"park %d" % number, b"now %d" % number]
            assert [await client.message() for _ in range(2)] == expected
        assert server.traffic.messages_in == 6
    assert bed.log.texts[:3].count(b"park 0") == (then is Prompt.DECLINED)


async def test_a_client_that_goes_away_while_parked_is_forgotten() -> None:
    bed = PromptBed()
    async with bed.running() as server:
        for way in range(3):
            async with websocket(server) as client:
                await client.text(b"park")
                session = await parked(bed)
                if way == 1:
                    session.connection.lost()
                elif way == 2:
                    session.connection.close(1001, "going away")
                    session.come(Prompt.DECLINED)
                    assert (await client.closing())[0] == 1001
            if way == 0:
                session.come(Prompt.DECLINED)
            while server.sockets:
                await trio.sleep(0.001)
            if way == 1:
                session.connection.offer_again()
        async with websocket(server) as client:
            await client.text(b"now")
            assert await client.message() == b"now"
    assert bed.log.events.count("closed") == 4


async def test_what_is_not_one_whole_message_goes_the_ordinary_way():
    bed = PromptBed()
    async with bed.running() as server, websocket(server) as client:
        await client.send(frame(TEXT, b"now 1") + frame(TEXT, b"now 2"))
        assert [await client.message() for _ in range(2)] == [b"now 1", b"now 2"]
        await client.send(frame(PING, b"p"))
        assert await client.receive() == (PONG, b"p")
        for piece in (frame(TEXT, b"now 3")[:5], frame(TEXT, b"now 3")[5:]):
            await client.send(piece)
            await trio.sleep(0.02)
        assert await client.receive()
        await client.send(frame(TEXT, b"\xff now"))
        assert (await client.closing())[0] == 1007
    assert bed.log.texts[:2] == [b"now 1", b"now 2"]


@pytest.mark.expects_error_log
async def test_a_fault_in_a_prompt_answer_costs_its_own_socket_only():
    bed = PromptBed()
    async with bed.running() as server, websocket(server) as other:
        async with websocket(server) as client:
            await client.text(b"fault")
            assert (await client.closing())[0] == 1011
        await other.text(b"now")
        assert await other.message() == b"now"
        assert server.traffic.failures == 1


async def test_a_client_that_goes_away_meanwhile_is_forgotten_and_its_answer_harmless():
    bed = PromptBed()
    async with bed.running() as server:
        async with websocket(server) as client:
            await client.text(b"later")
            session = await begun(bed)
        session.finish()
        while server.sockets:
            await trio.sleep(0.001)
        async with websocket(server) as client:
            await client.text(b"later")
            session = await begun(bed)
            session.connection.lost()
            while server.sockets:
                await trio.sleep(0.001)
            session.finish()
        async with websocket(server) as client:
            await client.text(b"now")
            assert await client.message() == b"now"
    assert bed.log.events.count("closed") == 3


async def test_a_drain_does_not_wait_for_an_answer_that_was_begun():
    bed = PromptBed()
    async with bed.running() as server, websocket(server) as client:
        await client.text(b"later")
        await begun(bed)
        with trio.fail_after(2):
            await server.drain(1)


@pytest.mark.expects_error_log
async def test_an_answer_that_cannot_be_made_ends_its_socket_and_no_other():
    def fault() -> None:
        raise RuntimeError("a session's own fault")

    bed = PromptBed()
    async with (
        bed.running() as server,
        websocket(server) as other,
        websocket(server) as client,
    ):
        await client.text(b"later")
        session = await begun(bed)
        session.connection.render_later(fault)
        with trio.fail_after(5), pytest.raises(trio.BrokenResourceError):
            await client.stream.receive_some()
        await other.text(b"now")
        assert await other.message() == b"now"


async def test_a_drain_waits_for_the_answer_in_hand_and_takes_no_message_after_it():
    """Whoever's money moved is told so before 1001, when the server stops."""
    bed = PromptBed()
    async with (
        bed.running() as server,
        trio.open_nursery() as nursery,
        websocket(server) as prompt,
        websocket(server) as parked,
    ):
        first, second = bed.sessions
        await prompt.text(b"later 1")
        while not first.begun:
            await trio.sleep(0.001)
        await prompt.text(b"now 2")
        await parked.text(b"park")
        while not second.parked:
            await trio.sleep(0.001)
        nursery.start_soon(server.drain, 5)
        await trio.sleep(0.05)
        first.finish()
        assert await prompt.message() == b"later 1"
        assert await prompt.closing() == (1001, "server stopping")
        second.come(Prompt.ANSWERED)
        assert await parked.message() == b"park"
        assert await parked.closing() == (1001, "server stopping")
