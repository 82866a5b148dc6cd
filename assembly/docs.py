"""The documents of everything this server serves: surfaces, and what stands at the root."""

from collections.abc import Sequence
from typing import Final

from protocols.describe.site import Site
from protocols.mpesa.surface import ABOUT as MPESA
from protocols.sandbox.routes import ABOUT as SANDBOX
from protocols.web import About, Route, Surface, plain_error

VERSION: Final = "0.1.0"  # as in pyproject.toml; a test compares them
_SERVER: Final = About(title="Server", text="Health, metrics and these documents.")


def site(
    surfaces: Sequence[Surface],
    server: tuple[Route, ...],
    provider: tuple[Route, ...],
    sandbox: tuple[Route, ...],
) -> Site:
    """The documents; `server`, `provider` and `sandbox` are the routes at the root."""
    made = Site(VERSION)
    described = [*surfaces, _at_root("server", (*server, *made.routes), _SERVER)]
    if provider:
        described.append(_at_root("mpesa-provider", provider, MPESA))
    if sandbox:
        described.append(_at_root("sandbox", sandbox, SANDBOX))
    made.describe(described)
    return made


def _at_root(name: str, routes: tuple[Route, ...], about: About) -> Surface:
    return Surface(name=name, prefix="", render_error=plain_error, routes=routes, about=about)
