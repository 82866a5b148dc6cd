"""The five simulated exchanges by name, and the settings that lead their clients to them."""

from collections.abc import Callable
from typing import Any, Final

from actors.clock import Clock
from actors.exchanges import Keys
from providers.exchanges.http import Pace
from providers.exchanges.settings import Settings
from providers.sandbox.exchanges import binance, kucoin, luno, ovex, valr
from providers.sandbox.exchanges.engine import Venue
from providers.sandbox.exchanges.simulator import (
    API_KEY,
    API_SECRET,
    ExchangeSimulator,
    Facade,
    Ports,
)
from providers.sandbox.fault import Fault
from providers.sandbox.mpesa.store import SimulatorStore

SYMBOLS: Final = {
    "luno": "BTC/ZAR",
    "valr": "BTC/ZAR",
    "ovex": "BTC/ZAR",
    "kucoin": "BTC/USDT",
    "binance": "BTC/USDT",
}
_PACE: Final = Pace(per_second=1_000, burst=1_000)
_ANSWER_SECONDS: Final = 3.0
_MAKERS: Final[dict[str, tuple[Callable[..., Venue], Callable[..., Facade]]]] = {
    "luno": (luno.venue, luno.LunoFacade),
    "ovex": (ovex.venue, ovex.OvexFacade),
    "valr": (valr.venue, valr.ValrFacade),
    "kucoin": (kucoin.venue, kucoin.KuCoinFacade),
    "binance": (binance.venue, binance.BinanceFacade),
}


def simulator(
    name: str, clock: Clock, fault: Fault, store: SimulatorStore, **timing: float
) -> ExchangeSimulator:
    """One exchange. `timing`: tick_seconds, slow_seconds."""
    make_venue, make_facade = _MAKERS[name]

    def now_ms() -> int:
        return clock.now_us() // 1000

    venue = make_venue(now_ms)
    return ExchangeSimulator(venue, make_facade(venue, now_ms), fault, store, **timing)


def settings(name: str, ports: Ports, **changes: Any) -> Settings:
    """Where its client finds it; `changes` replace what the sandbox uses."""
    chosen: dict[str, Any] = {
        "base_url": f"http://127.0.0.1:{ports.http}",
        "stream_url": f"ws://127.0.0.1:{ports.stream}",
        "stream_keys": Keys(api_key=API_KEY, api_secret=API_SECRET),
        "pace": _PACE,
        "answer_seconds": _ANSWER_SECONDS,
        "poll_seconds": 0.5,
    }
    return Settings(**(chosen | changes))
