"""What the rest of the system asks of the ledger.

`Ledger.record` is the life of a transfer (architecture.md): find the accounts, decide, reserve,
hand to the journal, wait for the commit.
"""

from collections.abc import Iterable
from types import TracebackType

from actors.account import Account, Accounts
from actors.batch import Command
from actors.identity_store import StoreUnavailable
from actors.journal import Journal
from domain.ledger import AccountKey, Intent, Recorded, Refusal, decide, may_overdraw


class Ledger:
    """Accounts and journal together."""

    def __init__(self, accounts: Accounts, journal: Journal) -> None:
        self.accounts = accounts
        self.journal = journal

    async def record(self, intent: Intent) -> Recorded | Refusal:
        """Record `intent` durably, or say why not; nothing is half done.

        Returns after the commit. Cancelled after its decision, the intent is recorded all the
        same: its outcome is found by its idempotency key or receipt. Raises what `intent.effects`
        raised, and for what the database cannot take.
        """
        try:
            accepted = self.submit(intent) or await self._bring(intent)
        except StoreUnavailable:  # nothing was decided yet
            return Refusal.UNAVAILABLE
        if isinstance(accepted, Refusal):
            return accepted
        result = await accepted.wait()
        if isinstance(result, Exception):
            raise result
        return result

    def submit(self, intent: Intent) -> Command | Refusal | None:
        """Begin to record `intent` without waiting: what was accepted ends by itself.

        None, and nothing has happened, when an account of it must be recovered first.
        """
        if not self.journal.available:
            # Memory may be about to change by what is found out, so not even a refusal is sure.
            return Refusal.UNAVAILABLE
        accounts: dict[AccountKey, Account] = {}
        return None if self._look_up(intent, accounts) else self._accept(intent, accounts)

    def _look_up(self, intent: Intent, found: dict[AccountKey, Account]) -> list[AccountKey]:
        """Fill `found` with the accounts in memory; those that are not."""
        resident = self.accounts.resident
        missing: list[AccountKey] = []
        for key in _keys(intent):
            if (account := resident.get(key)) is None:
                missing.append(key)
            else:
                found[key] = account
        return missing

    def _accept(self, intent: Intent, accounts: dict[AccountKey, Account]) -> Command | Refusal:
        """Decide, reserve and queue. Nothing waits here, so nobody else decides in between."""
        if not self.journal.available:
            return Refusal.UNAVAILABLE
        refusal = decide(accounts, intent)
        if refusal is not None:
            return refusal
        command = Command(intent, accounts)
        return self.journal.submit(command) or command

    async def _bring(self, intent: Intent) -> Command | Refusal:
        """Recover what is missing, opening the platform's accounts, and missing destinations
        unless the intent is refused; then accept it."""
        found: dict[AccountKey, Account] = {}
        missing = self._look_up(intent, found)
        pins = _Pins(found.values())
        with pins:
            absent: list[AccountKey] = []
            for key in missing:
                account = await self.accounts.get(key)
                if account is None and may_overdraw(key):
                    account = await self.accounts.open(key)
                if account is None:
                    absent.append(key)
                else:
                    found[key] = pins.pin(account)
            if absent:
                refusal = decide(found, intent)
                if refusal is not None:
                    return refusal
                for key in absent:
                    found[key] = pins.pin(await self.accounts.open(key))
            return self._accept(intent, found)


class _Pins:
    """Keeps accounts in memory while the others of an intent are brought there. Without, two
    intents could passivate each other's accounts for ever."""

    def __init__(self, accounts: Iterable[Account]) -> None:
        self._pinned: list[Account] = []
        for account in accounts:
            self.pin(account)

    def pin(self, account: Account) -> Account:
        """Keep this one too."""
        account.in_flight += 1
        self._pinned.append(account)
        return account

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for account in self._pinned:
            account.in_flight -= 1


def _keys(intent: Intent) -> list[AccountKey]:
    keys: list[AccountKey] = []
    for posting in intent.postings:
        keys += (posting.source, posting.destination)
    if intent.place is not None:
        keys.append(intent.place.account)
    if intent.close is not None:
        keys.append(intent.close.account)
    return keys
