"""Every wallet funding, for the surface that starts them and the operators who decide.

`Fundings` is made by app.py and supervised as one task (`run`). It finds the desk of the person
concerned, and on start and from then on regularly has settled what was cleared but could not be
credited. It is also the review desk of fundings (actors.reviews).
"""

import random
from collections.abc import Sequence
from contextlib import suppress
from typing import Final, TypeVar

import trio

from actors.funding_desk import DeskKeeper
from actors.funding_messages import (
    Address,
    Message,
    Open,
    Opened,
    Prove,
    ProveAnswer,
    Render,
    Resend,
    Resent,
    Rule,
    Settle,
    Trouble,
)
from actors.funding_parts import DeskParts
from actors.identity_store import StoreUnavailable
from actors.reviews import NotRuled, Review, Ruled, Ruling
from actors.runtime.ask import Asks, ask
from actors.runtime.failures import Failure
from actors.runtime.registry import Registry
from domain.funding import CURRENCY, Funding, is_reference
from domain.identity import Profile, Purpose
from domain.ledger import Ticket

R = TypeVar("R")

IDLE_S: Final = 600.0  # longer than a code lives, so that a flow meets one incarnation
SETTLE_EVERY_S: Final = 15.0  # of the application clock; what is cleared waits for the database
# The mail server alone may take 15 s (actors.messenger), and an earlier request of the person too.
ANSWER_WITHIN_S: Final = 40.0


class Fundings:
    """Finds the desks. One instance; `run` serves it."""

    kind: Final = "funding"

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts
        self._desks: Registry[int, Message] = Registry(
            "fundings", DeskKeeper(parts), jitter=random.random, idle_s=IDLE_S
        )

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Serve until cancelled."""
        self._parts.transactions.last = await self._parts.store.last_transaction_ms()
        async with trio.open_nursery() as nursery:
            await nursery.start(self._run_desks)
            nursery.start_soon(self._settle_forever)
            task_status.started()

    async def _run_desks(self, *, task_status: trio.TaskStatus[None]) -> None:
        await self._desks.run(task_status=task_status)

    async def _settle_forever(self) -> None:
        """What the database refuses now is tried again the next time."""
        while True:
            with suppress(StoreUnavailable):
                for user_id in await self._parts.store.unsettled():
                    self._desks.ref(user_id).send(Settle())
            await self._parts.clock.sleep(SETTLE_EVERY_S)

    # For the wallet surface

    async def initiate(self, profile: Profile, amount: int, to: str) -> Opened | Trouble:
        """A funding of `amount` units, its code sent to `to` (canonical form)."""
        return await self._ask(profile.user_id, Open(amount, _address(profile, to)))

    async def resend(self, profile: Profile, purpose: Purpose, to: str) -> Resent | Trouble:
        """A new code for `purpose`; it is also that of the pending funding (WOTP-C12)."""
        return await self._ask(profile.user_id, Resend(purpose, _address(profile, to)))

    async def prove(
        self,
        user_id: int,
        reference: str,
        code: str,
        ticket: Ticket | None = None,
        render: Render | None = None,
    ) -> ProveAnswer:
        """Try a code. With a ticket, what `render` makes of a success is kept for repeats, in
        the transaction that makes it one."""
        return await self._ask(user_id, Prove(reference, code, ticket, render))

    # For operators

    async def waiting(self, limit: int) -> Sequence[Review]:
        """Fundings under review, the longest waiting first. Raises StoreUnavailable."""
        return [_review(funding) for funding in await self._parts.store.under_review(limit)]

    async def rule(self, reference: str, ruling: Ruling) -> Ruled | NotRuled:
        """Approve, which credits, or reject."""
        if not is_reference(reference):
            return NotRuled.UNKNOWN
        try:
            funding = await self._parts.store.find(reference)
        except StoreUnavailable:
            return NotRuled.UNAVAILABLE
        if funding is None:
            return NotRuled.UNKNOWN
        answer = await ask(
            self._desks.ref(funding.user_id), Rule(reference, ruling), self._deadline()
        )
        return NotRuled.UNAVAILABLE if isinstance(answer, Failure) else answer

    async def _ask(self, user_id: int, message: Asks[R]) -> R | Trouble:
        answer = await ask(self._desks.ref(user_id), message, self._deadline())
        return Trouble.UNAVAILABLE if isinstance(answer, Failure) else answer

    @staticmethod
    def _deadline() -> float:
        return trio.current_time() + ANSWER_WITHIN_S


def _address(profile: Profile, to: str) -> Address:
    """Only a proved address counts as the registered one (X-C02)."""
    proved = profile.email if profile.email_verified else None
    return Address(to, to != proved, profile.email or "")


def _review(funding: Funding) -> Review:
    return Review(
        reference=funding.reference,
        kind=Fundings.kind,
        user_id=funding.user_id,
        amount=funding.amount,
        asset=CURRENCY,
        reasons=tuple(signal.value for signal in funding.signals),
        since_us=funding.proved_us,
    )
