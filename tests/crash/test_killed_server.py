"""kill -9 of the whole server while real clients pay over sockets, each request under its key.

After every restart each client repeats what it never heard the end of; whatever the server had
said before the kill is still true, and nothing was paid twice.
"""

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio
from trio_websocket import ConnectionClosed, open_websocket_url

from storage import embedded
from storage.pool import Pool
from storage.verify import verify
from tests.conftest import ROOT
from tests.crash.killing import kill

pytestmark = pytest.mark.slow  # minutes: `make crash`

KILLS = 20
PEOPLE = 12
SOCKET = "/cashier/api/v1/cashier/svc/ws"
_RECORDED = """
SELECT key, outcome FROM idempotency WHERE scope LIKE 'user:%' AND key LIKE 'payment %'
"""


@contextmanager
def _serving(folder: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's base URL and process. A killed one is waited for."""
    command = [sys.executable, "app.py", "serve", "--port", "0", "--data-dir", str(folder / "data")]
    environment = {**os.environ, "CASHIER_MESSAGES_PER_SECOND": "1000000"}
    with (
        (folder / "server.log").open("ab") as log,
        subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=log, text=True
        ) as process,
    ):
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith("listening on "), (folder / "server.log").read_text()[-2000:]
            yield line.split()[-1], process
        finally:
            process.kill()


@dataclass
class Client:
    """A person who pays others, one unit of money after the other, over one socket at a time."""

    user_id: str
    token: str
    payees: list[str]
    receipts: dict[str, str] = field(default_factory=dict)  # by key: what the server said
    unheard: dict[str, Any] = field(default_factory=dict)  # by key: requests without an answer
    sent: int = 0
    has_caught_up: bool = False  # with everything it had not heard the end of

    async def pay_until_killed(self, base: str, task_status: trio.TaskStatus[None]) -> None:
        """Repeat what is open, and something answered long ago, then pay on; started once the
        server has greeted (the library waits a minute for a handshake that was cut)."""
        self.has_caught_up = False
        url = base.replace("http", "ws", 1) + SOCKET
        headers = [("Authorization", f"Bearer {self.token}")]
        try:
            async with open_websocket_url(url, extra_headers=headers) as socket:
                try:
                    await socket.get_message()
                    task_status.started()
                    await self._pay(socket)
                finally:
                    # The library leaves the stream open when the server was first to close.
                    await trio.aclose_forcefully(socket._stream)
        except (ConnectionClosed, OSError):
            return

    async def _pay(self, socket: Any) -> None:
        for key, request in [*self.unheard.items(), *self._answered_before()]:
            await self._ask(socket, key, request)
        self.has_caught_up = True
        while True:
            await self._ask(socket, *self._next())

    def _next(self) -> tuple[str, Any]:
        self.sent += 1
        return f"payment {self.user_id} {self.sent}", self._request(self.sent)

    def _answered_before(self) -> list[tuple[str, Any]]:
        keys = list(self.receipts)[:: max(1, len(self.receipts) // 5)]
        return [(key, self._request(int(key.split()[-1]))) for key in keys]

    def _request(self, number: int) -> dict[str, Any]:
        payee = self.payees[number % len(self.payees)]
        return {"to_user_id": payee, "amount": 0.01, "currency": "USD"}

    async def _ask(self, socket: Any, key: str, request: Any) -> None:
        self.unheard[key] = request
        frame = {"type": "transfer", "data": {**request, "idempotency_key": key}}
        await socket.send_message(json.dumps(frame))
        reply = await self._reply(socket)
        assert reply["type"] == "success", reply
        receipt = reply["data"]["data"]["receipt_code"]
        assert self.receipts.setdefault(key, receipt) == receipt, "a repeat was paid again"
        del self.unheard[key]

    @staticmethod
    async def _reply(socket: Any) -> Any:
        while True:
            frame = json.loads(await socket.get_message())
            if frame["type"] in ("success", "error"):
                return frame


async def _until(holds: Callable[[], bool]) -> None:
    with trio.fail_after(30):
        while not holds():
            await trio.sleep(0.005)


async def _people(base: str) -> list[Client]:
    async with httpx.AsyncClient(base_url=base, timeout=30) as http:
        made = []
        for _ in range(PEOPLE):
            answer = await http.post("/sandbox/users", json={"balances": {"USD": "10000.00"}})
            made.append(answer.json())
    ids = [person["user_id"] for person in made]
    return [
        Client(person["user_id"], person["token"], [i for i in ids if i != person["user_id"]])
        for person in made
    ]


async def _check(data_dir: Path, clients: list[Client]) -> int:
    """What clients were told is there under the same receipt; every payment is there once."""
    async with embedded.attached(data_dir) as dsn, Pool.opened(dsn, 2) as pool:
        recorded = {
            key: json.loads(outcome)["data"]["data"]["receipt_code"]
            for key, outcome in await pool.fetch(_RECORDED)
        }
        for client in clients:
            lost = client.receipts.items() - recorded.items()
            assert not lost, sorted(lost)[:5]
        asked = {key for client in clients for key in (*client.receipts, *client.unheard)}
        assert recorded.keys() <= asked
        (transfers,) = await pool.fetch("SELECT count(*) FROM journals WHERE kind = 'TRANSFER'")
        assert transfers == (len(recorded),)
        report = await verify(pool)
        assert report.balanced, report.differences
    return len(recorded)


@pytest.mark.slow
async def test_a_server_killed_twenty_times_pays_everything_once(
    tmp_path_factory: pytest.TempPathFactory, rng: random.Random
) -> None:
    """architecture.md, "Storage"; X-C29. Every second time the database is killed as well."""
    folder = tmp_path_factory.mktemp("server")
    clients: list[Client] = []
    for number in range(KILLS):
        with _serving(folder) as (base, process):
            clients = clients or await _people(base)
            async with trio.open_nursery() as nursery:
                for client in clients:
                    await nursery.start(client.pay_until_killed, base)
                await trio.sleep(rng.uniform(0, 1.5))
                kill(process, folder / "data", database_too=number % 2 == 1)
        await _check(folder / "data", clients)
    told = sum(len(client.receipts) for client in clients)
    assert told > 50 * KILLS
    # In the end every request that was ever sent is answered, and was carried out once.
    with _serving(folder) as (base, process):
        async with trio.open_nursery() as nursery:
            for client in clients:
                await nursery.start(client.pay_until_killed, base)
            await _until(lambda: all(client.has_caught_up for client in clients))
            kill(process, folder / "data", database_too=False)
    assert await _check(folder / "data", clients) >= told
