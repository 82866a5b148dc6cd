"""Everything the assistant can be asked for; a closed set, whoever understood the message."""

from enum import StrEnum

import msgspec

from domain.trading.records import SystemMode


class Topic(StrEnum):
    """What can be looked at."""

    PORTFOLIO = "portfolio"
    BOTS = "bots"
    TRADES = "trades"
    BALANCES = "balances"
    PLATFORMS = "platforms"
    MODE = "mode"
    HELP = "help"


class Act(StrEnum):
    """What can be done to a bot."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    DELETE = "delete"


class Show(msgspec.Struct, frozen=True, tag=True):
    """Tell about a topic; answered at once."""

    topic: Topic


class Describe(msgspec.Struct, frozen=True, tag=True):
    """Tell about one bot of the asker's; answered at once."""

    bot_id: str


class ActOnBot(msgspec.Struct, frozen=True, tag=True):
    """Do something to one bot of the asker's; needs its token. `name` as it was shown."""

    act: Act
    bot_id: str
    name: str


class ActOnAll(msgspec.Struct, frozen=True, tag=True):
    """The same to exactly these bots; needs its token."""

    act: Act
    bot_ids: tuple[str, ...]


class SetMode(msgspec.Struct, frozen=True, tag=True):
    """Change the system mode; needs its token."""

    mode: SystemMode


class Confirm(msgspec.Struct, frozen=True, tag=True):
    """Carry out what this token was given for."""

    token: str

    def __repr__(self) -> str:
        return "Confirm(…)"


class NoToken(msgspec.Struct, frozen=True, tag=True):
    """A yes without a token, which carries nothing out."""


class NoSuchBot(msgspec.Struct, frozen=True, tag=True):
    """Something is to be done to a bot, and it is not clear to which: these come close."""

    wanted: str
    close: tuple[str, ...] = ()


class NotUnderstood(msgspec.Struct, frozen=True, tag=True):
    """None of the above."""

    text: str


Proposal = ActOnBot | ActOnAll | SetMode
"""Intents that change something."""

Intent = Show | Describe | Proposal | Confirm | NoToken | NoSuchBot | NotUnderstood


class NamedBot(msgspec.Struct, frozen=True):
    """A bot of the asker's as far as understanding needs it."""

    id: str
    name: str
