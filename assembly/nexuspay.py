"""The NexusPay surface, put together from the core."""

import secrets

from actors.business import Businesses
from actors.token_orders import TokenOrders
from actors.token_sends import TokenSends
from actors.token_transfers import TokenTransfers
from actors.treasury import Treasury
from assembly.core import Core
from assembly.options import Options, listed
from domain.chains.table import EVM_CHAINS, Family
from domain.chains.tokens import known_contracts
from domain.nexuspay.catalogue import everywhere_but_celo
from protocols.nexuspay.service import NexusPay, Settings
from protocols.nexuspay.surface import nexuspay_surface
from protocols.web import Surface
from storage.businesses import PostgresBusinesses
from storage.nexuspay import PostgresTransactions

_NATIVE = {(chain.key, chain.native) for chain in EVM_CHAINS.values() if chain.native}
_LIVE_PAIRS = frozenset(known_contracts()) | _NATIVE
_FEES_OWNER = 0  # no user has this id, so its address is free for the platform's fees


def nexuspay(options: Options, core: Core, unavailable: tuple[type[Exception], ...]) -> Surface:
    """The surface as the listener mounts it."""
    transfers = TokenTransfers(core.ledger, core.rates, core.clock, secrets.token_bytes)
    nexus = NexusPay(
        clock=core.clock,
        people=core.people,
        registrations=core.registrations,
        businesses=businesses(core),
        transfers=transfers,
        sends=TokenSends(core.desk, core.rates, secrets.token_bytes),
        transactions=PostgresTransactions(core.pool),
        treasury=_treasury(core, transfers),
        orders=TokenOrders(core.payments, core.rates, core.clock, secrets.token_bytes),
        ledger=core.ledger,
        accounts=core.accounts,
        reads=core.reads,
        rates=core.rates,
        idempotency=core.idempotency,
        feeds=core.feeds,
        events=core.events,
        audit=core.audit,
        sockets=core.nexus_sockets,
        carries=everywhere_but_celo if options.is_sandbox else _has_contract,
        unavailable=unavailable,
        settings=_settings(options, core),
    )
    return nexuspay_surface(nexus, listed(options.nexuspay_hosts), options.origins)


def businesses(core: Core) -> Businesses:
    """Businesses, each with an address of its owner's number in an account of its own."""

    def address_of(user_id: int) -> str:
        return core.addresses.address(Family.EVM, user_id, "business")

    store = PostgresBusinesses(core.pool)
    return Businesses(store, core.people, core.clock, secrets.token_bytes, address_of)


def _has_contract(chain: str, token: str) -> bool:
    """What is known of live chains; a pair without an address is refused, never guessed."""
    return (chain, token) in _LIVE_PAIRS


def _treasury(core: Core, transfers: TokenTransfers) -> Treasury:
    return Treasury(
        core.ledger,
        core.accounts,
        transfers,
        core.clock,
        secrets.token_bytes,
        main_address=core.addresses.hot(Family.EVM).address,
        fees_address=core.addresses.address(Family.EVM, _FEES_OWNER),
    )


def _settings(options: Options, core: Core) -> Settings:
    return Settings(
        paybill=core.paybill,
        require_otp=options.nexuspay_needs_otp,
        short_addresses=options.is_sandbox,
        show_float=options.nexuspay_show_float,
        own_admins=options.nexuspay_own_admins,
        queries_a_minute=options.nexuspay_queries_per_minute,
    )
