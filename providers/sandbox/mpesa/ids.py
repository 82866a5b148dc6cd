"""The identifiers a simulated Safaricom hands out, in the shapes of the real ones."""

from datetime import datetime
from random import Random
from string import ascii_uppercase, digits
from typing import Final

from providers.mpesa.codec import EAST_AFRICA

_LETTERS: Final = ascii_uppercase + digits
_FIRST_YEAR: Final = 2006  # "A"; 2025 is "T"
_DAYS: Final = digits + ascii_uppercase


class Ids:
    """Random from `rng`, dated by `now` (seconds since the epoch)."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng

    def receipt(self, now: float) -> str:
        """Ten characters: year, month and day in one each, then seven of chance."""
        day = datetime.fromtimestamp(now, EAST_AFRICA)
        year = ascii_uppercase[(day.year - _FIRST_YEAR) % len(ascii_uppercase)]
        chance = "".join(self._rng.choices(_LETTERS, k=7))
        return year + ascii_uppercase[day.month - 1] + _DAYS[day.day] + chance

    def checkout(self, now: float) -> str:
        """ "ws_CO_" and 26 digits that begin with the date."""
        at = datetime.fromtimestamp(now, EAST_AFRICA).strftime("%d%m%Y%H%M%S%f")[:17]
        return f"ws_CO_{at}{self._rng.randrange(10**9):09d}"

    def conversation(self, now: float) -> str:
        """ "AG_", the date, and 20 hex digits."""
        day = datetime.fromtimestamp(now, EAST_AFRICA).strftime("%Y%m%d")
        return f"AG_{day}_{self._rng.getrandbits(80):020x}"

    def request(self) -> str:
        """MerchantRequestID, OriginatorConversationID and requestId look like this."""
        return f"{self._rng.randrange(10**5):05d}-{self._rng.randrange(10**8):08d}-1"

    def token(self) -> str:
        """An access token."""
        return "".join(self._rng.choices(_LETTERS, k=28))


def stamp(now: float) -> str:
    """YYYYMMDDHHmmss in East Africa Time."""
    return datetime.fromtimestamp(now, EAST_AFRICA).strftime("%Y%m%d%H%M%S")
