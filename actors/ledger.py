"""What the rest of the system asks of the ledger.

`Ledger.record` is the life of a transfer (architecture.md): find the accounts, decide, reserve,
hand to the journal, wait for the commit.
"""

from actors.account import Account, Accounts
from actors.batch import Command
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
        same: its outcome is found by its idempotency key or receipt. Raises what storage raises
        while an account cannot be recovered, and what `intent.effects` raised.
        """
        accounts: dict[AccountKey, Account] = {}
        while missing := self._look_up(intent, accounts):
            refusal = await self._bring(intent, accounts, missing)
            if refusal is not None:
                return refusal
        # Nothing may wait between the decision and the reservation.
        refusal = decide(accounts, intent)
        if refusal is not None:
            return refusal
        command = Command(intent, accounts)
        refusal = self.journal.submit(command)
        if refusal is not None:
            return refusal
        result = await command.wait()
        if isinstance(result, Exception):
            raise result
        return result

    def _look_up(self, intent: Intent, found: dict[AccountKey, Account]) -> list[AccountKey]:
        """Fill `found` with the accounts in memory; those that are not."""
        resident = self.accounts.resident
        missing: list[AccountKey] = []
        for key in _keys(intent):
            account = resident.get(key)
            if account is None:
                missing.append(key)
            else:
                found[key] = account
        return missing

    async def _bring(
        self, intent: Intent, found: dict[AccountKey, Account], missing: list[AccountKey]
    ) -> Refusal | None:
        """Recover what is missing; open the platform's accounts, and missing destinations unless
        the intent is refused."""
        absent: list[AccountKey] = []
        for key in missing:
            account = await self.accounts.get(key)
            if account is None and may_overdraw(key):
                account = await self.accounts.open(key)
            if account is None:
                absent.append(key)
            else:
                found[key] = account
        if not absent:
            return None
        refusal = decide(found, intent)
        if refusal is None:
            for key in absent:
                await self.accounts.open(key)
        return refusal


def _keys(intent: Intent) -> list[AccountKey]:
    keys = [key for posting in intent.postings for key in (posting.source, posting.destination)]
    if intent.place is not None:
        keys.append(intent.place.account)
    if intent.close is not None:
        keys.append(intent.close.account)
    return keys
