"""The shipped migrations can be applied: their numbers have no gap and no repeat."""

from storage.migrate import MIGRATIONS, read_migrations


def test_migrations_are_numbered_without_gaps_and_repeats() -> None:
    assert read_migrations(MIGRATIONS)
