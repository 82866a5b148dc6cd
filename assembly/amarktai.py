"""The Amarktai surface, put together from the core and the trading floor."""

import secrets

from actors.assistant import Assistant
from assembly.core import Core
from assembly.options import Options, listed
from assembly.trading import Trading
from protocols.amarktai.service import Amarktai, Settings
from protocols.amarktai.surface import amarktai_surface
from protocols.web import Surface
from storage.chat import PostgresChat
from storage.errors import Unavailable


def amarktai(
    options: Options, core: Core, trading: Trading, unavailable: tuple[type[Exception], ...]
) -> Surface:
    """The surface as the listener mounts it."""
    assistant = Assistant(
        trading.bots,
        trading.holdings,
        trading.keys,
        PostgresChat(core.pool),
        core.clock,
        secrets.token_bytes,
        trading.model,
    )

    async def database_answers() -> bool:
        try:
            await core.pool.fetch_one("SELECT 1")
        except Unavailable:
            return False
        return True

    parts = Amarktai(
        clock=core.clock,
        people=core.people,
        bots=trading.bots,
        keys=trading.keys,
        holdings=trading.holdings,
        mirror=trading.mirror,
        transfers=trading.transfers,
        assistant=assistant,
        ledger=core.ledger,
        idempotency=core.idempotency,
        feeds=core.feeds,
        events=core.events,
        audit=core.audit,
        expiries=trading.streams,
        database_answers=database_answers,
        unavailable=unavailable,
        settings=Settings(
            bot_limit=options.amarktai_bot_limit,
            requests_per_minute=options.amarktai_requests_per_minute,
            invite_codes=frozenset(listed(options.amarktai_invite_codes)),
        ),
    )
    return amarktai_surface(parts, listed(options.amarktai_hosts), options.origins)
