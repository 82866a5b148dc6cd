"""The funding source of an installation that has no payment provider of its own for NGN."""

from actors.funding_store import Collected


class OnAccount:
    """Implements actors.funding_store.FundingSource without asking anybody.

    What is credited is owed to us by whoever settles the clearing account (WOTP-C01). With
    `needs_operator` nothing is credited before an operator has seen that the money is there.
    """

    def __init__(self, *, needs_operator: bool) -> None:
        self._needs_operator = needs_operator

    @property
    def needs_operator(self) -> bool:
        """Whether only a person can see that the money has arrived."""
        return self._needs_operator

    async def collect(self, reference: str, user_id: int, amount: int) -> Collected:
        """Always pays; collecting the same reference again changes nothing."""
        return Collected()
