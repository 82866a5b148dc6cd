"""Whom clients believe. One context for all clients of the process: to read the certificates of
all authorities takes a twentieth of a second."""

import ssl
from functools import cache

import httpx


@cache
def authorities() -> ssl.SSLContext:
    """Those that everybody knows."""
    return httpx.create_ssl_context(trust_env=False)


@cache
def authorities_here() -> ssl.SSLContext:
    """Those that this machine knows: a company's own mail server may be vouched for by its own."""
    return ssl.create_default_context()
