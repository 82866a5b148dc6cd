"""The socket of updates: who may hear, and when it ends (FN-16)."""

from pathlib import Path

import pytest
import trio

from actors.clock import US, Clock
from protocols.nexuspay import register
from protocols.nexuspay.register import Sockets
from tests.protocols.nexuspay.house import House


async def test_a_good_token_is_acknowledged(house: House) -> None:
    """NXPY-C37."""
    person = await house.person()
    async with house.socket() as socket:
        answer = await socket.authenticate(person.token)
        assert answer == {"type": "auth_success", "data": {"userId": person.object_id}}
        await socket.send({"type": "ping"})
        assert await socket.next() == {"type": "pong"}


async def test_a_bad_token_is_told_and_closes(house: House) -> None:
    """NXPY-C37."""
    for token in ("nonsense", 5, None):
        async with house.socket() as socket:
            await socket.send({"type": "auth", "token": token})
            message = {"message": "Invalid or expired token"}
            assert await socket.next() == {"type": "auth_error", "data": message}
            assert await socket.close_code() == 4401


async def test_other_messages_are_ignored(house: House) -> None:
    """NXPY-C37: even ones that are no JSON object, and nothing is answered before auth."""
    person = await house.person()
    async with house.socket() as socket:
        for message in ({"type": "ping"}, {"type": "subscribe"}, [1], "x", {"type": {}}):
            await socket.send(message)
        await socket.connection.send_message("{")
        await socket.connection.send_message(b"\x00")
        assert (await socket.authenticate(person.token))["type"] == "auth_success"


class Silent:
    """A socket that says nothing, and when it was told that it is too late."""

    late_at: float | None = None

    def too_late(self) -> None:
        self.late_at = trio.current_time()


async def test_a_socket_that_says_nothing_is_told_after_ten_seconds(autojump_clock: None) -> None:
    """FN-16, NXPY-C37: of real time, each socket its own ten."""
    sockets = Sockets(Clock(wall_us=lambda: round(trio.current_time() * US)))
    first, second = Silent(), Silent()
    async with trio.open_nursery() as nursery:
        await nursery.start(sockets.run)
        began = trio.current_time()
        sockets.wait_for(first)
        await trio.sleep(4)
        sockets.wait_for(second)
        await trio.sleep(11)
        nursery.cancel_scope.cancel()
    for socket, at in ((first, began + 10), (second, began + 14)):
        assert socket.late_at is not None
        assert 0 <= socket.late_at - at <= 0.5


async def test_a_socket_that_is_too_late_closes_with_4408(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NXPY-C37, with less patience than the ten seconds of the running server."""
    monkeypatch.setattr(register, "AUTHENTICATE_WITHIN_S", 0.2)
    async with House.serving(dsn, tmp_path) as house, house.socket() as socket:
        assert await socket.close_code() == 4408


async def test_a_socket_ends_with_its_token(house: House) -> None:
    """X-C26."""
    person = await house.person()
    async with house.socket(person.token) as socket:
        await house.advance(86_401)
        assert await socket.close_code() == 4401
