"""What a wallet's owner is told by mail beside the codes. Nobody waits for it; it may be lost."""

from typing import Final

from actors.messenger import Messenger
from domain.funding import CURRENCY, Funding, State
from domain.identity import Profile
from domain.identity.contact import mask_email
from domain.money import plain

_ELSEWHERE: Final = (
    "A code to fund your wallet was just sent to {other}, which is not your registered e-mail "
    "address. If this was not you, change your password."
)
_DECIDED: Final = {
    State.COMPLETED: "Your wallet funding {reference} of {amount} was approved and credited.",
    State.REJECTED: "Your wallet funding {reference} of {amount} was not approved.",
}


class Notices:
    """Mails to the registered address."""

    def __init__(self, messenger: Messenger) -> None:
        self._messenger = messenger

    def code_went_elsewhere(self, registered: str, other: str) -> None:
        """A code left for an address that is not the registered one (WOTP-C03)."""
        text = _ELSEWHERE.format(other=mask_email(other))
        self._messenger.post("email", registered, text, subject="Wallet funding requested")

    def decided(self, profile: Profile | None, funding: Funding) -> None:
        """An operator decided about a funding under review (WOTP-C05)."""
        text = _DECIDED.get(funding.state)
        if text is None or profile is None or profile.deleted or profile.email is None:
            return
        amount = f"{CURRENCY} {plain(funding.amount, 2)}"
        text = text.format(reference=funding.reference, amount=amount)
        self._messenger.post("email", profile.email, text, subject="Wallet funding reviewed")
