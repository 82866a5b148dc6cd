"""Our float at the mobile-money provider: what it says we have there, asked by an operator.

The answer is a callback to an address with a secret of its own. It lives as long as somebody
waits for it; nothing is moved by it.
"""

from collections.abc import Callable
from typing import Final

import trio

from actors.rails import (
    BalanceResult,
    MobileMoney,
    Outcome,
    Refused,
    TransferAccepted,
    TransferResult,
    Unknown,
)

FLOAT: Final = "float"  # what the secret in the address is derived for, and its hash
ANSWER_WITHIN_S: Final = 20.0  # of real time


class Floats:
    """One question at a time. `addresses` are those of the result and of a timeout."""

    def __init__(self, rail: MobileMoney, addresses: Callable[[], tuple[str, str]]) -> None:
        self._rail = rail
        self._addresses = addresses
        self._one = trio.Lock()
        self._waits = False
        self._answers: dict[str, BalanceResult | Outcome] = {}
        self._news = trio.Event()

    async def ask(self) -> BalanceResult | Outcome:
        """Our accounts there; Refused or Unknown where it did not say."""
        async with self._one:
            self._answers.clear()
            self._waits = True
            try:
                return await self._asked()
            finally:
                self._waits = False

    async def _asked(self) -> BalanceResult | Outcome:
        result_url, timeout_url = self._addresses()
        said = await self._rail.request_balance(result_url=result_url, timeout_url=timeout_url)
        if isinstance(said, Refused | Unknown):
            return said
        with trio.move_on_after(ANSWER_WITHIN_S):
            return await self._answer_to(said)
        return Unknown(message="no answer in time")

    async def _answer_to(self, accepted: TransferAccepted) -> BalanceResult | Outcome:
        # The answer may overtake the word that there will be one.
        while True:
            for name in (accepted.originator, accepted.conversation):
                if name is not None and name in self._answers:
                    return self._answers[name]
            await self._news.wait()

    def answered(self, result: BalanceResult | TransferResult) -> bool:
        """Hand a callback to whoever waits; False when nobody does."""
        if not self._waits:
            return False
        said = result if isinstance(result, BalanceResult) else result.outcome
        for name in (result.originator, result.conversation):
            if name:
                self._answers[name] = said
        news, self._news = self._news, trio.Event()
        news.set()
        return True
