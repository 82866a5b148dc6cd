"""Request limits: fixed windows by caller and class of request (X-C20).

Every step is synchronous and nothing here is durable: a restart forgets a minute's counts. The
key names surface, class and caller ("wallet:fund:12345", or the client's address).
"""

from collections import OrderedDict
from typing import Final

from actors.clock import Clock
from domain.identity.windows import Allowance, Bucket, WindowPolicy

BUCKET_LIMIT: Final = 100_000  # about 200 bytes each; the least recently used go first
_EMPTY: Final = Bucket()


class Limiter:
    """The buckets of one process."""

    def __init__(self, clock: Clock, bucket_limit: int = BUCKET_LIMIT) -> None:
        self._clock = clock
        self._limit = bucket_limit
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str, policy: WindowPolicy) -> Allowance:
        """Count one request of `key` if it is allowed; never waits."""
        bucket, allowance = self._buckets.get(key, _EMPTY).take(policy, self._clock.now_us())
        self._buckets[key] = bucket
        self._buckets.move_to_end(key)
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)
        return allowance
