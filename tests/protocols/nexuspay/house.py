"""A client of the real server: NexusPay over HTTP and its socket, and the sandbox around it."""

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

CODE = "123456"
WRONG = "654321"
PASSWORD = "SecurePassword123"
API = "/nexuspay/api"
WITHIN_S = 20.0
_numbers = count(1)


def new_email() -> str:
    return f"nexus-{next(_numbers)}@example.com"


def new_phone() -> str:
    return f"+2547110{next(_numbers):05d}"


def new_bill() -> str:
    """A paybill or till that nobody else pays."""
    return f"7{next(_numbers):05d}"


class Socket:
    """A socket of updates."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection

    async def send(self, message: Any) -> None:
        await self.connection.send_message(json.dumps(message))

    async def authenticate(self, token: str) -> dict[str, Any]:
        await self.send({"type": "auth", "token": token})
        return await self.next()

    async def next(self) -> dict[str, Any]:
        with trio.fail_after(WITHIN_S):
            frame: dict[str, Any] = json.loads(await self.connection.get_message())
        return frame

    async def nothing(self, within_s: float = 0.3) -> bool:
        """Whether nothing comes for a while."""
        with trio.move_on_after(within_s):
            await self.connection.get_message()
            return False
        return True

    async def close_code(self) -> int:
        """The code it is closed with; frames before that are read past."""
        with trio.fail_after(WITHIN_S), contextlib.suppress(ConnectionClosed):
            while True:
                await self.connection.get_message()
        assert self.connection.closed is not None
        return int(self.connection.closed.code)


class Person:
    """Somebody with a token."""

    def __init__(self, house: "House", made: dict[str, Any]) -> None:
        self.house = house
        self.id: str = made["user_id"]
        self.object_id: str = made["object_id"]
        self.email: str = made["email"]
        self.phone: str = made["phone"]
        self.address: str = made["wallet_address"]
        self.token: str = made["token"]

    async def get(self, path: str, **params: Any) -> httpx.Response:
        return await self.house.get(path, self.token, **params)

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self.house.post(path, body, self.token, **headers)

    async def put(self, path: str, body: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"}
        return await self.house.http.put(API + path, json=body, headers=headers)


class House(Server):
    """The running server, and what its operators and its sandbox can do."""

    API = API

    async def person(self, **fields: Any) -> Person:
        fields = {"email": new_email(), "phone": new_phone(), **fields}
        return Person(self, await self.sandbox("users", fields))

    async def admin(self) -> Person:
        return await self.person(admin=True)

    async def register(self, email: str, phone: str, verify_with: str = "email") -> httpx.Response:
        return await self.post(
            "/auth/register",
            {
                "email": email,
                "phoneNumber": phone,
                "password": PASSWORD,
                "verifyWith": verify_with,
            },
        )

    @asynccontextmanager
    async def socket(self, token: str = "", query: str = "") -> AsyncIterator[Socket]:
        """A socket; authenticated when a token is given."""
        host, path = f"127.0.0.1:{self.port}", f"/nexuspay/ws{query}"
        stream = await trio.open_tcp_stream("127.0.0.1", self.port)
        async with stream, trio.open_nursery() as nursery:
            socket = Socket(await wrap_client_stream(nursery, stream, host, path))
            if token:
                assert (await socket.authenticate(token))["type"] == "auth_success"
            yield socket
            nursery.cancel_scope.cancel()


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """The standard error body with this status and code, checked to its last member."""
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["error"]["code"]) == (status, code), answer.text
    assert set(body) == {"success", "message", "error", "timestamp"}
    assert body["success"] is False
    assert set(body["error"]) == {"code", "details"}
    assert all(isinstance(text, str) and text for text in body["error"].values())
    assert len(body["timestamp"]) == len("2023-05-15T14:23:45Z")
    return body
