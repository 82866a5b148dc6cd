"""Pages of lists (document 002, "Pagination"; NXPY-C39)."""

from typing import Final, NamedTuple

DEFAULT_LIMIT: Final = 10
MAX_LIMIT: Final = 100
_LONGEST: Final = 9  # digits of a page number; more of them is no number anybody means


class Page(NamedTuple):
    """`number` from 1; `limit` items."""

    number: int
    limit: int

    @property
    def offset(self) -> int:
        """Items before this page."""
        return (self.number - 1) * self.limit

    def pages(self, total: int) -> int:
        """How many pages `total` items make."""
        return -(-total // self.limit)


def page_from(page: str | None, limit: str | None) -> Page | None:
    """The page a query asks for; None when a member is not a whole number from 1.

    More than 100 items are cut to 100.
    """
    number = _natural(page, 1)
    size = _natural(limit, DEFAULT_LIMIT)
    if number is None or size is None:
        return None
    return Page(number, min(size, MAX_LIMIT))


def _natural(text: str | None, default: int) -> int | None:
    if text is None:
        return default
    if not text.isascii() or not text.isdigit() or len(text) > _LONGEST or int(text) < 1:
        return None
    return int(text)
