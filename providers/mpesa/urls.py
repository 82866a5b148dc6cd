"""The addresses Daraja calls back, and the addresses it calls from."""

import re
from collections.abc import Iterable
from enum import Enum
from ipaddress import ip_address, ip_network
from typing import Final
from urllib.parse import quote

# Daraja refuses to register or call an address with one of these in it.
FORBIDDEN_WORDS: Final = ("mpesa", "safaricom", "exec", "exe", "cmd", "sql", "query")
# Where callbacks are known to come from; a community list, so it is only a default.
KNOWN_SOURCES: Final = (
    "196.201.214.200",
    "196.201.214.206",
    "196.201.214.207",
    "196.201.214.208",
    "196.201.213.44",
    "196.201.213.114",
    "196.201.212.69",
    "196.201.212.74",
    "196.201.212.127",
    "196.201.212.129",
    "196.201.212.132",
    "196.201.212.136",
    "196.201.212.138",
)

_FORBIDDEN: Final = re.compile("|".join(FORBIDDEN_WORDS), re.IGNORECASE)


class CallbackKind(Enum):
    """What is called back, with its documented path and the alias without forbidden words.

    `STATUS` has no documented path: a failed status request looks like a failed payout, so it
    must come in at an address of its own.
    """

    PUSH = ("/api/v1/mpesa/stk/callback/", "/api/v1/rails/stk/callback/")
    RESULT = ("/api/v1/mpesa/b2c/withdraw/", "/api/v1/rails/b2c/withdraw/")
    TIMEOUT = ("/api/v1/mpesa/b2c/queue/", "/api/v1/rails/b2c/queue/")
    STATUS = ("/api/v1/mpesa/status/result/", "/api/v1/rails/status/result/")
    CONFIRMATION = ("/api/v1/mpesa/c2b/confirmation/", "/api/v1/rails/c2b/confirmation/")
    VALIDATION = ("/api/v1/mpesa/c2b/validation/", "/api/v1/rails/c2b/validation/")

    @property
    def documented(self) -> str:
        """Path before the hash, below the surface's prefix."""
        return self.value[0]

    @property
    def alias(self) -> str:
        """The same handler under a path that Daraja accepts in production."""
        return self.value[1]


def is_callable(base: str) -> bool:
    """Whether Daraja in production would call addresses under `base`; checked at a live start."""
    return base.startswith("https://") and not _FORBIDDEN.search(base)


def callback_url(base: str, kind: CallbackKind, hash_: str, key: str) -> str:
    """`base` + path + hash + `?key=`, the key hexadecimal so that no word can arise in it.

    The path is the alias, or the documented one where `base` holds a forbidden word itself. A
    forbidden word in `hash_`, which a client chose, gets its first letter percent-encoded: the
    same address in other letters.
    """
    if _FORBIDDEN.search(key):
        raise ValueError("callback keys are hexadecimal")
    path = kind.documented if _FORBIDDEN.search(base) else kind.alias
    return base.rstrip("/") + path + _disguise(quote(hash_, safe="")) + "?key=" + key


def _disguise(text: str) -> str:
    while found := _FORBIDDEN.search(text):
        at = found.start()
        text = f"{text[:at]}%{ord(text[at]):02X}{text[at + 1 :]}"
    return text


class Sources:
    """Allow-list of the addresses callbacks come from: addresses or networks."""

    def __init__(self, allowed: Iterable[str] = KNOWN_SOURCES) -> None:
        """Raises ValueError for what is neither; an empty list allows nobody."""
        self._networks = tuple(ip_network(entry.strip()) for entry in allowed)

    def allows(self, address: str) -> bool:
        """Whether `address`, an IP in text, is on it. IPv4 inside IPv6 counts as IPv4."""
        try:
            ip = ip_address(address)
        except ValueError:
            return False
        mapped = getattr(ip, "ipv4_mapped", None)
        return any((mapped or ip) in network for network in self._networks)
