"""WebSockets over real sockets."""

from trio_websocket import open_websocket_url

from tests.protocols.transport.support import Bed


async def test_messages_are_echoed_in_order():
    bed = Bed()
    async with bed.running() as server:
        async with open_websocket_url(f"ws://127.0.0.1:{server.port}/echo/ws") as ws:
            for number in range(100):
                await ws.send_message(f"message {number}")
            assert [await ws.get_message() for _ in range(100)] == [
                f"message {number}" for number in range(100)
            ]
    assert bed.log.events == ["opened", "closed"]
