"""The trading floor: keys at exchanges, markets, bots; started after the core, ended before it."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import trio

from actors.assistant_model import Model
from actors.balance_mirror import BalanceMirror
from actors.bots import Bots
from actors.exchange_keys import ExchangeKeys
from actors.fund_transfers import FundTransfers
from actors.holdings import Holdings
from assembly.core import Core
from assembly.floor import running_floor
from assembly.options import Options, Secrets
from assembly.outside import Outside
from protocols.expiry import Expiries
from storage.crypto import SecretBox, derive_key
from storage.exchange_keys import PostgresExchangeKeys
from storage.fund_transfers import PostgresFundTransfers


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """What the Amarktai surface stands on beside the core."""

    bots: Bots
    keys: ExchangeKeys
    holdings: Holdings
    mirror: BalanceMirror
    transfers: FundTransfers
    streams: Expiries
    model: Model | None


@asynccontextmanager
async def running_trading(
    options: Options, keys: Secrets, core: Core, clients: Outside
) -> AsyncIterator[Trading]:
    """Start everything that trades; on leaving, stop it while the ledger still serves."""
    box = SecretBox(derive_key(keys.data.encode(), "secrets"), secrets.token_bytes)
    exchange_keys = ExchangeKeys(
        PostgresExchangeKeys(core.pool, box),
        clients.exchanges,
        core.people,
        core.clock,
        allow_withdrawals=options.keeps_withdrawal_keys,
    )
    transfers = FundTransfers(
        PostgresFundTransfers(core.pool), core.ledger, core.people, core.clock, secrets.token_bytes
    )
    streams = Expiries(core.clock)
    holdings = Holdings(core.accounts, core.rates)
    floor = running_floor(
        core, clients.exchanges, exchange_keys, holdings, options.amarktai_bot_limit
    )
    async with floor as bots, trio.open_nursery() as nursery:
        await nursery.start(streams.run)
        mirrored = clients.exchanges if options.mirrors_balances else {}
        yield Trading(
            bots=bots,
            keys=exchange_keys,
            holdings=holdings,
            mirror=BalanceMirror(
                mirrored, exchange_keys, bots, core.accounts, core.ledger, core.clock
            ),
            transfers=transfers,
            streams=streams,
            model=clients.model,
        )
        nursery.cancel_scope.cancel()
