"""Exchanges from configuration."""

from actors.clock import Clock
from assembly.exchanges import live_exchanges
from assembly.options import read_options
from providers.exchanges import exchanges
from providers.exchanges.http import open_http
from tests.providers.exchanges.support import MemoryQuotes


async def test_all_five_are_there_without_any_configuration() -> None:
    settings = live_exchanges(read_options({}))
    async with open_http() as http:
        clients = exchanges(settings, http, Clock(), MemoryQuotes())
    assert {name: client.platform for name, client in clients.items()} == {
        name: name for name in ("luno", "binance", "kucoin", "valr", "ovex")
    }
    assert all(found.base_url.startswith("https://") for found in settings.values())
    assert settings["luno"].stream_keys is None
    assert not settings["ovex"].stream_url


def test_lunos_stream_is_used_with_a_key_for_it() -> None:
    options = read_options({"LUNO_STREAM_KEY": "id", "LUNO_STREAM_SECRET": "hidden"})
    settings = live_exchanges(options)
    keys = settings["luno"].stream_keys
    assert keys is not None
    assert (keys.api_key, keys.api_secret) == ("id", "hidden")
    assert settings["binance"].stream_keys is None
    assert "hidden" not in repr(settings)
