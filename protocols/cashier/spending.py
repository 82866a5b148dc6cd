"""Spending a verification token on the request that moves money (CASH-C12)."""

from collections.abc import Awaitable, Callable

from domain.identity import Purpose, TokenConsumed
from domain.identity import Refused as Denied
from protocols.cashier.errors import Problem, Refused, of_reason
from protocols.cashier.service import Cashier
from protocols.cashier.wire.base import Success


async def spend(
    cashier: Cashier,
    user_id: int,
    token: str,
    purpose: Purpose,
    request: Callable[[TokenConsumed], Awaitable[Success]],
) -> Success:
    """Carry `request` out with a token held for it; it must commit the change it is given.

    A refused request leaves the token good unless tokens burn; a committed one has spent it. When
    the outcome is unknown the token stays held for a while, and storage says afterwards whether
    it was spent.
    """
    held = await cashier.people.verification.reserve_token(user_id, token, purpose)
    if isinstance(held, Denied):
        raise Refused(of_reason(held.reason, Problem.VERIFICATION_INVALID))
    with held:
        try:
            reply = await request(held.consumption())
        except Refused as refused:
            if refused.text != Problem.UNKNOWN_OUTCOME:
                if cashier.settings.burn_tokens:
                    await cashier.people.verification.burn(held.consumption())
                held.release()
            raise
        held.settle()
    return reply
