"""Whose a database is: a sandbox's or a live server's, for ever.

A sandbox has people with documented passwords, an administrator among them, and money made of
nothing: no live server may come to serve them. What a live server keeps must not come under
/sandbox, which asks nobody who they are.
"""

from typing import Final

from assembly.options import OptionError, Options
from storage.installation import recall, remember
from storage.pool import Pool

SEEDED: Final = "seeded"  # under which a sandbox keeps that it has its people
_MODE: Final = "mode"


async def claim(options: Options, pool: Pool) -> None:
    """Take the database for this mode if nobody has. Raises OptionError as `check` does."""
    if await check(options, pool) is None:
        await remember(pool, _MODE, options.app_mode)


async def check(options: Options, pool: Pool) -> str | None:
    """The mode the database is of, None for a new one. Raises OptionError for another one."""
    mode = await recall(pool, _MODE)
    if mode is None and await recall(pool, SEEDED) is not None:
        mode = "sandbox"
    if mode not in (None, options.app_mode):
        place = "DATABASE_URL" if options.database_url else f"DATA_DIR {options.data_path}"
        raise OptionError(f"{place} holds the data of APP_MODE={mode}, not {options.app_mode}")
    return mode
