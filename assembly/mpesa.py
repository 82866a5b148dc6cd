"""The M-Pesa surface, put together from the core."""

import secrets

from assembly.core import Core
from assembly.options import Options, listed
from domain.money import UNITS_PER_WHOLE
from protocols.mpesa.service import Mpesa, Settings
from protocols.mpesa.sockets import OpenSockets
from protocols.mpesa.surface import mpesa_surface
from protocols.web import Surface
from providers.mpesa.urls import KNOWN_SOURCES, Sources


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


def callback_sources(options: Options) -> Sources:
    """Where the provider may call from: as configured, else its known addresses; in the sandbox
    it is on this machine."""
    allowed = listed(options.mpesa_callback_sources)
    if not allowed:
        allowed = ("127.0.0.0/8", "::1/128") if options.is_sandbox else KNOWN_SOURCES
    return Sources(allowed)
