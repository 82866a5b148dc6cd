"""Why an ask got no answer from an actor: a closed set of values, never exceptions."""

from enum import Enum


class Failure(Enum):
    """Members in order of precedence: the first that applies is the one that is given.

    `outcome_unknown`: handling may have begun, so what was asked may have happened; with False
    it provably did not. `retry_after_s`: seconds after which asking again makes sense, None
    when only something outside (an operator, a newer state) can change the answer.
    """

    STOPPED = ("stopped", False, 1.0)  # the actor is closed; queued messages get this too
    QUARANTINED = ("quarantined", False, None)  # it crashed too often and waits for release
    OVERLOADED = ("overloaded", False, 0.25)  # its mailbox, or its registry, is full
    ABSENT = ("absent", False, None)  # there is nothing under this key
    UNAVAILABLE = ("unavailable", False, 1.0)  # its recovery failed; the next message retries
    SUPERSEDED = ("superseded", False, None)  # a newer snapshot took the place of this one
    INTERRUPTED = ("interrupted", True, 1.0)  # the actor crashed or ended before it answered
    TIMED_OUT = ("timed out", True, 1.0)  # no answer by the asker's deadline

    def __init__(self, text: str, outcome_unknown: bool, retry_after_s: float | None) -> None:
        self.text = text
        self.outcome_unknown = outcome_unknown
        self.retry_after_s = retry_after_s
