"""The whole server, from options to a port that answers, and back."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

import structlog
import trio

from actors.clock import Clock
from assembly import huge_pages
from assembly.background import background
from assembly.certificates import presented, recognised
from assembly.chains import confirmations
from assembly.control import CLOCK_OFFSET, sandbox_control
from assembly.core import Core, running_core
from assembly.docs import site
from assembly.mode import claim
from assembly.mpesa import make_reconciler, provider_routes
from assembly.operators import ADDRESS
from assembly.options import OptionError, Options, load_secrets, networks, reaching_database
from assembly.outside import (
    Outside,
    OutsideSettings,
    configured_assistant,
    live_settings,
    outside,
)
from assembly.pages import pages_app, root_routes
from assembly.seed import seed
from assembly.simulators import Simulators, simulators
from assembly.surfaces import surfaces
from assembly.trading import Trading, running_trading
from protocols.expiry import Expiries
from protocols.listener import serve
from protocols.mpesa.sockets import OpenSockets
from protocols.sandbox.routes import sandbox_routes
from protocols.server import Server
from protocols.web import Route
from storage import embedded
from storage.embedded.server import Postgres
from storage.exchange_quotes import PostgresQuotes
from storage.installation import recall, remember
from storage.migrate import migrate
from storage.pool import Pool
from storage.prepared import LOOKUP_SESSION

log = structlog.get_logger(__name__)

POOL_SIZE: Final = 8
LOOKUP_SESSIONS: Final = 5  # as many as loaders of accounts and people and the warm-up use at once
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", "localhost"})  # noqa: S104  # compared with
DRAIN_WITHIN_S: Final = 10.0
# Actors are few kinds of long-lived objects: collecting them again and again costs pauses of
# hundreds of milliseconds at 100,000 of them (socket-facts.md).
_GC_THRESHOLDS: Final = (50_000, 50, 100)


@asynccontextmanager
async def running(options: Options) -> AsyncIterator[Server]:
    """Start everything in order; on leaving, drain and stop in reverse."""
    await _may_listen(options)
    presented(options)  # a certificate that cannot be used is found before a database is touched
    keys = load_secrets(options)
    async with AsyncExitStack() as stack:
        settings = None if options.is_sandbox else live_settings(options)
        postgres, dsn = await _database(stack, options)
        with reaching_database(options):
            await migrate(dsn)
            pool = await stack.enter_async_context(Pool.opened(dsn, POOL_SIZE))
            lookups = await stack.enter_async_context(
                Pool.opened(dsn, LOOKUP_SESSIONS, session=LOOKUP_SESSION)
            )
            await claim(options, pool)
        clock = Clock(int(await recall(pool, CLOCK_OFFSET) or 0) if options.is_sandbox else 0)
        sims = await _simulators(stack, options, clock)
        if sims is not None:
            settings = _sandboxed(options, sims)
        assert settings is not None, "live mode has its settings from the start"
        clients = await stack.enter_async_context(
            outside(settings, clock, _base(options), PostgresQuotes(pool))
        )
        core = await stack.enter_async_context(
            running_core(options, keys, dsn, pool, lookups, clock, clients)
        )
        trading = await stack.enter_async_context(running_trading(options, keys, core, clients))
        nursery = await stack.enter_async_context(trio.open_nursery())
        stack.callback(nursery.cancel_scope.cancel)
        if sims is not None:
            await seed(core)
        else:
            for chain, address in (await core.desk.watch_treasury()).items():
                log.info("the platform's own money goes to", chain=chain, address=address)
        await _promote_admins(options, core)
        server = await _listen(options, core, trading, clients, sims, postgres, nursery)
        await remember(pool, ADDRESS, _local(options, server.port))
        _settle_memory()
        nursery.start_soon(background("huge pages", huge_pages.run).run)
        yield server
        await server.drain(DRAIN_WITHIN_S)


async def _database(stack: AsyncExitStack, options: Options) -> tuple[Postgres | None, str]:
    if options.database_url:
        return None, options.database_url
    postgres = await stack.enter_async_context(embedded.running(options.data_path))
    return postgres, postgres.dsn


async def _simulators(stack: AsyncExitStack, options: Options, clock: Clock) -> Simulators | None:
    if not options.is_sandbox:
        return None
    folder = options.data_path / "sandbox"
    opened = simulators(
        folder,
        clock,
        recognised(options),
        confirmations(options),
        options.sandbox_tick_milliseconds / 1000,
    )
    return await stack.enter_async_context(opened)


def _sandboxed(options: Options, sims: Simulators) -> OutsideSettings:
    """The simulators, but for a language model of the operator's own."""
    model = configured_assistant(options)
    return sims.settings if model is None else replace(sims.settings, assistant=model)


def _base(options: Options) -> str:
    """Where callbacks reach the M-Pesa surface. Behind a public name they come in at the root:
    Daraja calls no address with "mpesa" in it."""
    if options.public_url:
        return options.public_url.rstrip("/")
    return _local(options, options.app_port) + "/mpesa"


def _local(options: Options, port: int) -> str:
    """Where this machine reaches the server."""
    scheme = "https" if options.tls_cert else "http"
    host = "127.0.0.1" if options.app_host in _EVERYWHERE else options.app_host
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


async def _promote_admins(options: Options, core: Core) -> None:
    for email in options.admins:
        profile = await core.people.by_email(email)
        # Anybody can register an address at Amarktai; only its owner can prove it (X-C02).
        if profile is not None and profile.email_verified:
            await core.people.promote(profile.user_id)


async def _listen(
    options: Options,
    core: Core,
    trading: Trading,
    clients: Outside,
    sims: Simulators | None,
    postgres: Postgres | None,
    nursery: trio.Nursery,
) -> Server:
    sessions = Expiries(core.clock)
    sockets = OpenSockets(core.clock)
    nursery.start_soon(sessions.run)
    nursery.start_soon(sockets.run)
    reconciler = make_reconciler(options, core, clients)
    routes: tuple[Route, ...] = ()
    if sims is not None:
        routes = sandbox_routes(sandbox_control(core, trading.bots, sims, postgres, nursery))
    state = RunState()
    mounted = surfaces(options, core, trading, sessions, sockets, reconciler)
    own, callbacks = root_routes(state, core), provider_routes(options, core)
    listener = partial(
        serve,
        host=options.app_host,
        port=options.app_port,
        surfaces=mounted,
        root_routes=(*own, *callbacks, *routes, *site(mounted, own, callbacks, routes).routes),
        fallback_app=pages_app(options),
        tls=presented(options),
        trusted_proxies=networks("trust_proxy", options.trust_proxy),
    )
    with _listening(options):
        server: Server = await nursery.start(listener)
    state.server = server
    if options.app_port == 0:
        clients.callback_urls.base = clients.callback_urls.base.replace(":0/", f":{server.port}/")
    nursery.start_soon(background("reconciliation", reconciler.run).run)
    return server


async def _may_listen(options: Options) -> None:
    """Find a taken port before anything is touched: a server that cannot serve must not fence off
    the one that does, nor make a database. Raises OptionError.

    Not while another process has our DATA_DIR: that may be the one before us, about to end, and is
    waited for.
    """
    waits = not options.database_url and embedded.is_owned(options.data_path)
    if options.app_port and not waits:
        with _listening(options):
            for listener in await trio.open_tcp_listeners(options.app_port, host=options.app_host):
                await listener.aclose()


@contextmanager
def _listening(options: Options) -> Iterator[None]:
    """Say in one line why the address cannot be listened on. Raises OptionError."""
    try:
        yield
    except OSError as error:
        where = f"{options.app_host}:{options.app_port}"
        raise OptionError(f"cannot listen on {where}: {error.strerror or error}") from error


class RunState:
    """What /healthz tells about."""

    server: Server | None = None

    @property
    def is_serving(self) -> bool:
        return self.server is not None and not self.server.draining


def _settle_memory() -> None:
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_GC_THRESHOLDS)


__all__ = ["running"]
