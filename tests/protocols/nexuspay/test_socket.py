"""The socket of updates: who may hear, and when it ends (FN-16)."""

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


async def test_a_socket_that_says_nothing_is_closed_after_ten_seconds(house: House) -> None:
    """FN-16: of real time."""
    async with house.socket() as socket:
        assert await socket.close_code() == 4408


async def test_a_socket_ends_with_its_token(house: House) -> None:
    """X-C26."""
    person = await house.person()
    async with house.socket(person.token) as socket:
        await house.advance(86_401)
        assert await socket.close_code() == 4401
