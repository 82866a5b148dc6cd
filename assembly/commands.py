"""Commands that work beside a running server, on the same database."""

import secrets
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import click

from actors.identity_store import Lookup
from assembly.control import CLOCK_OFFSET
from assembly.mode import check
from assembly.options import OptionError, Options, load_secrets, reaching_database
from domain.identity import AccessTokens, Profile
from storage import embedded
from storage.crypto import SecretBox, derive_key
from storage.installation import recall
from storage.pool import Pool
from storage.users import Users
from storage.verify import verify

_US = 1_000_000
_ID_DIGITS = 19  # of the largest number that is no id: beyond a bigint


async def print_token(options: Options, who: str) -> int:
    """A token as the server would issue it, at the server's application time."""
    async with database(options) as pool:
        await check(options, pool)
        profile = await find_user(options, pool, who)
        if profile is None:
            raise OptionError(f"no such user: {who}")
        click.echo(await issue(options, pool, profile, ("pwd", "otp")))
    return 0


async def issue(options: Options, pool: Pool, profile: Profile, amr: tuple[str, ...]) -> str:
    """A token of this person, made at the server's application time; `amr` as in X-C04."""
    offset_us = int(await recall(pool, CLOCK_OFFSET) or 0)
    now_s = time.time_ns() // 1000 // _US + offset_us // _US
    tokens = AccessTokens(load_secrets(options).jwt.encode(), _random)
    return tokens.issue(profile.user_id, profile.token_version, amr, now_s)


async def find_user(options: Options, pool: Pool, who: str) -> Profile | None:
    """A person by id, e-mail or agent id."""
    data_key = load_secrets(options).data.encode()
    users = Users(pool, SecretBox(derive_key(data_key, "secrets"), _random))
    user_id: int | None
    if who.isascii() and who.isdigit():
        user_id = int(who) if len(who) < _ID_DIGITS else None
    elif "@" in who:
        user_id = await users.find(Lookup.EMAIL, who.lower())
    else:
        user_id = await users.find(Lookup.AGENT_ID, who)
    found = await users.profiles([user_id]) if user_id is not None else []
    return found[0] if found else None


async def print_verification(options: Options) -> int:
    """A table of every check; 1 with the first difference, else 0."""
    async with database(options) as pool:
        report = await verify(pool)
    click.echo(report.table())
    if report.balanced:
        return 0
    click.echo(f"first difference: {report.differences[0]}")
    return 1


@asynccontextmanager
async def database(options: Options) -> AsyncIterator[Pool]:
    """The database the server uses, whether it runs or not."""
    if options.database_url:
        async with AsyncExitStack() as stack:
            with reaching_database(options):
                pool = await stack.enter_async_context(Pool.opened(options.database_url, 2))
            yield pool
        return
    async with embedded.attached(options.data_path) as dsn, Pool.opened(dsn, 2) as pool:
        yield pool


def _random(count: int) -> bytes:
    return secrets.token_bytes(count)
