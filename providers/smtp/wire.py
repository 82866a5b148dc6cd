"""SMTP as we meet it: the phases of a submission and the server's replies (RFC 5321)."""

from dataclasses import dataclass, field
from enum import Enum

from actors.messenger import Outcome


class Phase(Enum):
    """How far a submission has come; it decides what a silence means."""

    CONNECTING = "connecting"  # nothing has reached the server
    TALKING = "talking"  # it knows of us, but has no message
    DELIVERING = "delivering"  # the message is on its way, or all there


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply, of one line or several; `raw` still has its line ends."""

    code: int
    raw: bytes = field(repr=False)


class SubmissionEnded(Exception):
    """The submission is over before its end; `outcome` says what that proves."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome)
        self.outcome = outcome
