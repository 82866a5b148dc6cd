"""A store without a disk, a receiver of callbacks, and a simulator with a client of its own."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial

import msgspec
import trio

from actors.clock import Clock
from providers.mpesa.client import Mpesa, open_mpesa
from providers.mpesa.settings import Settings
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa.account import Account, Vault
from providers.sandbox.mpesa.outcomes import Rule
from providers.sandbox.mpesa.simulator import MpesaSimulator
from providers.sandbox.server import HttpReply, HttpRequest, serve_http

PATIENCE_SECONDS = 5.0
PHONE = "254712345678"


class MemoryStore:
    """What a `SimulatorStore` promises, for as long as the test lasts."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def load(self) -> list[bytes]:
        return list(self.lines)

    def rewrite(self, lines: Iterable[bytes]) -> None:
        self.lines = list(lines)

    async def append(self, line: bytes) -> None:
        await trio.lowlevel.checkpoint()
        self.lines.append(line)


@dataclass
class Receiver:
    """Our own side of the callbacks: keeps what came, by path, and answers as told."""

    base: str = ""
    came: list[tuple[str, bytes]] = field(default_factory=list)
    statuses: list[int] = field(default_factory=list)  # of the next answers, then 200
    reply: bytes = b'{"ResultCode":0,"ResultDesc":"Accepted"}'

    async def handle(self, request: HttpRequest) -> HttpReply:
        status = self.statuses.pop(0) if self.statuses else 200
        self.came.append((request.path, request.body))
        return HttpReply(status, self.reply)

    def at(self, path: str) -> list[bytes]:
        return [body for arrived, body in self.came if arrived == path]

    async def wait_for(self, path: str, count: int = 1) -> list[bytes]:
        with trio.fail_after(PATIENCE_SECONDS):
            while len(self.at(path)) < count:
                await trio.sleep(0.005)
        return self.at(path)

    def urls(self, path: str) -> dict[str, str]:
        return {"result_url": self.base + path, "timeout_url": self.base + path + "-timeout"}


@dataclass
class World:
    """A running simulator, a client of it, and where it calls back."""

    simulator: MpesaSimulator
    settings: Settings
    mpesa: Mpesa
    receiver: Receiver
    fault: Fault

    async def rule(self, outcome: str, **members: object) -> None:
        given = {"delay_seconds": 0.0, **members, "outcome": outcome}
        await self.simulator.set_rule(msgspec.convert(given, Rule))

    async def push(self, path: str = "/cb", phone: str = PHONE, amount: int = 100):
        return await self.mpesa.push(
            payment_id="p1",
            phone=phone,
            amount_kes=amount,
            reference="REF",
            description="Test",
            callback_url=self.receiver.base + path,
        )

    async def until_over(self) -> list[dict[str, object]]:
        """All operations, once none is pending."""
        with trio.fail_after(PATIENCE_SECONDS):
            while any(shown["state"] == "pending" for shown in self.simulator.operations()):
                await trio.sleep(0.005)
        return self.simulator.operations()

    async def pay_out(self, payment_id: str, path: str = "/result", amount: int = 500):
        return await self.mpesa.pay_out(
            payment_id=payment_id,
            phone=PHONE,
            amount_kes=amount,
            remarks="Withdrawal",
            **self.receiver.urls(path),
        )

    async def pay_bill(self, path: str = "/result", amount: int = 1200):
        return await self.mpesa.pay_bill(
            payment_id="b1",
            paybill="400222",
            account="12345",
            amount_kes=amount,
            remarks="Electricity",
            **self.receiver.urls(path),
        )


Handler = Callable[[HttpRequest], Awaitable[HttpReply]]


@asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    async with trio.open_nursery() as nursery:
        port = await nursery.start(partial(_serve, handler))
        yield f"http://127.0.0.1:{port}"
        nursery.cancel_scope.cancel()


async def _serve(handler: Handler, task_status: trio.TaskStatus[int]) -> None:
    await serve_http(handler, task_status=task_status)


@asynccontextmanager
async def simulating(
    vault: Vault, store: object, receiver: Receiver, account: Account | None = None
) -> AsyncIterator[World]:
    """A simulator until the block is left, which kills it without a word."""
    fault = Fault(Clock().now_us)
    simulator = MpesaSimulator(
        store,  # type: ignore[arg-type]
        fault,
        vault=vault,
        account=account,
        retry_pauses=(0.02, 0.05, 0.1, 0.2),
    )
    async with serving(receiver.handle) as base, trio.open_nursery() as nursery:
        receiver.base = base
        port = await nursery.start(simulator.serve)
        settings = replace(simulator.client_settings(port), retry_seconds=0.01)
        async with open_mpesa(settings, Clock()) as mpesa:
            yield World(simulator, settings, mpesa, receiver, fault)
        nursery.cancel_scope.cancel()
