"""The M-Pesa surface, put together from the core."""

import secrets

from actors.callbacks import INCOMING
from actors.identity_store import StoreUnavailable
from actors.reconcile import Reconciler
from assembly.core import Core
from assembly.options import Options, listed
from assembly.outside import Outside
from domain.money import UNITS_PER_WHOLE
from protocols.mpesa.callbacks import alias_routes
from protocols.mpesa.service import Mpesa, Settings
from protocols.mpesa.sockets import OpenSockets
from protocols.mpesa.surface import mpesa_surface
from protocols.web import Route, Surface
from providers.mpesa.urls import KNOWN_SOURCES, Sources
from storage.errors import Unavailable
from storage.incoming import PostgresIncoming


def mpesa(
    options: Options, core: Core, sockets: OpenSockets, unavailable: tuple[type[Exception], ...]
) -> Surface:
    """The surface; `sockets.run` must be running."""
    parts = Mpesa(
        clock=core.clock,
        people=core.people,
        payments=core.payments,
        hashes=core.hashes,
        idempotency=core.idempotency,
        feeds=core.feeds,
        events=core.events,
        sockets=sockets,
        random_bytes=secrets.token_bytes,
        unavailable=unavailable,
        settings=Settings(
            allow_anonymous=options.anonymous_hashes,
            largest=options.mpesa_max_amount * UNITS_PER_WHOLE,
        ),
    )
    return mpesa_surface(
        parts,
        core.callbacks,
        callback_sources(options).allows,
        listed(options.mpesa_hosts),
        options.origins,
    )


def provider_routes(options: Options, core: Core) -> tuple[Route, ...]:
    """Where Daraja calls a server with a public name; the surface has the same routes."""
    return alias_routes(core.callbacks, callback_sources(options).allows)


def make_reconciler(options: Options, core: Core, outside: Outside) -> Reconciler:
    """To be run once the port is known, which the registered addresses name."""

    def addresses() -> tuple[str, str] | None:
        if not options.mpesa_incoming:
            return None
        return outside.callback_urls.incoming(core.payments.secret_of(INCOMING))

    return Reconciler(
        PostgresIncoming(core.pool),
        core.payments,
        core.incoming,
        outside.mpesa,
        core.clock,
        (Unavailable, StoreUnavailable),
        every_s=options.mpesa_reconcile_seconds,
        addresses=addresses,
    )


def callback_sources(options: Options) -> Sources:
    """Where the provider may call from: as configured, else its known addresses; in the sandbox
    it is on this machine."""
    allowed = listed(options.mpesa_callback_sources)
    if not allowed:
        allowed = ("127.0.0.0/8", "::1/128") if options.is_sandbox else KNOWN_SOURCES
    return Sources(allowed)
