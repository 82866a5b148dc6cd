"""The M-Pesa surface's sockets and endpoints as its clients see them."""

import itertools
import json
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

import httpx
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

from tests.flows.client import PATIENCE_S, Person, World

STK: Final = "/mpesa/mpesa/stk/"
B2C: Final = "/mpesa/mpesa/b2c/"
API: Final = "/mpesa/api/v1/mpesa"
OK_TEXT: Final = "The service request is processed successfully."

_numbers = itertools.count(os.getpid() * 1000 % 10**6)


def new_hash() -> str:
    """A hash nobody has used on this server."""
    return f"hash-{next(_numbers)}"


def new_phone() -> str:
    """A payer's phone that nobody has proved to have."""
    return f"25479{next(_numbers):07d}"


class Line:
    """One socket: every frame in order."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self.frames: list[Any] = []
        self.close_code: int | None = None
        self._arrived = trio.Event()

    async def read(self) -> None:
        """Collect what comes in until the socket closes."""
        try:
            while True:
                message = await self.connection.get_message()
                assert isinstance(message, str), "text frames only (MPWS-061)"
                self.frames.append(json.loads(message))
                self._wake()
        except ConnectionClosed as closed:
            self.close_code = closed.reason.code if closed.reason is not None else 1006
            self._wake()

    async def tell(self, message: str | bytes) -> None:
        """One raw frame."""
        await self.connection.send_message(message)

    async def send(self, kind: str, **payload: Any) -> None:
        """One request."""
        await self.tell(json.dumps({"kind": kind, "payload": payload}))

    async def ask(self, kind: str, **payload: Any) -> Any:
        """The payload of the next frame, which must be of the same kind."""
        await self.send(kind, **payload)
        return await self.frame(kind)

    async def refused(self, kind: str, **payload: Any) -> Any:
        """The payload of the error that answers a request."""
        await self.send(kind, **payload)
        return await self.frame("error")

    async def frame(self, kind: str) -> Any:
        """The payload of the next frame, which must be of that kind."""
        frame = await self.first()
        assert frame["kind"] == kind, frame
        return frame["payload"]

    async def first(self) -> Any:
        """The next frame, whole."""
        await self._until(lambda: bool(self.frames))
        assert self.frames, f"closed with {self.close_code}"
        return self.frames.pop(0)

    async def closed(self) -> int:
        """The close code, once the server has closed the socket."""
        await self._until(lambda: self.close_code is not None)
        assert self.close_code is not None
        return self.close_code

    async def quiet(self, for_s: float = 0.3) -> None:
        """Fails when anything comes."""
        await trio.sleep(for_s)
        assert self.frames == []

    async def _until(self, holds: Callable[[], bool]) -> None:
        with trio.move_on_after(PATIENCE_S):
            while not holds() and self.close_code is None:
                await self._arrived.wait()
            return
        raise AssertionError(f"not in time; {self.frames}")

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, trio.Event()
        arrived.set()


@asynccontextmanager
async def line(world: World, path: str, who: Person | None = None) -> AsyncIterator[Line]:
    """A socket; `handshake` is for those that are refused."""
    url = str(world.http.base_url).replace("http", "ws", 1).rstrip("/") + path
    headers = [("Authorization", f"Bearer {who.token}")] if who is not None else []
    async with trio.open_nursery() as nursery:
        async with open_websocket_url(url, extra_headers=headers) as connection:
            opened = Line(connection)
            nursery.start_soon(opened.read)
            yield opened
            await connection.aclose()
            # Where the server has closed, the library leaves this to whoever waits for its end.
            await connection._stream.aclose()
        nursery.cancel_scope.cancel()


async def handshake(world: World, path: str, who: Person | None = None) -> httpx.Response:
    """The answer to an upgrade that is refused."""
    headers = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    if who is not None:
        headers["Authorization"] = f"Bearer {who.token}"
    return await world.http.get(path, headers=headers)


def ordered(amount: int = 100, **more: Any) -> dict[str, Any]:
    """The payload of a push or a withdrawal, from or to a fresh phone."""
    return {"phone": new_phone(), "amount": amount, "description": "Payment description", **more}


async def deposit(world: World, socket: Line, amount: int) -> Any:
    """Push, and wait until it is paid."""
    pushed = await socket.ask("push", **ordered(amount))
    done = await socket.frame("status")
    assert (done["checkout"], done["status"]) == (pushed["checkout"], "completed"), done
    return done


async def reconcile(world: World) -> Any:
    """The report, as an administrator gets it."""
    token = (await world.post("/sandbox/token", user="admin@example.com"))["token"]
    headers = {"Authorization": f"Bearer {token}"}
    answer = await world.http.post("/ops/reconcile", headers=headers)
    assert answer.status_code == 200, answer.text
    return answer.json()
