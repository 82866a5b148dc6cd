"""The surfaces, each put together from the core."""

from dataclasses import replace
from functools import partial

from actors.identity_store import StoreUnavailable
from actors.rates import RatesUnavailable
from actors.reconcile import Reconciler
from actors.reversals import Reversals
from actors.reviews import ReviewDesk
from assembly.amarktai import amarktai
from assembly.chains import CashierChains
from assembly.core import Core
from assembly.mpesa import mpesa
from assembly.nexuspay import nexuspay
from assembly.options import Options, listed
from assembly.trading import Trading
from domain.ledger import SystemPurpose, system
from domain.money import UNITS_PER_WHOLE
from protocols.cashier.service import Cashier, Settings
from protocols.cashier.surface import cashier_surface
from protocols.expiry import Expiries
from protocols.mpesa.sockets import OpenSockets
from protocols.ops.kill_switch import kill_switch_route
from protocols.ops.money import money_routes
from protocols.ops.reconcile import reconcile_route
from protocols.ops.surface import ops_surface
from protocols.ops.sweeps import sweep_routes
from protocols.wallet.service import Wallet
from protocols.wallet.surface import wallet_surface
from protocols.web import Surface
from storage.errors import Unavailable
from storage.incoming import PostgresIncoming

# By these exceptions storage and rates say that they are away; nothing was moved then.
_UNAVAILABLE = (Unavailable, StoreUnavailable, RatesUnavailable)


def surfaces(
    options: Options,
    core: Core,
    trading: Trading,
    sessions: Expiries,
    sockets: OpenSockets,
    reconciler: Reconciler,
) -> list[Surface]:
    """Every surface as the listener mounts it."""
    return [
        _cashier(options, core, sessions),
        mpesa(options, core, sockets, _UNAVAILABLE),
        _wallet(options, core),
        nexuspay(options, core, _UNAVAILABLE),
        amarktai(options, core, trading, _UNAVAILABLE),
        _operators(options, core, trading, reconciler),
    ]


def _operators(options: Options, core: Core, trading: Trading, reconciler: Reconciler) -> Surface:
    desks: list[ReviewDesk] = [core.fundings, core.payments, trading.transfers]
    surface = ops_surface(core.people, desks, options.origins)
    switch = kill_switch_route(trading.bots, core.audit, core.clock)
    money = money_routes(
        Reversals(PostgresIncoming(core.pool), core.payments, core.clock),
        core.floats,
        partial(_at_mpesa, core),
        core.audit,
        core.clock,
    )
    more = (reconcile_route(reconciler), switch, *money, *sweep_routes(core.sweeps))
    return replace(surface, routes=(*surface.routes, *more))


async def _at_mpesa(core: Core) -> int:
    """Units of cash that the books say are at the provider: what left the float's account there
    for somebody's wallet is cash we hold."""
    account = await core.ledger.accounts.get(system("KES", SystemPurpose.MPESA_FLOAT))
    return 0 if account is None else -account.posted


def _cashier(options: Options, core: Core, sessions: Expiries) -> Surface:
    cashier = Cashier(
        clock=core.clock,
        people=core.people,
        ledger=core.ledger,
        accounts=core.accounts,
        reads=core.reads,
        rates=core.rates,
        partners=core.partners,
        idempotency=core.idempotency,
        feeds=core.feeds,
        events=core.events,
        payments=core.payments,
        chains=CashierChains(core.desk, core.aliases),
        sessions=sessions,
        unavailable=_UNAVAILABLE,
        settings=Settings(
            messages_per_second=options.cashier_messages_per_second,
            transfer_requires_verification=options.cashier_transfer_requires_verification,
            burn_tokens=options.cashier_burn_tokens,
            notify_agents=options.cashier_notify_agents,
            demo_balance=options.cashier_demo_balance * UNITS_PER_WHOLE,
            partner_minutes=options.cashier_partner_minutes,
            crypto_minutes=options.cashier_crypto_minutes,
            qr_code_url=options.cashier_qr_code_url,
            mpesa_largest=options.mpesa_max_amount * UNITS_PER_WHOLE,
        ),
    )
    return cashier_surface(cashier, listed(options.cashier_hosts), options.origins)


def _wallet(options: Options, core: Core) -> Surface:
    wallet = Wallet(
        clock=core.clock,
        people=core.people,
        ledger=core.ledger,
        fundings=core.fundings,
        idempotency=core.idempotency,
        unavailable=_UNAVAILABLE,
    )
    return wallet_surface(wallet, listed(options.wallet_hosts), options.origins)
