"""A client of the real server: Amarktai over HTTP, its stream and its socket, and the sandbox."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from tests.server import Server

PASSWORD = "SecurePassword123"
API = "/amarktai/api"
REQUESTS_PER_MINUTE = 300  # of the server the tests share
WITHIN_S = 20.0
BOT = {
    "name": "Alpha Trader",
    "exchange": "luno",
    "trading_mode": "paper",
    "risk_mode": "balanced",
    "initial_capital": 1000.0,
    "strategy": "momentum",
}
GOOD_KEYS = {"provider": "luno", "api_key": "key", "api_secret": "secret", "passphrase": ""}
_numbers = count(1)


def new_email() -> str:
    return f"amarktai-{next(_numbers)}@example.com"


class Socket:
    """A client's WebSocket."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self.seen: list[dict[str, Any]] = []

    async def send(self, message: Any) -> None:
        text = message if isinstance(message, str) else json.dumps(message)
        await self.connection.send_message(text)

    async def next(self) -> dict[str, Any]:
        with trio.fail_after(WITHIN_S):
            frame: dict[str, Any] = json.loads(await self.connection.get_message())
        self.seen.append(frame)
        return frame

    async def until(self, kind: str, **members: Any) -> dict[str, Any]:
        """The next message of this type with these members; others are read past."""
        with trio.fail_after(WITHIN_S):
            while True:
                frame = await self.next()
                if frame["type"] == kind and members.items() <= frame.items():
                    return frame

    async def close_code(self) -> int:
        """The code it is closed with; messages before that are read past."""
        with trio.fail_after(WITHIN_S), contextlib.suppress(ConnectionClosed):
            while True:
                await self.connection.get_message()
        assert self.connection.closed is not None
        return int(self.connection.closed.code)


class Events:
    """A client's event stream, read byte by byte."""

    def __init__(self, stream: trio.SocketStream) -> None:
        self._stream = stream
        self._read = b""
        self.headers: dict[str, str] = {}

    async def open(self, request: str) -> None:
        """Send the request and read the head of its answer."""
        await self._stream.send_all(request.encode())
        head = (await self._part(b"\r\n\r\n")).split("\r\n")
        assert head[0].split()[1] == "200", head
        fields = (line.partition(": ") for line in head[1:])
        self.headers = {name.lower(): value for name, _, value in fields}

    async def _part(self, end: bytes) -> str:
        """What comes before `end`; EOFError when the stream ends before that."""
        with trio.fail_after(WITHIN_S):
            while end not in self._read:
                more = await self._stream.receive_some()
                if not more:
                    raise EOFError
                self._read += more
        part, _, self._read = self._read.partition(end)
        return part.decode()

    async def next(self) -> dict[str, str]:
        """The fields of the next event; EOFError at the end of the stream."""
        fields: dict[str, str] = {}
        for line in (await self._part(b"\n\n")).split("\n"):
            name, _, value = line.partition(": ")
            assert name not in fields, "one line a field (AMKT-C33)"
            fields[name] = value
        return fields

    async def until(self, event: str, **members: Any) -> dict[str, Any]:
        """The data of the next event with this name and these members; its id as `id`."""
        with trio.fail_after(WITHIN_S):
            while True:
                fields = await self.next()
                data: dict[str, Any] = json.loads(fields["data"])
                if fields["event"] == event and members.items() <= data.items():
                    return data | ({"id": fields["id"]} if "id" in fields else {})

    async def told(self) -> dict[str, Any]:
        """The data of the next event that a client must not miss; its id as `id`."""
        with trio.fail_after(WITHIN_S):
            while True:
                fields = await self.next()
                if "id" in fields:
                    data: dict[str, Any] = json.loads(fields["data"])
                    return data | {"id": fields["id"]}

    async def ended(self) -> bool:
        """Whether the server ends the stream; what comes before that is read past."""
        with contextlib.suppress(EOFError):
            while True:
                await self.next()
        return True


class Person:
    """Somebody with a token."""

    def __init__(self, house: "House", made: dict[str, Any]) -> None:
        self.house = house
        self.id: str = made["user_id"]
        self.email: str = made["email"]
        self.token: str = made["token"]

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.house.get(path, self.token, **params)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.house.post(path, body, self.token, **headers)

    async def delete(self, path: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.house.http.delete(API + path, headers=headers)

    async def bot(self, **members: Any) -> str:
        made = await self.post("/bots", BOT | members)
        assert made.status_code == 201, made.text
        bot_id: str = made.json()["bot"]["id"]
        return bot_id

    async def ask(self, message: str) -> dict[str, Any]:
        answer = await self.post("/ai/chat", {"message": message})
        assert answer.status_code == 200, answer.text
        said: dict[str, Any] = answer.json()
        return said


class House(Server):
    """The running server, and what its operators and its sandbox can do."""

    API = API

    async def person(self, **fields: Any) -> Person:
        fields = {"email": new_email(), "first_name": "John", **fields}
        return Person(self, await self.sandbox("users", fields))

    async def admin(self) -> Person:
        return await self.person(admin=True)

    @asynccontextmanager
    async def events(self, token: str, query: str = "", **headers: str) -> AsyncIterator[Events]:
        """An open event stream; `headers` with - for _. With a query the token goes there."""
        if not query:
            headers = {"Authorization": f"Bearer {token}", **headers}
        sent = "".join(f"{name.replace('_', '-')}: {text}\r\n" for name, text in headers.items())
        head = f"GET {API}/realtime/events{query} HTTP/1.1\r\nHost: localhost\r\n{sent}\r\n"
        async with await trio.open_tcp_stream("127.0.0.1", self.port) as stream:
            events = Events(stream)
            await events.open(head)
            yield events

    @asynccontextmanager
    async def socket(self, token: str, query: str = "") -> AsyncIterator[Socket]:
        """An open socket."""
        host, path = f"127.0.0.1:{self.port}", f"{API}/ws?token={token}{query}"
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream, trio.open_nursery() as nursery:
            yield Socket(await wrap_client_stream(nursery, stream, host, path))
            nursery.cancel_scope.cancel()

    async def refused_socket(self, query: str = "", **headers: str) -> httpx.Response:
        """The answer to an upgrade that is refused."""
        handshake = {
            "Upgrade": "websocket",
            "Connection": "Upgrade",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version": "13",
        }
        return await self.http.get(f"{API}/ws{query}", headers=handshake | headers)


def refused(answer: httpx.Response, status: int, code: str) -> str:
    """The text of a standard error body with this status and code, checked to its last member."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body.get("error_code")) == (status, code), answer.text
    assert set(body) == {"success", "error", "error_code", "timestamp"}
    assert body["success"] is False
    assert isinstance(body["error"], str)
    assert body["error"]
    assert len(body["timestamp"]) == len("2024-01-01T00:00:00Z")
    assert body["timestamp"][-1] == "Z"
    text: str = body["error"]
    return text
