"""The journal alone: the ledger in process, without sockets, tokens or JSON.

Closed loops of askers call `Ledger.record` with a transfer that has one event, as the cashier's
does; what is measured is deciding, group commit and PostgreSQL. It runs in a process of its own:

    python -m benchmarks.journal URL ASKERS HOT(0|1) WARMUP_S MEASURE_S FIRST_USER_ID
"""

import gc
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import trio

from actors.account import Accounts
from actors.clock import Clock
from actors.feed import Feeds
from actors.journal import Journal
from actors.ledger import Ledger
from benchmarks import seed
from benchmarks.house import House
from domain.events import Event, TransferReceived, person
from domain.ledger import Effects, Intent, Posting, Recorded, wallet
from storage.accounts import PostgresAccounts
from storage.journal import PostgresJournal
from storage.pool import Pool

ASKERS = (1, 64, 1000)
PEOPLE = 1000
AMOUNT = 10**6  # units: 0.01 USD
DESCRIPTION = "Payment for services"


@dataclass(frozen=True, kw_only=True)
class Alone:
    """Transfers a second without any server, and the latencies of one `record`."""

    askers: int
    hot: bool
    delay_us: int
    rate: float
    p50_us: float
    p99_us: float


def measure(house: House) -> list[Alone]:
    """1, 64 and 1,000 askers, uniform and hot, with each disk; the median of the rounds."""
    url = house.postgres.create_database("journal")
    seed.prepare(url)
    users = seed.seed(url, PEOPLE + 1)
    found = []
    for delay_us in house.delays_us:
        house.postgres.delay_fsync(delay_us)
        for hot in (False, True):
            for askers in ASKERS:
                rounds = [_run(house, url, askers, hot, users) for _ in range(house.plan.rounds)]
                found.append(_median(rounds, askers, hot, delay_us))
                house.say(f"journal alone: {found[-1]}")
    house.postgres.delay_fsync(0)
    return found


def _run(house: House, url: str, askers: int, hot: bool, users: list[str]) -> dict[str, float]:
    plan = house.plan
    command = [sys.executable, "-m", "benchmarks.journal", url, str(askers), str(int(hot))]
    command += [str(plan.warmup_s / 2), str(plan.measure_s / 2), users[0]]
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"the journal alone failed:\n{done.stdout[-2000:]}")
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def _median(rounds: list[dict[str, float]], askers: int, hot: bool, delay_us: int) -> Alone:
    middle = {name: statistics.median(each[name] for each in rounds) for name in rounds[0]}
    return Alone(askers=askers, hot=hot, delay_us=delay_us, **middle)


class Askers:
    """The closed loops and their samples."""

    def __init__(self, ledger: Ledger, payers: list[int], payees: list[int]) -> None:
        self._ledger = ledger
        self._payers = payers
        self._payees = payees
        self._from = self._until = 0.0
        self._samples_s: list[float] = []
        self._inside = 0

    async def run(self, warmup_s: float, measure_s: float) -> dict[str, float]:
        """Every payer keeps one transfer in flight until the window is over."""
        self._from = time.perf_counter() + warmup_s
        self._until = self._from + measure_s
        async with trio.open_nursery() as nursery:
            for payer in self._payers:
                nursery.start_soon(self._pay, payer)
        samples = sorted(self._samples_s)
        return {
            "rate": self._inside / measure_s,
            "p50_us": samples[len(samples) // 2] * 1e6,
            "p99_us": samples[len(samples) * 99 // 100] * 1e6,
        }

    async def _pay(self, payer: int) -> None:
        payees = [payee for payee in self._payees if payee != payer]
        while (began := time.perf_counter()) < self._until:
            outcome = await self._ledger.record(transfer(payer, random.choice(payees)))
            if not isinstance(outcome, Recorded):
                raise RuntimeError(f"refused: {outcome}")
            ended = time.perf_counter()
            if ended >= self._from:
                self._samples_s.append(ended - began)
                self._inside += ended < self._until


def transfer(payer: int, payee: int) -> Intent:
    """The intent of a person-to-person transfer with its event."""

    def effects(recorded: Recorded) -> Effects:
        fact = TransferReceived(
            from_user=payer,
            amount=AMOUNT,
            asset="USD",
            description=DESCRIPTION,
            receipt=recorded.receipt,
        )
        return Effects(events=(Event(person(payee), fact),))

    posting = Posting(wallet(payer, "USD"), wallet(payee, "USD"), AMOUNT, DESCRIPTION)
    return Intent(
        kind="transfer",
        postings=(posting,),
        initiator=payer,
        description=DESCRIPTION,
        effects=effects,
    )


async def alone(url: str, use: Callable[[Ledger], Awaitable[Any]]) -> None:
    """Start accounts and journal on the database, hand the ledger to `use`, stop."""
    clock = Clock()
    async with Pool.opened(url) as pool, trio.open_nursery() as nursery:
        accounts = Accounts(PostgresAccounts(pool), clock)
        journal = Journal(PostgresJournal(url), Feeds(), clock)
        await nursery.start(accounts.run)
        await nursery.start(journal.run)
        await use(Ledger(accounts, journal))
        await journal.drain()
        nursery.cancel_scope.cancel()


def main() -> None:
    """Run with the arguments of the module's docstring; prints one line of JSON."""
    url, askers, hot, warmup_s, measure_s, first = sys.argv[1:]
    users = list(range(int(first), int(first) + PEOPLE + 1))
    payers, payees = users[: int(askers)], users[-1:] if hot == "1" else users[:-1]

    async def use(ledger: Ledger) -> None:
        await _touch(ledger, users)
        gc.freeze()
        print(
            json.dumps(await Askers(ledger, payers, payees).run(*map(float, (warmup_s, measure_s))))
        )

    trio.run(alone, url, use)


async def _touch(ledger: Ledger, users: list[int]) -> None:
    """Bring the accounts into memory, as they are in a server that has been running."""
    async with trio.open_nursery() as nursery:
        for user in users:
            nursery.start_soon(ledger.accounts.get, wallet(user, "USD"))


if __name__ == "__main__":
    main()
