"""The system, its modes, platforms, providers and keys (document 004)."""

from typing import Final

from msgspec import UNSET

from actors.exchange_keys import Health
from actors.exchanges import ExchangeError, Keys
from domain.trading.platforms import PLATFORMS, Platform
from domain.trading.records import BotStatus, SystemMode
from protocols.amarktai.checks import platform_in
from protocols.amarktai.codec import iso, iso_or_none
from protocols.amarktai.errors import Problem, Refused, invalid
from protocols.amarktai.service import Amarktai
from protocols.amarktai.wire import system as wire
from protocols.http import Request
from protocols.keyed import Call

_LONGEST_KEY: Final = 512  # characters; the longest real one has 88
_INVALID_KEYS: Final = "Invalid API credentials"
_CAN_WITHDRAW: Final = "These API keys allow withdrawals. Use keys that can only view and trade."


class System:
    """Everything that is about the whole, and about exchanges."""

    def __init__(self, amarktai: Amarktai) -> None:
        self._amarktai = amarktai

    async def ping(self, _request: Request) -> wire.Ping:
        """Whether somebody is there."""
        return wire.Ping(status="ok", timestamp=self._now())

    async def status(self, call: Call) -> wire.Status:
        """The server's parts, and the caller's bots (AMKT-C10)."""
        connected = await self._amarktai.database_answers()
        bots = await self._amarktai.bots.list(call.user_id) if connected else []
        parts = wire.Parts(
            database="connected" if connected else "disconnected",
            websocket="active",
            sse="active",
            api="operational" if connected else "degraded",
            bots_active=sum(bot.status is BotStatus.ACTIVE for bot in bots),
            bots_total=len(bots),
        )
        return wire.Status(status=parts, timestamp=self._now())

    async def mode(self, call: Call) -> wire.Mode:
        """The caller's mode."""
        mode = await self._amarktai.bots.mode(call.user_id)
        return wire.Mode(
            mode=mode.value,
            paper_trading=mode is SystemMode.TESTING,
            live_trading=mode is SystemMode.LIVE_TRADING,
            autopilot=mode is SystemMode.AUTOPILOT,
        )

    async def set_mode(self, call: Call, body: wire.SetMode) -> wire.ModeSet:
        """Set the caller's mode."""
        if body.mode not in SystemMode._value2member_map_:
            raise invalid("mode must be testing, live_trading or autopilot")
        await self._amarktai.bots.set_mode(call.user_id, SystemMode(body.mode))
        return wire.ModeSet(mode=body.mode)

    async def platforms(self, _request: Request) -> wire.Platforms:
        """Where bots can trade (AMKT-C12)."""
        limit = self._amarktai.settings.bot_limit
        listed = [_platform(platform, limit) for platform in PLATFORMS.values()]
        return wire.Platforms(
            platforms=listed, total_count=len(listed), default="all", timestamp=self._now()
        )

    async def providers(self, _request: Request) -> wire.Providers:
        """The integrations, and what keys each needs."""
        return wire.Providers(
            providers=[
                wire.Provider(
                    id=platform.id,
                    type="exchange",
                    display_name=platform.name,
                    required_fields=platform.key_fields,
                    icon=f"{platform.id}.svg",
                    description=f"{platform.name} cryptocurrency exchange",
                )
                for platform in PLATFORMS.values()
            ]
        )

    async def health(self, call: Call) -> wire.PlatformHealth:
        """How the caller's keys stand at every platform."""
        found = await self._amarktai.keys.health(call.profile)
        return wire.PlatformHealth(platforms={name: _health(found.get(name)) for name in PLATFORMS})

    async def test_keys(self, call: Call, body: wire.TestKeys) -> wire.KeysTested:
        """Ask the exchange about keys; good ones are kept, sealed (AMKT-C13..C15)."""
        platform = platform_in(body.provider, "provider")
        keys = Keys(
            api_key=body.api_key, api_secret=body.api_secret, passphrase=body.passphrase or ""
        )
        for name in platform.key_fields:
            if not getattr(keys, name):
                raise invalid(f"{name} is required for {platform.name}")
        texts = (keys.api_key, keys.api_secret, keys.passphrase)
        # Anything else would not survive an HTTP header, so no exchange gives out such keys.
        if any(len(text) > _LONGEST_KEY or not text.isascii() for text in texts):
            raise Refused(Problem.PROVIDER_ERROR, _INVALID_KEYS, status=400)
        try:
            check = await self._amarktai.keys.test(call.user_id, platform.id, keys)
        except ExchangeError as error:
            raise Refused(Problem.PROVIDER_ERROR, f"{platform.name} did not answer") from error
        if not check.valid:
            raise Refused(Problem.PROVIDER_ERROR, _INVALID_KEYS, status=400)
        if not self._amarktai.keys.may_be_kept(check):
            raise Refused(Problem.PROVIDER_ERROR, _CAN_WITHDRAW, status=400)
        self._amarktai.mirror.forget(call.user_id, platform.id)
        await self._amarktai.bots.keys_changed(call.user_id, platform.id)
        warning = _CAN_WITHDRAW if check.can_withdraw else UNSET
        return wire.KeysTested(message="API keys are valid", provider=platform.id, warning=warning)

    def _now(self) -> str:
        return iso(self._amarktai.clock.now_us())


def _platform(platform: Platform, bot_limit: int) -> wire.Platform:
    return wire.Platform(
        id=platform.id,
        name=platform.name,
        display_name=platform.name,
        enabled=True,
        bot_limit=bot_limit,
        supports_paper=True,
        supports_live=True,
        icon=platform.icon,
        color=platform.color,
        region=platform.region,
    )


def _health(found: Health | None) -> wire.Health:
    if found is None:
        return wire.Health(
            status="not_configured", has_keys=False, keys_valid=None, last_check=None
        )
    return wire.Health(
        status=found.state,
        has_keys=True,
        keys_valid=found.valid,
        last_check=iso_or_none(found.checked_us),
        api_latency_ms=found.latency_ms,
        can_withdraw=UNSET if found.can_withdraw is None else found.can_withdraw,
    )
