"""The trading platforms as people see them (document 004, "Platforms" and "Providers")."""

from typing import Final

import msgspec

from domain.trading.records import PLATFORMS as IDS

BOT_LIMIT: Final = 5  # bots of one person on one platform, by default (AMKT-C12)


class Platform(msgspec.Struct, frozen=True, kw_only=True):
    """One platform: how it is shown and which members of a key it has."""

    id: str
    name: str
    icon: str
    color: str
    region: str
    key_fields: tuple[str, ...] = ("api_key", "api_secret")


_ALL: Final = (
    Platform(id="luno", name="Luno", icon="🇿🇦", color="#3861FB", region="ZA"),
    Platform(id="binance", name="Binance", icon="🌍", color="#F0B90B", region="Global"),
    Platform(
        id="kucoin",
        name="KuCoin",
        icon="🌍",
        color="#24AE8F",
        region="Global",
        key_fields=("api_key", "api_secret", "passphrase"),
    ),
    Platform(
        id="ovex", name="OVEX", icon="🇿🇦", color="#101A3C", region="ZA", key_fields=("api_key",)
    ),
    Platform(id="valr", name="VALR", icon="🇿🇦", color="#0B1F33", region="ZA"),
)
PLATFORMS: Final = {platform.id: platform for platform in _ALL}

assert tuple(PLATFORMS) == IDS
