"""STK pushes: a thousand in flight at once, and how soon a callback is on its client's socket.

One server as `make serve` starts it, so the simulated M-Pesa runs in the same process and on the
same core: a real one would leave more of it to the server. Three measurements on 1,000 sockets,
each on a hash of its own:

wave      every socket pushes at once; the simulator calls back 0.2 s later, as it does by default
memory    pushes nobody answers are piled up; what the process grew by, divided by their number
callbacks those pushes are called back at a steady 200 a second, whatever the answers do (an open
          loop: a late callback is late from the moment it was due)
"""

import http.client
import json
import statistics
import time
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Final

import trio

from assembly.awake import AwakeClock
from benchmarks import servers
from benchmarks.house import House
from benchmarks.stk_client import Callers, PushSocket
from benchmarks.usage import usage

SOCKETS: Final = 1_000
CALLBACKS_PER_S: Final = 200
CALLERS: Final = 64  # connections of the provider
_OPENING: Final = 64  # handshakes at once
_PATIENCE_S: Final = 120.0
_SETTLE_S: Final = 1.0


@dataclass(frozen=True, kw_only=True)
class Stk:
    """What was measured. `paid` of the `pushes` in a wave were completed, `rate` of them a
    second; latencies run from the moment a callback is due to its event on the socket."""

    pushes: int
    paid: int
    rate: float
    bytes_each: float
    callbacks: int
    callbacks_per_s: float
    p50_ms: float
    p99_ms: float


def measure(house: House) -> Stk:
    """All three on one server."""
    database = house.postgres.create_database("stk")
    port, secret = servers.free_port(), servers.new_secret()
    with servers.ours(house.directory / "stk", database, port, secret) as server:
        run = _Run(house, port, server.pid)
        found: Stk = trio.run(run.all, clock=AwakeClock())
    house.say(f"stk: {found}")
    return found


class _Run:
    """The clients and the provider of one server."""

    def __init__(self, house: House, port: int, pid: int) -> None:
        self._house = house
        self._port = port
        self._pid = pid
        self._sockets: list[PushSocket] = []
        self._accepted = 0
        self._ended: dict[str, float] = {}  # checkout → when its event came
        self._paid = 0
        self._errors: list[str] = []
        self._moved = trio.Event()

    async def all(self) -> Stk:
        """Open the sockets, then measure."""
        plan = self._house.plan
        async with trio.open_nursery() as nursery:
            await self._open(nursery)
            waves = [await self._wave() for _ in range(plan.rounds + 1)]
            seconds = statistics.median(wave[1] for wave in waves[1:])
            callbacks = round(CALLBACKS_PER_S * plan.measure_s * 2.5)
            bytes_each, due = await self._pile_up(-(-callbacks // SOCKETS))
            late_s, took_s = await self._call_back(due[:callbacks])
            nursery.cancel_scope.cancel()
        late_s.sort()
        return Stk(
            pushes=SOCKETS,
            paid=min(wave[0] for wave in waves),
            rate=SOCKETS / seconds,
            bytes_each=bytes_each,
            callbacks=len(late_s),
            callbacks_per_s=len(late_s) / took_s,
            p50_ms=late_s[len(late_s) // 2] * 1000,
            p99_ms=late_s[int(len(late_s) * 0.99)] * 1000,
        )

    async def _open(self, nursery: trio.Nursery) -> None:
        places = trio.CapacityLimiter(_OPENING)

        async def open_one(number: int) -> None:
            async with places:
                socket = await PushSocket.opened(self._port, f"bench-{number}", self._heard)
            self._sockets.append(socket)
            nursery.start_soon(socket.read)

        async with trio.open_nursery() as opening:
            for number in range(SOCKETS):
                opening.start_soon(open_one, number)

    async def _wave(self) -> tuple[int, float]:
        """How many of a push on every socket were paid, and after how many seconds the last."""
        self._forget()
        began = trio.current_time()
        await self._push_on_all()
        await self._until(lambda: len(self._ended) == SOCKETS)
        return self._paid, max(self._ended.values()) - began

    async def _pile_up(self, rounds: int) -> tuple[float, list[tuple[str, bytes]]]:
        """Bytes of each of so many times SOCKETS pushes in flight, and the callbacks they wait
        for."""
        self._control("POST", "/sandbox/mpesa", {"outcome": "no_callback", "operation": "stk"})
        await trio.sleep(_SETTLE_S)
        before = usage(self._pid).rss_bytes
        for _ in range(rounds):
            self._forget()
            await self._push_on_all()
            await self._until(lambda: self._accepted == SOCKETS)
        await trio.sleep(_SETTLE_S)
        grown = usage(self._pid).rss_bytes - before
        listed = self._control("GET", "/sandbox/mpesa/operations")["operations"]
        due = [_callback(o, number) for number, o in enumerate(listed[: rounds * SOCKETS])]
        return grown / (rounds * SOCKETS), due

    async def _call_back(self, due: list[tuple[str, bytes]]) -> tuple[list[float], float]:
        """How late each event was, in seconds, and how long all of them took."""
        self._forget()
        callers = await Callers.opened(self._port, CALLERS)
        due_at: dict[str, float] = {}
        async with trio.open_nursery() as nursery:
            began = trio.current_time()
            for number, (url, body) in enumerate(due):
                at = began + number / CALLBACKS_PER_S
                await trio.sleep_until(at)
                due_at[_checkout(body)] = at
                nursery.start_soon(callers.post, url, body)
        await self._until(lambda: len(self._ended) == len(due))
        late_s = [self._ended[checkout] - at for checkout, at in due_at.items()]
        return late_s, max(self._ended.values()) - began

    async def _push_on_all(self) -> None:
        async with trio.open_nursery() as nursery:
            for number, socket in enumerate(self._sockets):
                nursery.start_soon(socket.push, f"2547{number:08d}")

    def _heard(self, frame: dict[str, Any]) -> None:
        payload = frame["payload"]
        if frame["kind"] == "push":
            self._accepted += 1
        elif frame["kind"] == "status":
            self._ended[payload["checkout"]] = trio.current_time()
            self._paid += payload["status"] == "completed"
        else:
            self._errors.append(str(payload))
        self._moved.set()

    def _forget(self) -> None:
        self._accepted = self._paid = 0
        self._ended.clear()

    async def _until(self, holds: Any) -> None:
        with trio.fail_after(_PATIENCE_S):
            while not holds():
                if self._errors:
                    raise RuntimeError(f"{len(self._errors)} errors, first {self._errors[0]}")
                self._moved = trio.Event()
                await self._moved.wait()

    def _control(self, method: str, path: str, body: Any = None) -> Any:
        with closing(http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)) as control:
            control.request(method, path, json.dumps(body) if body else None)
            return json.loads(control.getresponse().read())


def _callback(operation: dict[str, Any], number: int) -> tuple[str, bytes]:
    """The address and body that say a push was paid."""
    items = [
        {"Name": "Amount", "Value": operation["amount"]},
        {"Name": "MpesaReceiptNumber", "Value": f"BNC{number:07d}"},
        {"Name": "TransactionDate", "Value": int(time.strftime("%Y%m%d%H%M%S"))},
        {"Name": "PhoneNumber", "Value": int(operation["phone"])},
    ]
    said = {
        "MerchantRequestID": "29115-34620561-1",
        "CheckoutRequestID": operation["checkout"],
        "ResultCode": 0,
        "ResultDesc": "The service request is processed successfully.",
        "CallbackMetadata": {"Item": items},
    }
    return operation["callback_url"], json.dumps({"Body": {"stkCallback": said}}).encode()


def _checkout(body: bytes) -> str:
    checkout: str = json.loads(body)["Body"]["stkCallback"]["CheckoutRequestID"]
    return checkout
