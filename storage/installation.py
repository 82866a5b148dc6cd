"""What the installation remembers about itself, by name."""

from typing import Final

from storage.pool import Pool

_GET: Final = "SELECT value FROM installation WHERE name = %s"
_SET: Final = """
INSERT INTO installation (name, value) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET value = excluded.value
"""


async def recall(pool: Pool, name: str) -> str | None:
    """The value kept under `name`."""
    row = await pool.fetch_one(_GET, [name])
    return row[0] if row else None


async def remember(pool: Pool, name: str, value: str) -> None:
    """Keep `value` under `name`, durably."""
    await pool.execute(_SET, [name, value])
