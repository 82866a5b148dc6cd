"""The certificate of TLS_CERT: what the port presents, and how this machine knows it again."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

from assembly.options import OptionError, Options
from protocols.transport import tls_context


def presented(options: Options) -> ssl.SSLContext | None:
    """What the port speaks TLS with; None without a certificate. Raises OptionError."""
    if not options.tls_cert:
        return None
    with _named(options):
        return tls_context(options.tls_cert, options.tls_key)


def recognised(options: Options) -> ssl.SSLContext | bool:
    """How clients on this machine verify the server, whatever name its certificate is for; the
    usual way without one. Raises OptionError."""
    if not options.tls_cert:
        return True
    with _named(options):
        context = ssl.create_default_context(cafile=options.tls_cert)
    context.check_hostname = False
    # The certificate itself is trusted, also when its issuer is not in the file.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    return context


@contextmanager
def _named(options: Options) -> Iterator[None]:
    """OpenSSL's errors name neither the file nor the variable."""
    try:
        yield
    except OSError as error:
        pair = f"TLS_CERT {options.tls_cert} with TLS_KEY {options.tls_key}"
        raise OptionError(f"{pair}: {error.strerror or error}") from error
