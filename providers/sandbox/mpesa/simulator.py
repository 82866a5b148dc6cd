"""The simulated Safaricom as app.py and the sandbox routes see it."""

import ssl
import time
from collections.abc import Callable
from functools import partial
from random import Random, SystemRandom
from typing import Any, Final

import trio

from providers.mpesa.settings import Settings
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa import courier
from providers.sandbox.mpesa.account import Account, Vault
from providers.sandbox.mpesa.book import Book
from providers.sandbox.mpesa.calls import Calls
from providers.sandbox.mpesa.desk import Desk
from providers.sandbox.mpesa.gateway import Gateway
from providers.sandbox.mpesa.outcomes import ENDINGS, Rule
from providers.sandbox.mpesa.store import SimulatorStore
from providers.sandbox.server import serve_http

CALLBACK_OUTCOMES: Final = frozenset(ENDINGS) - {"slow", "lost_callback", "bad_credential"}


class MpesaSimulator:
    """One instance per store. Made, served once, asked while it serves."""

    def __init__(
        self,
        store: SimulatorStore,
        fault: Fault,
        *,
        account: Account | None = None,
        vault: Vault | None = None,
        rng: Random | None = None,
        wall: Callable[[], float] = time.time,
        retry_pauses: tuple[float, ...] = courier.PAUSES_SECONDS,
        trust: ssl.SSLContext | bool = True,
    ) -> None:
        """Making a `vault` costs a key pair (a tenth of a second), so tests share one. `trust`
        verifies the TLS servers that are called back."""
        self._account = account or Account()
        self._vault = vault or Vault(self._account)
        self._fault = fault
        self._rng = rng or SystemRandom()
        self._wall = wall
        self._retry_pauses = retry_pauses
        self._trust = trust
        self._book = Book(store)
        self._desk: Desk | None = None

    def client_settings(self, port: int) -> Settings:
        """What a client of the simulator at `port` is configured with."""
        return self._vault.client_settings(port)

    async def serve(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        task_status: trio.TaskStatus[int] = trio.TASK_STATUS_IGNORED,
    ) -> None:
        """Serve until cancelled; `task_status.started(port)`. What the last run had under way
        goes on first: delays by the time that is left, callbacks that nobody took."""
        await trio.to_thread.run_sync(self._book.load)
        async with courier.open_http(self._trust) as http, trio.open_nursery() as nursery:
            carrier = courier.Courier(http, self._retry_pauses)
            desk = Desk(self._book, carrier, nursery, rng=self._rng, wall=self._wall)
            calls = Calls(self._account, self._vault, desk)
            gateway = Gateway(self._account, calls, self._fault, desk.ids.token)
            self._desk = desk
            desk.resume()
            bound = await nursery.start(partial(serve_http, gateway.handle, host=host, port=port))
            task_status.started(bound)

    async def set_rule(self, rule: Rule) -> None:
        """From the next payment on; remembered across restarts."""
        self._book.rules.put(rule)
        await self._book.keep_settings()

    def operations(self, *, phone: str = "", target: str = "") -> list[dict[str, Any]]:
        """What reached M-Pesa, newest first, as the contract shows it; all if neither is given."""
        who = phone or target
        payments = self._book.of(who) if who else self._book
        return [payment.shown() for payment in payments]

    async def callback(self, reference: str, outcome: str) -> bool:
        """Call back now for a checkout, conversation or originator id; False if it is unknown.

        Raises ValueError for what is not in CALLBACK_OUTCOMES. Returns after the first attempt
        to deliver; the others follow in the background.
        """
        if outcome not in CALLBACK_OUTCOMES:
            raise ValueError(f"no such callback outcome: {outcome}")
        payment = self._book.by_reference(reference)
        if payment is None or self._desk is None:
            return False
        await self._desk.call_back(payment, outcome)
        return True
