"""One person's funding desk: the actor through which everything about their fundings goes.

A `FundingDesk` stands for one user id while somebody funds that wallet or decides about it. The
registry starts it at the first message, which recovers the unfinished fundings, and passivates it
when idle. It does one thing at a time, so that a right code is worth one credit, and it goes on
when its asker has gone.
"""

from collections.abc import Iterable
from typing import Final, assert_never

import structlog
import trio

from actors.funding_messages import (
    Address,
    Message,
    Open,
    Opened,
    Prove,
    ProveAnswer,
    Resend,
    Resent,
    Rule,
    Settle,
    Trouble,
    WrongCode,
)
from actors.funding_parts import DeskParts, FundingBook
from actors.funding_settlement import Settlement
from actors.identity_store import StaleWrite, StoreUnavailable
from actors.reviews import NotRuled
from actors.runtime.ask import Envelope
from actors.runtime.mailbox import Mailbox
from actors.runtime.serve import serve
from domain.funding import (
    Funding,
    RiskLevel,
    Signal,
    State,
    day_start,
    new_reference,
    risk_level,
    signals,
)
from domain.identity import Channel, Purpose, Reason, Refused, Surface

log = structlog.get_logger(__name__)

_FUNDING: Final = Purpose.WALLET_FUNDING


class DeskKeeper:
    """The registry's actor: recovers a desk and serves it."""

    def __init__(self, parts: DeskParts) -> None:
        self._parts = parts

    async def __call__(
        self, user_id: int, mailbox: Mailbox[Message], *, task_status: trio.TaskStatus[None]
    ) -> None:
        desk = FundingDesk(
            user_id, await self._parts.store.unfinished(user_id), self._parts, mailbox
        )
        task_status.started()
        await serve(mailbox, desk.handle)


class FundingDesk:
    """Handlers of one person's fundings."""

    def __init__(
        self,
        user_id: int,
        unfinished: Iterable[Funding],
        parts: DeskParts,
        mailbox: Mailbox[Message],
    ) -> None:
        self._user_id = user_id
        self._parts = parts
        self._mailbox = mailbox
        self._away: tuple[type[Exception], ...] = (
            StoreUnavailable,
            StaleWrite,
            *parts.unavailable,
        )
        self._verification = parts.people.verification
        self._book = FundingBook(user_id, unfinished, parts)
        self._settlement = Settlement(self._book, parts, mailbox.leave)

    async def handle(self, envelope: Envelope[Message]) -> object:
        """One step. Storage that did not confirm ends this incarnation; the next reads anew."""
        try:
            return await self._dispatch(envelope.message)
        except self._away as error:
            log.warning("funding.reload", user_id=self._user_id, why=type(error).__name__)
            self._mailbox.leave()
            ruling = isinstance(envelope.message, Rule)
            return NotRuled.UNAVAILABLE if ruling else Trouble.UNAVAILABLE

    async def _dispatch(self, message: Message) -> object:
        match message:
            case Open(amount, address):
                return await self._open(amount, address)
            case Resend(purpose, address):
                return await self._resend(purpose, address)
            case Prove():
                return await self._prove(message)
            case Rule(reference, ruling):
                return await self._settlement.rule(reference, ruling)
            case Settle():
                await self._settle()
                return None
            case _:
                assert_never(message)

    async def _settle(self) -> None:
        """Credit what storage says is cleared; whoever knows of none must read it anew."""
        cleared = self._book.cleared
        if not cleared:
            self._mailbox.leave()
        for funding in cleared:
            await self._settlement.settle(funding)

    async def _open(self, amount: int, address: Address) -> Opened | Trouble:
        """Lock, daily limit, risk; then the funding, and its code last (WOTP-C10, C11)."""
        parts, now = self._parts, self._parts.clock.now_us()
        trouble = await self._locked(_FUNDING)
        if trouble is not None:
            return trouble
        counted = await parts.store.counted_since(self._user_id, day_start(now))
        if counted + amount > parts.daily_limit:
            return Trouble.DAILY_LIMIT
        found = await self._suspicions(amount, address)
        if isinstance(found, Trouble):
            return found
        funding = Funding(
            reference=new_reference(now, parts.random_bytes),
            user_id=self._user_id,
            amount=amount,
            email=address.to,
            created_us=now,
            signals=found,
            review=parts.source.needs_operator or risk_level(found) is RiskLevel.HIGH,
        )
        await self._book.add(funding)
        sent = await self._send(_FUNDING, address)
        if isinstance(sent, Trouble):
            # A funding whose code did not leave must not stay pending (FW-07).
            await self._book.write(funding.moved(State.VOID))
            return sent
        self._book.note("funding.opened", funding, risk=funding.risk.value, review=funding.review)
        return Opened(funding, *sent)

    async def _resend(self, purpose: Purpose, address: Address) -> Resent | Trouble:
        """A new code may go elsewhere, or come after a lockout: the pending funding is judged
        anew before there is one (WOTP-C03)."""
        trouble = await self._locked(purpose)
        if trouble is not None:
            return trouble
        pending = self._book.pending if purpose is _FUNDING else None
        if pending is not None:
            found = await self._suspicions(pending.amount, address)
            if isinstance(found, Trouble):
                return found
            judged = pending.suspected(found, self._parts.source.needs_operator)
            if judged is not pending:
                await self._book.write(judged)
        sent = await self._send(purpose, address)
        return sent if isinstance(sent, Trouble) else Resent(sent[0])

    async def _prove(self, asked: Prove) -> ProveAnswer:
        """Lock, then reference, then the code's age, then the code (WOTP-C14)."""
        trouble = await self._locked(_FUNDING)
        if trouble is not None:
            return trouble
        funding = self._book.get(asked.reference)
        if funding is None:
            return Trouble.NOT_FOUND
        if funding.state is State.CLEARED:
            # Its code was right already, and crediting it did not work then.
            return await self._settlement.settle(funding, asked.ticket, asked.render)
        proof = await self._settlement.proof(funding, asked.ticket, asked.render)
        checked = await self._verification.check_code(
            self._user_id, asked.code, _FUNDING, Surface.WALLET, proof.changes
        )
        if not isinstance(checked, Refused):
            return await self._settlement.proved(proof, asked.ticket, asked.render)
        self._book.note("funding.code_refused", funding, why=checked.reason.value)
        match checked.reason:
            case Reason.LOCKED:
                return Trouble.LOCKED
            case Reason.CODE_EXPIRED | Reason.NO_CODE:
                return Trouble.EXPIRED
            case Reason.WRONG_CODE:
                return WrongCode(checked.attempts_left)
            case _:
                # The code may have been used, and then its funding is proved: both or neither.
                self._mailbox.leave()
                return Trouble.UNAVAILABLE

    async def _locked(self, purpose: Purpose) -> Trouble | None:
        status = await self._verification.status(self._user_id, purpose, Surface.WALLET)
        if isinstance(status, Refused):
            return Trouble.UNAVAILABLE
        return Trouble.LOCKED if status.locked else None

    async def _suspicions(self, amount: int, address: Address) -> tuple[Signal, ...] | Trouble:
        risk = await self._verification.risk(self._user_id, Surface.WALLET)
        if isinstance(risk, Refused):
            return Trouble.UNAVAILABLE
        return signals(amount, address.other, risk.failed, risk.lockouts)

    async def _send(self, purpose: Purpose, address: Address) -> tuple[int, bool] | Trouble:
        """Seconds the code lives, and whether the mail server confirmed that it took it."""
        sent = await self._verification.send_code(
            self._user_id, Surface.WALLET, purpose, Channel.EMAIL, address.to
        )
        if not isinstance(sent, Refused):
            if address.registered not in ("", address.to):
                self._parts.notices.code_went_elsewhere(address.registered, address.to)
            return sent.expires_in_s, sent.confirmed
        match sent.reason:
            case Reason.LOCKED:
                return Trouble.LOCKED
            case Reason.DELIVERY_FAILED:
                return Trouble.NOT_SENT
            case _:
                return Trouble.UNAVAILABLE
