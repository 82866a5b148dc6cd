"""A second opinion on the ledger: one dict of balances, nothing clever.

It shares no code with the actors: it applies whole intents, one after the other.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from domain.ledger import SYSTEM, AccountKey, Hold, Intent


@dataclass
class Model:
    """Balances and open holds, in units."""

    balances: defaultdict[AccountKey, int] = field(default_factory=lambda: defaultdict(int))
    lines: defaultdict[AccountKey, int] = field(default_factory=lambda: defaultdict(int))
    holds: dict[int, Hold] = field(default_factory=dict)

    def held(self, key: AccountKey) -> int:
        """Units set aside on `key`."""
        return sum(hold.amount for hold in self.holds.values() if hold.account == key)

    def apply(self, intent: Intent, journal_id: int) -> None:
        """Carry `intent` out as journal `journal_id`; it must be possible."""
        if intent.close is not None:
            assert self.holds.pop(intent.close.id) == intent.close
        for posting in intent.postings:
            for key, change in (
                (posting.source, -posting.amount),
                (posting.destination, posting.amount),
            ):
                self.balances[key] += change
                self.lines[key] += 1
        if intent.place is not None:
            place = intent.place
            self.holds[journal_id] = Hold(place.account, place.amount, journal_id)
        for key in debited(intent):
            assert key.owner == SYSTEM or self.balances[key] >= self.held(key), key

    def can(self, intent: Intent, queued: list[Intent]) -> bool:
        """Whether `intent` may join those already accepted but not carried out.

        What those pay out is gone; what they bring in, or release, is not there yet.
        """
        for key in debited(intent):
            if key.owner == SYSTEM:
                continue
            released = intent.close is not None and intent.close.account == key
            needed = _pays(intent, key) - (intent.close.amount if released and intent.close else 0)
            if needed > self.left(key, queued):
                return False
        return True

    def left(self, key: AccountKey, queued: list[Intent]) -> int:
        """What is neither held nor taken by those already accepted."""
        spent = sum(_spends(intent, key) for intent in queued)
        return self.balances[key] - self.held(key) - spent


def debited(intent: Intent) -> Iterator[AccountKey]:
    """Accounts money leaves or is held on."""
    if intent.place is not None:
        yield intent.place.account
    for posting in intent.postings:
        yield posting.source


def _pays(intent: Intent, key: AccountKey) -> int:
    paid = sum(posting.amount for posting in intent.postings if posting.source == key)
    return paid + (intent.place.amount if intent.place and intent.place.account == key else 0)


def _spends(intent: Intent, key: AccountKey) -> int:
    """What an accepted intent takes that nothing it held before pays for."""
    held = intent.close.amount if intent.close and intent.close.account == key else 0
    return max(0, _pays(intent, key) - held)
