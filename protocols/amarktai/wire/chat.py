"""The assistant (document 004, "AI Chat")."""

from msgspec import UNSET, UnsetType

from protocols.amarktai.wire.base import Success, Wire


class Say(Wire, frozen=True, kw_only=True):
    """A message to the assistant."""

    message: str


class Action(Wire, frozen=True, kw_only=True):
    """Something that waits for its token (AMKT-C26)."""

    type: str
    bot_id: str | UnsetType = UNSET
    bot_ids: tuple[str, ...] | UnsetType = UNSET
    mode: str | UnsetType = UNSET
    confirmation_token: str
    expires_in: int


class Said(Success, frozen=True, kw_only=True):
    """200 of `POST /api/ai/chat`."""

    response: str
    requires_confirmation: bool
    actions: list[Action]


class SaidShort(Success, frozen=True, kw_only=True):
    """200 of `POST /api/chat/message`."""

    response: str
    timestamp: str


class Line(Wire, frozen=True, kw_only=True):
    """One line of the conversation."""

    role: str
    content: str
    timestamp: str


class History(Success, frozen=True, kw_only=True):
    """200 of `GET /api/ai/chat/history`."""

    messages: list[Line]


class Report(Wire, frozen=True, kw_only=True):
    """The daily report."""

    summary: str
    highlights: tuple[str, ...]


class Greeting(Success, frozen=True, kw_only=True):
    """200 of `POST /api/ai/chat/greeting`."""

    greeting: str
    daily_report: Report
