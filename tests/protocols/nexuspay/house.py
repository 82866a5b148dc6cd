"""A client of the real server: NexusPay over HTTP and its socket, and the sandbox around it."""

import contextlib
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from assembly.options import read_options
from assembly.server import running
from providers.trust import authorities
from tests.documents.checking import check_answers

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


class House:
    """The running server, and what its operators and its sandbox can do."""

    def __init__(self, http: httpx.AsyncClient, port: int) -> None:
        self.http = http
        self.port = port

    async def get(self, path: str, token: str = "", **params: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.get(API + path, params=params, headers=headers)

    async def post(
        self, path: str, body: Any = None, token: str = "", **headers: str
    ) -> httpx.Response:
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(API + path, content=content, headers=sent)

    async def sandbox(self, path: str, body: Any) -> Any:
        answer = await self.http.post(f"/sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def person(self, **fields: Any) -> Person:
        fields = {"email": new_email(), "phone": new_phone(), **fields}
        return Person(self, await self.sandbox("users", fields))

    async def admin(self) -> Person:
        return await self.person(admin=True)

    async def advance(self, seconds: int) -> datetime:
        """Move the application's clock; what it says then."""
        now: str = (await self.sandbox("clock", {"advance_seconds": seconds}))["now"]
        return datetime.fromisoformat(now)

    async def messages(self, to: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/sandbox/messages", params={"to": to})
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

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

    async def check_books(self) -> None:
        """Every check of the ledger holds, and every currency sums to zero."""
        report = (await self.http.get("/sandbox/ledger")).json()
        assert report["balanced"], report["differences"]
        assert all(Decimal(total) == 0 for total in report["totals"].values())

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


@asynccontextmanager
async def serving(dsn: str, folder: Path, **environ: str) -> AsyncIterator[House]:
    """The whole server on a database of the test's own; a second time for a restart."""
    options = read_options(
        {"DATABASE_URL": dsn, "DATA_DIR": str(folder), "APP_PORT": "0"} | environ
    )
    async with running(options) as server, visited(server.port) as house:
        yield house


@asynccontextmanager
async def visited(port: int) -> AsyncIterator[House]:
    """A server that runs already."""
    base = f"http://127.0.0.1:{port}"
    async with httpx.AsyncClient(
        base_url=base, timeout=60, verify=authorities(), trust_env=False
    ) as http:
        await check_answers(http)
        yield House(http, port)


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
