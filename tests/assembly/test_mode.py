"""A database stays with the mode of its first start (assembly/mode.py)."""

from dataclasses import replace

import pytest

from assembly.mode import SEEDED, check, claim
from assembly.options import OptionError, Options
from storage.installation import remember
from storage.pool import Pool

SANDBOX = Options(database_url="postgresql://somewhere")
LIVE = replace(SANDBOX, app_mode="live")


@pytest.mark.parametrize(("mine", "theirs"), [(SANDBOX, LIVE), (LIVE, SANDBOX)])
async def test_a_database_is_of_one_mode_for_ever(
    pool: Pool, mine: Options, theirs: Options
) -> None:
    """A live server would serve the sandbox's people, whose passwords stand in the README."""
    assert await check(theirs, pool) is None
    for _ in range(2):
        await claim(mine, pool)
    with pytest.raises(OptionError, match=r"^DATABASE_URL holds the data of APP_MODE=") as refused:
        await claim(theirs, pool)
    assert "somewhere" not in str(refused.value)
    await claim(mine, pool)


async def test_a_sandbox_that_was_seeded_before_modes_were_kept_is_known(pool: Pool) -> None:
    await remember(pool, SEEDED, "1")
    with pytest.raises(OptionError, match=r"APP_MODE=sandbox, not live$"):
        await claim(LIVE, pool)
    await claim(SANDBOX, pool)
