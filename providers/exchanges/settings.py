"""Where an exchange is, and how it is asked; the sandbox only brings other settings."""

from dataclasses import dataclass, field

from actors.exchanges import Keys
from providers.exchanges.http import Pace


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One exchange. `stream_url` is empty where prices are polled every `poll_seconds`.

    `stream_keys` are the operator's own where even public prices need keys (Luno).
    `quiet_seconds` without a message end a stream; reconnecting waits `backoff_seconds`, twice
    as long each time up to `longest_backoff_seconds`.
    """

    base_url: str
    stream_url: str = ""
    stream_keys: Keys | None = field(default=None, repr=False)
    pace: Pace
    answer_seconds: float = 8.0
    poll_seconds: float = 2.0
    quiet_seconds: float = 60.0
    backoff_seconds: float = 0.5
    longest_backoff_seconds: float = 30.0
