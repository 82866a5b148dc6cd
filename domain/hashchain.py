"""The chain over all journals: each hash covers its journal and the hash before it.

The text that is hashed is rebuilt from the tables by `verify`, so everything in it is stored.
"""

from hashlib import sha256
from typing import Any, Final

import msgspec

GENESIS: Final = bytes(32)
_encode = msgspec.json.Encoder().encode


def link(previous: bytes, journal: tuple[Any, ...]) -> bytes:
    """SHA-256 over `previous` and the canonical JSON of `journal`.

    `journal` is (id, kind, receipt, initiator, ref, description, fees, quote_id, occurred_us,
    recorded_us, entries, placed, closed): entries as rows (id, journal_id, account_id, asset,
    sequence, amount, balance_after, description, recorded_us), placed as (account_id, amount) or
    null, closed as (hold_id, state) or null.
    """
    return sha256(previous + _encode(journal)).digest()
