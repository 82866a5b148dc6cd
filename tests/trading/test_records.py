"""What a bot may be called."""

import pytest

from domain.trading.records import is_name


@pytest.mark.parametrize(
    "name", ["Alpha Trader", "Größe 1", "🤖", "👨\u200d👩\u200d👧 fund", "ألفا", "x" * 100]
)
def test_a_line_with_something_to_see_is_a_name(name):
    assert is_name(name)


@pytest.mark.parametrize(
    "name",
    ["", " ", "\u200b", "a\nb", "a\tb", "a\x7fb", "\ud800", "a\u2029b", "\u202eb", "x" * 101],
)
def test_anything_else_is_none(name):
    assert not is_name(name)
