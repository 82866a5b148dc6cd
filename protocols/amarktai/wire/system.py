"""The system, platforms, providers and keys (document 004, "Core", "System", "Platform")."""

from msgspec import UNSET, UnsetType

from protocols.amarktai.wire.base import Success, Wire


class Ping(Wire, frozen=True, kw_only=True):
    """No `success` member here (AMKT-037)."""

    status: str
    timestamp: str


class Parts(Wire, frozen=True, kw_only=True):
    """The state of the server's parts and the caller's number of bots (AMKT-C10)."""

    database: str
    websocket: str
    sse: str
    api: str
    bots_active: int
    bots_total: int


class Status(Success, frozen=True, kw_only=True):
    """`GET /api/system/status`."""

    status: Parts
    timestamp: str


class SetMode(Wire, frozen=True, kw_only=True):
    """`POST /api/system/mode`."""

    mode: str


class ModeSet(Success, frozen=True, kw_only=True):
    """The new mode."""

    mode: str


class Mode(ModeSet, frozen=True, kw_only=True):
    """The mode with exactly one of the flags true (AMKT-C11)."""

    paper_trading: bool
    live_trading: bool
    autopilot: bool


class Platform(Wire, frozen=True, kw_only=True):
    """A trading platform."""

    id: str
    name: str
    display_name: str
    enabled: bool
    bot_limit: int
    supports_paper: bool
    supports_live: bool
    icon: str
    color: str
    region: str


class Platforms(Wire, frozen=True, kw_only=True):
    """`GET /api/system/platforms`."""

    platforms: list[Platform]
    total_count: int
    default: str
    timestamp: str


class Health(Wire, frozen=True, kw_only=True):
    """One platform for one person; the latency only where keys are (AMKT-091)."""

    status: str
    has_keys: bool
    keys_valid: bool | None
    last_check: str | None
    api_latency_ms: int | UnsetType = UNSET
    can_withdraw: bool | UnsetType = UNSET


class PlatformHealth(Success, frozen=True, kw_only=True):
    """`GET /api/platforms/health`."""

    platforms: dict[str, Health]


class Provider(Wire, frozen=True, kw_only=True):
    """An integration and what keys it needs."""

    id: str
    type: str
    display_name: str
    required_fields: tuple[str, ...]
    icon: str
    description: str


class Providers(Success, frozen=True, kw_only=True):
    """`GET /api/providers`."""

    providers: list[Provider]


class TestKeys(Wire, frozen=True, kw_only=True):
    """`POST /api/keys/test`. Never shown again, in no form (AMKT-186)."""

    __test__ = False  # not a test of ours, whatever its name

    provider: str
    api_key: str
    api_secret: str = ""
    passphrase: str | None = None

    def __repr__(self) -> str:
        return f"TestKeys({self.provider!r}, …)"


class KeysTested(Success, frozen=True, kw_only=True):
    """The keys are good; `warning` is additive, where they could do harm."""

    message: str
    provider: str
    warning: str | UnsetType = UNSET
