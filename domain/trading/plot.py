"""An equity curve as a small SVG picture."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final
from xml.sax.saxutils import escape

from domain.money import plain, round_down

_WIDTH: Final = 960
_HEIGHT: Final = 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 110, 20, 40, 40
_LINES: Final = 4  # of the grid, apart from the lowest
_POINTS: Final = 2_000  # more than a screen shows


def equity_svg(title: str, currency: str, curve: Sequence[tuple[int, int]]) -> str:
    """`curve` is (microseconds, quote units), oldest first, at least one point."""
    points = _thinned(curve)
    lowest = min(worth for _, worth in points)
    highest = max(worth for _, worth in points)
    room = max(highest - lowest, 1)
    begin, end = points[0][0], points[-1][0]
    span = max(end - begin, 1)
    plot_width, plot_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at(point: tuple[int, int]) -> str:
        x = _LEFT + (point[0] - begin) * plot_width / span
        y = _TOP + (highest - point[1]) * plot_height / room
        return f"{x:.1f},{y:.1f}"

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="white"/>',
        f'<text x="{_LEFT}" y="24" font-size="15">{escape(title)}</text>',
    ]
    for line in range(_LINES + 1):
        y = _TOP + plot_height * line / _LINES
        worth = round_down(highest - room * line // _LINES, 2)
        parts += [
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH - _RIGHT}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{plain(worth, 2)}</text>',
        ]
    parts += [
        f'<polyline fill="none" stroke="#1f5fbf" stroke-width="1.5" points="'
        f'{" ".join(map(at, points))}"/>',
        f'<text x="{_LEFT}" y="{_HEIGHT - 14}">{_date(begin)}</text>',
        f'<text x="{_WIDTH - _RIGHT}" y="{_HEIGHT - 14}" text-anchor="end">{_date(end)}, '
        f"{escape(currency)}</text>",
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _thinned(curve: Sequence[tuple[int, int]]) -> Sequence[tuple[int, int]]:
    """At most _POINTS of the curve, the first and the last among them."""
    step = max(1, -(-len(curve) // _POINTS))
    return [*curve[:-1:step], curve[-1]]


def _date(at_us: int) -> str:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M")
