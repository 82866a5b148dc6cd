"""Codes and verification tokens: proving to be there, and spending the proof.

Deciding and writing is the person's actor's; codes are delivered here, beside it, so that a slow
gateway keeps nobody else waiting. A code that certainly did not leave is voided; one whose fate
is not known stays good, because it may arrive.
"""

from typing import Any, Final

import msgspec
import trio

from actors.clock import Clock
from actors.identity_store import ProofStore, StoreUnavailable
from actors.messenger import Messenger, Sent
from actors.messenger import Refused as NotSent
from actors.reservations import Reservations, TokenReservation
from actors.runtime.registry import Registry
from actors.user import ask_user
from actors.user_messages import (
    ChooseMethod,
    CodeReady,
    Message,
    PrepareCode,
    ReadCode,
    ReadRisk,
    TotpStep,
    TryCode,
    TryTotp,
    VoidCode,
)
from domain.identity import (
    Channel,
    IssuedToken,
    Method,
    Purpose,
    Reason,
    Refused,
    Surface,
    TokenConsumed,
    token_hash,
)
from domain.identity.contact import mask_email, mask_tail
from domain.identity.notices import SUBJECT, code_text
from domain.identity.proofs import Accepted, CodeStatus, Risk
from domain.identity.vocabulary import METHOD_OF

# Real time in which a gateway that works has answered. Sockets answer in order: a slower one must
# not hold up what the person asks next (CASH-C03).
TOLD_WITHIN_S: Final = 0.5


class CodeSent(msgspec.Struct, frozen=True, gc=False):
    """A code is on its way. `confirmed` is False when the gateway did not say, or not yet, that it
    took it; it may arrive all the same, and works.
    """

    method: Method
    channel: Channel
    purpose: Purpose
    masked: str
    expires_in_s: int
    confirmed: bool = True


class Verification:
    """The part of `People` that deals in codes and tokens; `People.run` serves it."""

    def __init__(
        self,
        users: Registry[int, Message],
        proofs: ProofStore,
        messenger: Messenger,
        clock: Clock,
    ) -> None:
        self._users = users
        self._proofs = proofs
        self._messenger = messenger
        self._clock = clock
        self._reservations = Reservations(clock)
        self._deliveries: trio.Nursery | None = None

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Deliver the codes nobody waits for any more, until cancelled. As many at once as the
        messenger has room for."""
        async with trio.open_nursery() as nursery:
            self._deliveries = nursery
            task_status.started()
            await trio.sleep_forever()

    async def start(
        self, user_id: int, method: Method, purpose: Purpose, surface: Surface
    ) -> TotpStep | CodeSent | Refused:
        """Begin a verification by the person's own means (CASH-051..054).

        Answers within TOLD_WITHIN_S of the code being made; a slower gateway is waited for
        beside the asker, and a code that did not leave after all is void.
        """
        step = await ask_user(self._users, user_id, ChooseMethod(surface, purpose, method))
        return await self._post(user_id, step) if isinstance(step, CodeReady) else step

    async def send_code(
        self, user_id: int, surface: Surface, purpose: Purpose, channel: Channel, to: str
    ) -> CodeSent | Refused:
        """Send a code to an address the surface chose (canonical form)."""
        step = await ask_user(self._users, user_id, PrepareCode(surface, purpose, channel, to))
        return await self._deliver(user_id, step) if isinstance(step, CodeReady) else step

    async def verify_code(
        self, user_id: int, code: str, purpose: Purpose, surface: Surface
    ) -> IssuedToken | Refused:
        """Exchange the code that was sent for a verification token."""
        answer = await ask_user(self._users, user_id, TryCode(surface, purpose, code, issue=True))
        assert not isinstance(answer, Accepted), "a token was asked for"
        return answer

    async def check_code(
        self,
        user_id: int,
        code: str,
        purpose: Purpose,
        surface: Surface,
        also: tuple[Any, ...] = (),
    ) -> Accepted | Refused:
        """Use up the code that was sent, for surfaces without tokens, writing the row changes in
        `also` in the same transaction. After UNAVAILABLE either all of it is stored or nothing."""
        tried = TryCode(surface, purpose, code, issue=False, also=also)
        answer = await ask_user(self._users, user_id, tried)
        assert not isinstance(answer, IssuedToken), "no token was asked for"
        return answer

    async def verify_totp(self, user_id: int, code: str, purpose: Purpose) -> IssuedToken | Refused:
        """Exchange an authenticator code for a verification token (CASH-C11: needs no request)."""
        answer = await ask_user(self._users, user_id, TryTotp(code, purpose))
        assert not isinstance(answer, Accepted), "a token was asked for"
        return answer

    async def check_totp(self, user_id: int, code: str) -> Accepted | Refused:
        """Use up an authenticator code, for a login."""
        answer = await ask_user(self._users, user_id, TryTotp(code, None))
        assert not isinstance(answer, IssuedToken), "no token was asked for"
        return answer

    async def status(
        self, user_id: int, purpose: Purpose, surface: Surface
    ) -> CodeStatus | Refused:
        """Whether a code is pending, for how long, and how many tries are left."""
        return await ask_user(self._users, user_id, ReadCode(surface, purpose))

    async def risk(self, user_id: int, surface: Surface) -> Risk | Refused:
        """Failed codes and lockouts of the last 24 hours (WOTP-C04)."""
        return await ask_user(self._users, user_id, ReadRisk(surface))

    async def reserve_token(
        self, user_id: int, token: str, purpose: Purpose
    ) -> TokenReservation | Refused:
        """Hold a verification token for one request; see actors.reservations for its ends.

        INVALID_TOKEN for one that is unknown, expired, spent, another's, for another purpose, or
        held by another request at this moment.
        """
        hashed = token_hash(token)
        reservation = None if hashed is None else self._reservations.take(hashed)
        if hashed is None or reservation is None:
            return Refused(Reason.INVALID_TOKEN)
        good = False
        try:
            stored = await self._proofs.unspent(user_id, hashed)
            now = self._clock.now_us()
            good = stored is not None and stored.purpose is purpose and now < stored.expires_at_us
        except StoreUnavailable:
            return Refused(Reason.UNAVAILABLE)
        finally:
            if not good:
                reservation.release()
        return reservation if good else Refused(Reason.INVALID_TOKEN)

    async def burn(self, consumed: TokenConsumed) -> None:
        """Spend a held token although its request was refused. Raises StoreUnavailable."""
        await self._proofs.burn(consumed)

    async def _post(self, user_id: int, code: CodeReady) -> CodeSent | Refused:
        """Deliver beside the asker; what is known of it in time."""
        assert self._deliveries is not None, "who was asked is served, and this with them"
        over = trio.Event()
        known: CodeSent | Refused = _sent(code, confirmed=False)

        async def deliver() -> None:
            nonlocal known
            known = await self._deliver(user_id, code)
            over.set()

        self._deliveries.start_soon(deliver)
        with trio.move_on_after(TOLD_WITHIN_S):
            await over.wait()
        return known

    async def _deliver(self, user_id: int, code: CodeReady) -> CodeSent | Refused:
        """Only a code that certainly did not leave is voided."""
        outcome = await self._messenger.send(
            code.channel.value,
            code.to,
            code_text(code.code, code.purpose, code.expires_in_s),
            subject=SUBJECT,
            code=code.code,
        )
        if isinstance(outcome, NotSent):
            await ask_user(self._users, user_id, VoidCode(code.surface, code.purpose, code.salt))
            return Refused(Reason.DELIVERY_FAILED)
        return _sent(code, confirmed=isinstance(outcome, Sent))


def _sent(code: CodeReady, *, confirmed: bool) -> CodeSent:
    masked = mask_email(code.to) if code.channel is Channel.EMAIL else mask_tail(code.to)
    return CodeSent(
        METHOD_OF[code.channel],
        code.channel,
        code.purpose,
        masked,
        code.expires_in_s,
        confirmed,
    )
