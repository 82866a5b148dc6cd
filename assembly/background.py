"""Work beside the serving: a fault in it is logged and it begins anew; it never ends the server."""

import random
from collections.abc import Awaitable, Callable
from typing import Final

from actors.runtime.child import ChildSpec
from actors.runtime.restarts import Restart, RestartPolicy
from actors.runtime.supervisor import Supervisor

# Five minutes apart in the end, so the limit is out of reach: whoever reads the log has all day.
_RESTARTS: Final = RestartPolicy(
    max_restarts=1_000, within_s=3_600, first_delay_s=1.0, max_delay_s=300.0
)


def background(
    name: str, run: Callable[..., Awaitable[None]], restart: Restart = Restart.PERMANENT
) -> Supervisor:
    """To be run in the place of `run`, which reports started."""
    child = ChildSpec(name, run, restart=restart, quarantine=True)
    return Supervisor(name, [child], jitter=random.random, restarts=_RESTARTS)
