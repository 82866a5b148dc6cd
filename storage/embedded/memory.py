"""How much of this machine's memory the embedded PostgreSQL keeps pages in."""

import os
from typing import Final

_MB: Final = 2**20
_LEAST_MB: Final = 128
# A transfer to an account nobody has used lately touches eight pages. At a million accounts those
# pages fill 450 MB: in less, half of them are fetched from the kernel, at the price of the rest of
# the transfer.
_MOST_MB: Final = 512
_SHARE: Final = 8


def total_bytes() -> int | None:
    """The machine's memory; None when it does not say."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError):
        return None


def shared_buffers(memory_bytes: int | None) -> str:
    """PostgreSQL's setting: an eighth of the memory, within bounds. Pages nobody reads cost
    nothing."""
    wanted_mb = (memory_bytes or 0) // _SHARE // _MB
    return f"{min(max(wanted_mb, _LEAST_MB), _MOST_MB)}MB"
