"""The exchanges the bots trade at, and in the sandbox their simulators."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import trio

from actors.clock import Clock
from actors.exchanges import Keys
from assembly.options import Options
from domain.money import AmountError, units_from
from providers.exchanges.http import Pace
from providers.exchanges.settings import Settings
from providers.sandbox.exchanges import rail
from providers.sandbox.exchanges.simulator import ExchangeSimulator
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa.store import FileStore

# Below what each documents, since keys of one customer may be asked for elsewhere too.
_PACES: Final = {
    "luno": Pace(per_second=4, burst=10),  # 300 a minute and key
    "binance": Pace(per_second=15, burst=30),  # weight 6,000 a minute; our calls weigh 1 to 20
    "kucoin": Pace(per_second=20, burst=40),  # 4,000 of weight in 30 s for spot
    "valr": Pace(per_second=15, burst=30),  # 2,000 a minute
    "ovex": Pace(per_second=5, burst=20),  # 100 in 10 s, 400 in 60 s
}


def live_exchanges(options: Options) -> dict[str, Settings]:
    """From configuration."""
    streams = {
        "luno": options.luno_stream_url,
        "binance": options.binance_stream_url,
        "valr": options.valr_stream_url,
    }
    luno_keys = None
    if options.luno_stream_key:
        luno_keys = Keys(api_key=options.luno_stream_key, api_secret=options.luno_stream_secret)
    return {
        name: Settings(
            base_url=url,
            stream_url=streams.get(name, ""),
            stream_keys=luno_keys if name == "luno" else None,
            pace=_PACES[name],
            answer_seconds=float(options.exchange_answer_seconds),
            poll_seconds=float(options.exchange_poll_seconds),
        )
        for name, url in (
            ("luno", options.luno_base_url),
            ("binance", options.binance_base_url),
            ("kucoin", options.kucoin_base_url),
            ("valr", options.valr_base_url),
            ("ovex", options.ovex_base_url),
        )
    }


@dataclass(frozen=True, slots=True)
class SimulatedExchanges:
    """Implements protocols.sandbox.service.MarketControl."""

    settings: dict[str, Settings]
    _simulators: dict[str, ExchangeSimulator]

    def set_price(self, platform: str, symbol: str, price: Decimal) -> None:
        """The next tick. ValueError says what is wrong."""
        units = units_from(price)
        if isinstance(units, AmountError) or units <= 0:
            raise ValueError("price is not a price")
        self._of(platform).set_price(symbol, units)

    def play(self, platform: str, symbol: str, script: str) -> None:
        """From the next tick on. ValueError says what is wrong."""
        self._of(platform).play(symbol, script)

    def _of(self, platform: str) -> ExchangeSimulator:
        if platform not in self._simulators:
            raise ValueError(f"unknown platform {platform!r}")
        return self._simulators[platform]


async def simulated_exchanges(
    nursery: trio.Nursery, folder: Path, clock: Clock, fault: Fault, tick_seconds: float
) -> SimulatedExchanges:
    """Start one simulator per exchange; each remembers under `folder`."""
    settings, simulators = {}, {}
    for name in rail.SYMBOLS:
        store = FileStore(folder / name)
        simulator = rail.simulator(name, clock, fault, store, tick_seconds=tick_seconds)
        settings[name] = rail.settings(name, await nursery.start(simulator.serve))
        simulators[name] = simulator
    return SimulatedExchanges(settings, simulators)
