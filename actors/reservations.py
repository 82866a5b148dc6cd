"""Verification tokens on their way into a journal: at most one request holds a token at a time.

A request reserves the token it presents, puts `consumption()` among the changes of its journal,
and says how it ended: `settle()` (committed), `release()` (refused: the token stays good,
CASH-C12), or nothing, when the outcome is unknown or it was cancelled after handing the change
over. Then the token stays held for a while, and storage says afterwards whether it was spent. The
journal's own check, that exactly one row changes, is what makes two spendings impossible; this
book only keeps the second request from getting that far.
"""

from types import TracebackType
from typing import Final, Self

from actors.clock import US, Clock
from domain.identity import TokenConsumed

# A journal that was handed a token has committed or refused it long before (application time).
UNSETTLED_US: Final = 30 * US
_SWEEP_ABOVE: Final = 1_024  # entries; beyond it the unsettled ones that are over are dropped


class Reservations:
    """The tokens held now."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        # By token hash: None while its request runs, else when an unsettled one is let go.
        self._held: dict[bytes, int | None] = {}

    def __len__(self) -> int:
        return len(self._held)

    def take(self, token_hash: bytes) -> "TokenReservation | None":
        """Hold the token; None when another request does. Never waits."""
        now = self._clock.now_us()
        if token_hash in self._held:
            until = self._held[token_hash]
            if until is None or now < until:
                return None
        if len(self._held) > _SWEEP_ABOVE:
            self._held = {t: u for t, u in self._held.items() if u is None or now < u}
        self._held[token_hash] = None
        return TokenReservation(self, token_hash, self._clock)

    def let_go(self, token_hash: bytes, until_us: int | None = None) -> None:
        """End a hold, now or at `until_us`."""
        if until_us is None:
            del self._held[token_hash]
        else:
            self._held[token_hash] = until_us


class TokenReservation:
    """One request's hold on one token. Use it in a `with` block around the request."""

    __slots__ = ("_book", "_clock", "_ended", "_handed_over", "_token_hash")

    def __init__(self, book: Reservations, token_hash: bytes, clock: Clock) -> None:
        self._book = book
        self._token_hash = token_hash
        self._clock = clock
        self._handed_over = False
        self._ended = False

    def consumption(self) -> TokenConsumed:
        """The change that spends the token, to be committed with the money."""
        self._handed_over = True
        return TokenConsumed(self._token_hash, self._clock.now_us())

    def release(self) -> None:
        """The request was refused and nothing was committed: the token is as good as before."""
        self._end(None)

    def settle(self) -> None:
        """The journal committed the consumption."""
        self._end(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self._end(self._clock.now_us() + UNSETTLED_US if self._handed_over else None)

    def _end(self, until_us: int | None) -> None:
        if not self._ended:
            self._ended = True
            self._book.let_go(self._token_hash, until_us)
