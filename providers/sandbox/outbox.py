"""What the simulated mail and message providers took in: the sandbox's one mailbag.

Rows are what `GET /sandbox/messages` shows. The SMTP mailbox runs in a thread of its own, so
everything here may be called from any thread.
"""

import re
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Final

import msgspec

# A load test's worth of codes; older messages have been read or never will be.
CAPACITY: Final = 10_000
# Codes have six digits on every surface; an amount, a phone or a receipt is not one.
_MENTION: Final = re.compile(r"code|otp|pin\b", re.IGNORECASE)
_CODE: Final = re.compile(r"(?<![\d.,+])\d{6}(?!\d|[.,]\d)")
_PHONE: Final = re.compile(r"\+?[\d ]+")


class MessageRow(msgspec.Struct, frozen=True, kw_only=True):
    """One message; `sent_at` is ISO 8601 in UTC by the application clock."""

    channel: str
    to: str
    subject: str | None
    text: str
    code: str | None
    sent_at: str


class Outbox:
    """Newest first, bounded: the oldest is forgotten."""

    def __init__(self, now_us: Callable[[], int], capacity: int = CAPACITY) -> None:
        self._now_us = now_us
        self._lock = Lock()
        self._rows: deque[MessageRow] = deque(maxlen=capacity)

    def record(
        self,
        channel: str,
        to: str,
        text: str,
        *,
        subject: str | None = None,
        code: str | None = None,
    ) -> None:
        """A message that a provider accepted; without `code` it is looked for in the text."""
        sent_at = datetime.fromtimestamp(self._now_us() / 1_000_000, UTC)
        row = MessageRow(
            channel=channel,
            to=to,
            subject=subject,
            text=text,
            code=code or code_in(text),
            sent_at=sent_at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        )
        with self._lock:
            self._rows.appendleft(row)

    def messages(self, to: str | None = None) -> list[MessageRow]:
        """All, or those to one address: phones with or without "+", e-mail without case."""
        with self._lock:
            rows = list(self._rows)
        if to is None:
            return rows
        wanted = _same(to)
        return [row for row in rows if _same(row.to) == wanted]


def _same(address: str) -> str:
    address = address.strip()
    if _PHONE.fullmatch(address):  # a "+" in a query string arrives as a space
        return address.replace(" ", "").removeprefix("+")
    return address.casefold()


def code_in(text: str) -> str | None:
    """The one-time code a text carries, if it speaks of one."""
    found = _CODE.search(text) if _MENTION.search(text) else None
    return found.group() if found else None
