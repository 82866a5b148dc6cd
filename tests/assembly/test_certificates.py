"""One pair of options, TLS_CERT and TLS_KEY: served with, and recognised by (X-C22)."""

from pathlib import Path

import pytest

from assembly.certificates import presented, recognised
from assembly.options import OptionError, Options, read_options
from protocols.http import Request
from protocols.web import Route
from providers.sandbox.mpesa.courier import Courier, open_http
from tests.protocols.transport.support import Bed
from tests.protocols.transport.test_tls import certificate

__all__ = ["certificate"]


def options_of(cert: Path | str, key: Path | str) -> Options:
    return read_options({"TLS_CERT": str(cert), "TLS_KEY": str(key)})


async def test_a_simulator_calls_back_a_server_with_a_certificate_of_its_own(
    certificate: tuple[Path, Path],
):
    """contract.md: the sandbox works with TLS too; the certificate is for another name."""
    options = options_of(*certificate)
    bed = Bed()
    bed.options["tls"] = presented(options)

    async def callback(request: Request) -> dict[str, int]:
        return {"bytes": len(request.body)}

    bed.root_routes.append(Route("POST", "/callback", callback))
    async with bed.running() as server:
        url = f"https://127.0.0.1:{server.port}/callback"
        async with open_http(recognised(options)) as http:
            assert await Courier(http).post(url, b"{}") == b'{"bytes":2}'
        async with open_http() as stranger:
            assert await Courier(stranger).post(url, b"{}") is None


@pytest.mark.parametrize("read", [presented, recognised])
def test_files_that_are_no_certificate_are_named(read, tmp_path: Path):
    """contract.md, "Commands": what stops the start is one clear line."""
    (tmp_path / "empty.pem").touch()
    for name in ("missing.pem", "empty.pem"):
        file = tmp_path / name
        with pytest.raises(OptionError, match=f"^TLS_CERT .*{name} with TLS_KEY .*{name}: ."):
            read(options_of(file, file))


def test_a_log_level_nobody_knows_stops_the_start():
    with pytest.raises(OptionError, match=r"^LOG_LEVEL must be one of DEBUG, "):
        read_options({"LOG_LEVEL": "loud"})
    assert read_options({"LOG_LEVEL": "debug"}).log_level == "debug"
