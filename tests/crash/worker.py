"""A process to be killed: a ledger under full load on an embedded PostgreSQL.

    python -m tests.crash.worker DATA_DIR RUN

prints a line for everything it is told was recorded, "KEY OUTCOME", never before; "ready" once it
serves. Keys are RUN:ASKER:NUMBER. It never ends by itself.
"""

import random
import sys
from pathlib import Path

import structlog
import trio

from actors.account import Accounts
from actors.clock import Clock
from actors.feed import Feeds
from actors.journal import Journal
from actors.ledger import Ledger
from domain.ledger import (
    Effects,
    Hold,
    Intent,
    Posting,
    Recorded,
    SystemPurpose,
    Ticket,
    system,
    wallet,
)
from storage import embedded
from storage.accounts import PostgresAccounts
from storage.journal import PostgresJournal
from storage.migrate import migrate
from storage.pool import Pool

ASKERS = 64
PEOPLE = range(1, 33)
FUNDS = system("USD", SystemPurpose.SANDBOX_FUNDING)


def say(line: str) -> None:
    """One line, out of this process before anything else happens."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def _outcome(recorded: Recorded) -> Effects:
    return Effects(outcome=f"{recorded.journal_id}".encode())


class Load:
    """Askers who transfer, hold and post without a pause."""

    def __init__(self, ledger: Ledger, run: str) -> None:
        self._ledger = ledger
        self._run = run

    async def go(self) -> None:
        """Until the process is killed."""
        async with trio.open_nursery() as nursery:
            for name in range(ASKERS):
                nursery.start_soon(self._ask_for_ever, name)

    async def _ask_for_ever(self, name: int) -> None:
        number = 0
        while True:
            payer, payee = (wallet(owner, "USD") for owner in random.sample(PEOPLE, 2))
            key = f"{self._run}:{name}:{number}"
            match random.random():
                case share if share < 0.1:
                    await self._record(key, Posting(FUNDS, payer, random.randint(1, 10_000)))
                case share if share < 0.3:
                    await self._hold_and_close(key, Posting(payer, payee, random.randint(2, 100)))
                case _:
                    await self._record(key, Posting(payer, payee, random.randint(1, 100)))
            number += 1

    async def _hold_and_close(self, key: str, posting: Posting) -> None:
        account = posting.source
        placed = await self._record(f"{key}:held", place=Hold(account, posting.amount))
        if placed is not None:
            hold = Hold(account, posting.amount, placed.journal_id)
            part = Posting(account, posting.destination, random.randint(1, posting.amount))
            await self._record(f"{key}:closed", part, close=hold)

    async def _record(
        self, key: str, *postings: Posting, place: Hold | None = None, close: Hold | None = None
    ) -> Recorded | None:
        answer = await self._ledger.record(
            Intent(
                kind="LOAD",
                postings=postings,
                place=place,
                close=close,
                ticket=Ticket("load", key, b""),
                effects=_outcome,
            )
        )
        if not isinstance(answer, Recorded):
            return None
        say(f"{key} {answer.journal_id}")
        return answer


async def main(data_dir: Path, run: str) -> None:
    """Serve the load."""
    clock = Clock()
    async with embedded.running(data_dir) as postgres:
        await migrate(postgres.dsn)
        async with Pool.opened(postgres.dsn) as pool, trio.open_nursery() as nursery:
            accounts = Accounts(PostgresAccounts(pool), clock, resident_limit=20)
            journal = Journal(PostgresJournal(postgres.dsn), Feeds(), clock)
            await nursery.start(accounts.run)
            await nursery.start(journal.run)
            say("ready")
            await Load(Ledger(accounts, journal), run).go()


if __name__ == "__main__":
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    trio.run(main, Path(sys.argv[1]), sys.argv[2])
