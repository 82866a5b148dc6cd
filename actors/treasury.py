"""The platform's token wallets: what is in them, and what administrators do with it.

Nothing is kept between calls. What an administrator does is audited in the same commit.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from actors.audit import AuditEntry
from actors.clock import Clock
from actors.ledger import Ledger
from actors.ledger_reads import AccountReads
from actors.people import Authenticated
from actors.token_transfers import OutcomeOf, Sent, Side, TokenTransfers, Transfer
from domain.identity import Profile
from domain.ledger import Effects, Intent, Posting, Recorded, Refusal, Ticket
from domain.money import plain
from domain.nexuspay.catalogue import DEFAULT_TOKEN
from domain.nexuspay.codes import transaction_id, transfer_hash
from domain.nexuspay.transactions import Operation
from domain.nexuspay.treasury import (
    TREASURY,
    fees_wallet,
    is_fees,
    is_main,
    main_wallet,
    personal,
)

_WITHDRAWN: Final = "Fees to main wallet"


class Balances(NamedTuple):
    """Units of USDC in the two wallets, over all chains (NXPY-C59)."""

    main: int
    fees: int


class Withdrawn(NamedTuple):
    """Fees that were moved; the hash their journal is known by."""

    amount: int
    tx_hash: str
    recorded: Recorded


class Treasury:
    """The main and the fees wallet; addresses as they are shown."""

    def __init__(
        self,
        ledger: Ledger,
        accounts: AccountReads,
        transfers: TokenTransfers,
        clock: Clock,
        random_bytes: Callable[[int], bytes],
        main_address: str,
        fees_address: str,
    ) -> None:
        self.main_address = main_address
        self.fees_address = fees_address
        self._ledger = ledger
        self._accounts = accounts
        self._transfers = transfers
        self._clock = clock
        self._random_bytes = random_bytes

    async def balances(self) -> Balances:
        """What is in the wallets. Raises what storage raises."""
        owned = [a for a in await self._accounts.owned_by(TREASURY) if a.key.asset == DEFAULT_TOKEN]
        return Balances(
            sum(account.posted for account in owned if is_main(account.key)),
            sum(account.posted for account in owned if is_fees(account.key)),
        )

    async def available(self, token: str, chain: str) -> int:
        """Units of a token the main wallet can still sell on a chain."""
        account = await self._ledger.accounts.get(main_wallet(token, chain))
        return 0 if account is None else max(0, account.available)

    async def fund(
        self,
        operator: Authenticated,
        person: Profile,
        chain: str,
        amount: int,
        ticket: Ticket | None,
        outcome: OutcomeOf,
    ) -> Sent | Refusal:
        """Give a person USDC of the main wallet (NXPY-C61)."""
        note = f"{plain(amount)} {DEFAULT_TOKEN} on {chain}"
        transfer = Transfer(
            operation=Operation.FUND,
            source=Side(main_wallet(DEFAULT_TOKEN, chain), self.main_address),
            destination=Side(
                personal(person.user_id, DEFAULT_TOKEN, chain), person.wallet_address or ""
            ),
            amount=amount,
            initiator=operator.user_id,
            changes=(self._audit(operator, "fund wallet", f"user:{person.user_id}", note),),
        )
        return await self._transfers.send(transfer, ticket, outcome)

    async def withdraw_fees(
        self,
        operator: Authenticated,
        amount: int,
        ticket: Ticket | None,
        outcome: Callable[[Withdrawn], bytes],
    ) -> Withdrawn | Refusal:
        """Move USDC from the fees wallet to the main wallet, from each chain what it has."""
        postings = await self._fee_postings(amount)
        if postings is None:
            return Refusal.INSUFFICIENT_FUNDS
        identity = transaction_id(self._random_bytes(16))
        note = f"{plain(amount)} {DEFAULT_TOKEN}"
        audit = self._audit(operator, "withdraw fees", "platform", note)
        made: list[Withdrawn] = []

        def effects(recorded: Recorded) -> Effects:
            made[:] = [Withdrawn(amount, transfer_hash(identity), recorded)]
            return Effects(changes=(audit,), outcome=outcome(made[0]))

        recorded = await self._ledger.record(
            Intent(
                kind="FEES_WITHDRAWN",
                postings=postings,
                initiator=operator.user_id,
                description=_WITHDRAWN,
                ref=identity,
                effects=effects,
                ticket=ticket,
            )
        )
        return recorded if isinstance(recorded, Refusal) else made[0]

    async def _fee_postings(self, amount: int) -> tuple[Posting, ...] | None:
        postings, left = [], amount
        for account in await self._accounts.owned_by(TREASURY):
            if not is_fees(account.key) or account.key.asset != DEFAULT_TOKEN:
                continue
            taken = min(left, account.available)
            if taken > 0:
                chain = account.key.chain
                source = fees_wallet(DEFAULT_TOKEN, chain)
                main = main_wallet(DEFAULT_TOKEN, chain)
                postings.append(Posting(source, main, taken, _WITHDRAWN))
                left -= taken
        return tuple(postings) if left == 0 else None

    def _audit(self, operator: Authenticated, action: str, subject: str, note: str) -> AuditEntry:
        return AuditEntry(
            at_us=self._clock.now_us(),
            operator_id=operator.user_id,
            how=",".join(operator.amr),
            action=action,
            subject=subject,
            note=note,
        )
