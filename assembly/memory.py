"""How much of the ledger this machine's memory is good for."""

from typing import Final

from storage.embedded.memory import total_bytes

_ACCOUNT_BYTES: Final = 1_000  # with its key, its place in the directory, and its owner's presence
_SHARE: Final = 16
_LEAST, _MOST = 100_000, 2_000_000


def resident_accounts() -> int:
    """Accounts to be kept in memory: a sixteenth of it, within bounds. What is not there is
    recovered when it is asked for."""
    wanted = (total_bytes() or 0) // _SHARE // _ACCOUNT_BYTES
    return min(max(wanted, _LEAST), _MOST)
