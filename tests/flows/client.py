"""A client of a running sandbox server: its control endpoints, and sockets as customers see them.

world = World(http)                     # the server's base URL is the client's
ann = await world.user(balances={"USD": "100.00"})
async with world.cashier(ann) as socket:
    made = await socket.ask("deposit_request", amount=1000, ...)
    event = await socket.event("deposit_completed")
await world.check_books()
"""

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import httpx
import pyotp
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, open_websocket_url

CASHIER: Final = "/cashier/api/v1/cashier/svc/ws"
PATIENCE_S: Final = 20.0  # for what comes by itself; the simulators need 0.2 s
_POLL_S: Final = 0.02
_agents: Final = itertools.count(101)  # AGT-001 is seeded


@dataclass(frozen=True)
class Person:
    """Somebody the sandbox made."""

    id: str
    token: str
    email: str | None
    phone: str | None  # +2547…
    totp_secret: str | None
    numbers: dict[str, str]  # account number by currency, REAL and without chain

    @property
    def mpesa(self) -> str:
        """Their phone as M-Pesa writes it."""
        assert self.phone is not None
        return self.phone.removeprefix("+")

    @property
    def masked(self) -> str:
        """Their phone as partner replies show it (CASH-C13)."""
        return f"{self.mpesa[:6]}***{self.mpesa[-3:]}"

    def totp(self, now_s: int) -> str:
        """The code their authenticator shows at that time."""
        assert self.totp_secret is not None
        return pyotp.TOTP(self.totp_secret).at(now_s)


class World:
    """The server and what is outside it."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def post(self, path: str, **body: Any) -> Any:
        """The answer of a control endpoint; anything but 200 fails the test."""
        answer = await self.http.post(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get(self, path: str, **query: str) -> Any:
        """As `post`, for reading."""
        answer = await self.http.get(path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def user(self, **body: Any) -> Person:
        """A verified person; see contract.md for the members."""
        made = await self.post("/sandbox/users", **body)
        numbers = {
            account["currency"]: account["account_number"]
            for account in made["accounts"]
            if account["account_type"] == "REAL" and account["chain"] is None
        }
        names = ("token", "email", "phone", "totp_secret")
        return Person(id=made["user_id"], numbers=numbers, **{name: made[name] for name in names})

    async def agent(self, balance: str = "500.00") -> tuple[Person, str]:
        """An agent with USD, and the agent id."""
        number = next(_agents)
        agent_id = f"AGT-{number}"
        person = await self.user(
            agent={"agent_id": agent_id, "name": f"Agent Number {number}"},
            phone=f"+2547{number:04d}1234",
            balances={"USD": balance},
        )
        return person, agent_id

    async def now(self) -> int:
        """The application's time in seconds."""
        return await self.advance(0)

    async def advance(self, seconds: int) -> int:
        """Move the application's clock; its new time in seconds."""
        moved = await self.post("/sandbox/clock", advance_seconds=seconds)
        return int(datetime.fromisoformat(moved["now"]).timestamp())

    async def rule(self, outcome: str, **rule: Any) -> None:
        """What the simulated M-Pesa does with the next operations of that phone."""
        await self.post("/sandbox/mpesa", outcome=outcome, **rule)

    async def operations(self, phone: str) -> list[Any]:
        """What reached the simulated M-Pesa, newest first."""
        found = await self.get("/sandbox/mpesa/operations", phone=phone)
        operations: list[Any] = found["operations"]
        return operations

    async def operation(self, phone: str, count: int = 1) -> Any:
        """The newest operation once there are `count`."""
        return (await self.until(lambda: self.operations(phone), lambda o: len(o) >= count))[0]

    async def callback(self, reference: str, outcome: str) -> None:
        """Let the simulated M-Pesa call back for a checkout or conversation."""
        name = "checkout" if reference.startswith("ws_") else "conversation"
        await self.post("/sandbox/mpesa/callback", outcome=outcome, **{name: reference})

    async def code(self, to: str | None) -> str:
        """The newest one-time code sent to an address."""
        sent = await self.get("/sandbox/messages", to=to or "")
        code: str = sent["messages"][0]["code"]
        return code

    async def check_books(self) -> None:
        """Every journal balances, and balances, holds and hashes are what they must be."""
        report = await self.get("/sandbox/ledger")
        assert report["balanced"], report["differences"]
        assert set(report["totals"].values()) <= {"0"}, report["totals"]

    async def until(self, read: Callable[[], Any], holds: Callable[[Any], bool]) -> Any:
        """What `read` finds once `holds` is true of it."""
        found: Any = None
        with trio.move_on_after(PATIENCE_S):
            while not holds(found := await read()):
                await trio.sleep(_POLL_S)
            return found
        raise AssertionError(f"not in time: {found}")

    @asynccontextmanager
    async def cashier(self, who: Person | str, query: str = "") -> AsyncIterator["Socket"]:
        """A greeted cashier socket of a person or of a token."""
        token = who.token if isinstance(who, Person) else who
        async with self.socket(CASHIER + query, token) as socket:
            socket.greeting = await socket.event("connected")
            yield socket

    @asynccontextmanager
    async def socket(self, path: str, token: str | None = None) -> AsyncIterator["Socket"]:
        """Any WebSocket of the server. Raises trio_websocket.ConnectionRejected."""
        url = str(self.http.base_url).replace("http", "ws", 1).rstrip("/") + path
        headers = [("Authorization", f"Bearer {token}")] if token is not None else []
        async with trio.open_nursery() as nursery:
            async with open_websocket_url(url, extra_headers=headers) as connection:
                socket = Socket(connection)
                nursery.start_soon(socket.read)
                try:
                    yield socket
                    await connection.aclose()
                finally:
                    # The library leaves the stream open when the server was first to close.
                    await trio.aclose_forcefully(connection._stream)
            nursery.cancel_scope.cancel()


class Socket:
    """A socket that tells replies from events."""

    def __init__(self, connection: WebSocketConnection) -> None:
        self.connection = connection
        self.greeting: Any = None
        self.events: list[Any] = []
        self.close_code: int | None = None
        self._replies: list[Any] = []
        self._arrived = trio.Event()

    async def read(self) -> None:
        """Sort what comes in until the socket closes."""
        try:
            while True:
                frame = json.loads(await self.connection.get_message())
                is_reply = frame.get("type") in ("success", "error")
                (self._replies if is_reply else self.events).append(frame)
                self._wake()
        except ConnectionClosed as closed:
            self.close_code = closed.reason.code if closed.reason is not None else 1006
            self._wake()

    async def send(self, kind: str, data: Any = None, **more: Any) -> None:
        """One request, without waiting for its reply."""
        frame = {"type": kind, "data": data if data is not None else {}, **more}
        await self.connection.send_message(json.dumps(frame))

    async def reply(self) -> Any:
        """The next reply."""
        with trio.move_on_after(PATIENCE_S):
            while not self._replies:
                assert self.close_code is None, f"closed with {self.close_code}"
                await self._arrived.wait()
            return self._replies.pop(0)
        raise AssertionError("no reply in time")

    async def tell(self, text: str | bytes) -> Any:
        """The reply to a raw frame."""
        await self.connection.send_message(text)
        return await self.reply()

    async def call(self, kind: str, **data: Any) -> Any:
        """The whole reply to a request."""
        await self.send(kind, data)
        return await self.reply()

    async def ask(self, kind: str, **data: Any) -> Any:
        """The payload of a success; an error fails the test."""
        reply = await self.call(kind, **data)
        assert reply["type"] == "success", reply
        return reply["data"]["data"]

    async def refused(self, kind: str, **data: Any) -> str:
        """The text of an error; a success fails the test."""
        reply = await self.call(kind, **data)
        assert reply["type"] == "error", reply
        assert set(reply["data"]) == {"message"}
        text: str = reply["data"]["message"]
        return text

    async def event(self, kind: str) -> Any:
        """The next event of that type, whole; others are kept."""
        with trio.move_on_after(PATIENCE_S):
            while True:
                for number, event in enumerate(self.events):
                    if event["type"] == kind:
                        return self.events.pop(number)
                assert self.close_code is None, f"closed with {self.close_code}"
                await self._arrived.wait()
        raise AssertionError(f"no {kind} in time, but {self.events}")

    async def closed(self) -> int:
        """The close code, once the server has closed the socket."""
        with trio.move_on_after(PATIENCE_S):
            while self.close_code is None:
                await self._arrived.wait()
            return self.close_code
        raise AssertionError("not closed in time")

    async def quiet(self, kind: str, for_s: float = 0.5) -> None:
        """Fails when an event of that type comes."""
        await trio.sleep(for_s)
        assert [event for event in self.events if event["type"] == kind] == []

    # What customers do in several flows

    async def balance(self, number: str) -> tuple[float, float, float]:
        """Balance, available and pending debit of an account."""
        shown = await self.ask("get_account_balance", account_number=number)
        return shown["balance"], shown["available_balance"], shown["pending_debit"]

    async def token(self, world: World, person: Person, purpose: str = "withdrawal") -> str:
        """A verification token, by a code that was sent."""
        await self.ask("verification_request", method="otp_sms", purpose=purpose)
        code = await world.code(person.phone)
        verified = await self.ask("verify_otp", code=code, purpose=purpose)
        token: str = verified["verification_token"]
        return token

    def _wake(self) -> None:
        arrived, self._arrived = self._arrived, trio.Event()
        arrived.set()


async def status(client: Socket, ref: str) -> str:
    """Of a deposit, in the document's word."""
    shown: str = (await client.ask("get_deposit_status", request_ref=ref))["status"]
    return shown


async def until_status(world: World, client: Socket, ref: str, word: str) -> None:
    """Return once the deposit has that status."""
    await world.until(lambda: status(client, ref), lambda found: found == word)
