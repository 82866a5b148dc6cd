"""The strategies there are: every module of this folder that has a `STRATEGY`.

To add one, put a file here that defines a state, a `decide` and `STRATEGY = Strategy(…)`; its name
is then good for `POST /api/bots` and for `app.py backtest`. `momentum.py` is an example to copy.
"""

import pkgutil
from importlib import import_module
from types import MappingProxyType
from typing import Final

from domain.trading.market import Strategy


def _found() -> dict[str, Strategy]:
    found: dict[str, Strategy] = {}
    for module in pkgutil.iter_modules(__path__):
        strategy = getattr(import_module(f"{__name__}.{module.name}"), "STRATEGY", None)
        if not isinstance(strategy, Strategy):
            raise TypeError(f"{__name__}.{module.name} defines no STRATEGY = Strategy(…)")
        if strategy.name in found:
            raise ValueError(f"two strategies are called {strategy.name}")
        found[strategy.name] = strategy
    return dict(sorted(found.items()))


STRATEGIES: Final = MappingProxyType(_found())
