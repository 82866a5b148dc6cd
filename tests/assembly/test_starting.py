"""`app.py serve` started as operators start it: what stops it is one line naming the variable."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from assembly.options import OptionError, Options
from assembly.server import _may_listen
from storage.embedded.cluster import Cluster
from tests.conftest import ROOT
from tests.house.test_options import LIVE

STARTS_WITHIN_S = 60


COMMAND = [sys.executable, "app.py", "serve"]


def surroundings(folder: Path, **environ: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PG_BINDIR") if name in os.environ}
    return {**kept, "DATA_DIR": str(folder / "data"), "APP_PORT": "0", **environ}


def start(folder: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    """A start that is bound to fail."""
    return subprocess.run(
        COMMAND,
        cwd=ROOT,
        env=surroundings(folder, **environ),
        capture_output=True,
        text=True,
        timeout=STARTS_WITHIN_S,
        check=False,
    )


def complaint(run: subprocess.CompletedProcess[str]) -> str:
    """The line it ended with; nothing was promised on stdout."""
    assert run.returncode == 1, run.stderr
    assert run.stdout == ""
    assert "Traceback" not in run.stderr
    return run.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("environ", "text"),
    [
        ({"DATABASE_URL": "postgresql://127.0.0.1:1/x"}, "DATABASE_URL: connection failed"),
        ({"DATABASE_URL": "host=/nowhere port=x"}, "DATABASE_URL: "),
        ({"DATA_DIR": "/proc/daftari"}, "DATA_DIR /proc/daftari: "),
        ({"APP_MODE": "live"}, "JWT_SECRET must be set in live mode"),
    ],
)
def test_a_start_that_cannot_be_says_why_in_one_line(
    tmp_path: Path, environ: dict[str, str], text: str
) -> None:
    assert complaint(start(tmp_path, **environ)).startswith(f"daftari: {text}")


def test_a_data_dir_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    said = complaint(start(tmp_path))
    assert said.startswith(f"daftari: DATA_DIR {tmp_path / 'data'}: ")


def test_a_taken_port_is_named_before_anything_is_touched(tmp_path: Path) -> None:
    """Above all not the database of the server that has the port: it would be fenced off."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        run = start(tmp_path, APP_PORT=str(port))
    said = f"daftari: cannot listen on 127.0.0.1:{port}: Address already in use"
    assert complaint(run) == said
    assert run.stderr.splitlines() == [said]
    assert not (tmp_path / "data").exists()


async def test_a_port_that_the_server_before_still_has_is_waited_for(tmp_path: Path) -> None:
    """A restart may begin while the one before drains: it has DATA_DIR, too."""
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "PG_VERSION").touch()
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        options = Options(data_dir=str(tmp_path), app_port=taken.getsockname()[1])
        with Cluster(tmp_path).claim():
            await _may_listen(options)
        with pytest.raises(OptionError, match="cannot listen"):
            await _may_listen(options)


def test_a_certificate_nobody_can_use_is_named(tmp_path: Path) -> None:
    absent = tmp_path / "absent.pem"
    said = complaint(start(tmp_path, **{**LIVE, "MPESA_CERTIFICATE": str(absent)}))
    assert said == f"daftari: MPESA_CERTIFICATE {absent}: No such file or directory"
    absent.write_text("not a certificate")
    said = complaint(start(tmp_path, **{**LIVE, "MPESA_CERTIFICATE": str(absent)}))
    assert said == f"daftari: MPESA_CERTIFICATE {absent}: no RSA certificate in PEM"


def certificate() -> bytes:
    """Of the kind Daraja has."""
    key = rsa.generate_private_key(65537, 2048)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "daraja")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(
        name, name, key.public_key(), 1, now, now + timedelta(days=1), []
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)


def test_live_mode_serves_with_every_secret_given_and_without_the_sandbox(tmp_path: Path) -> None:
    """contract.md: sandbox control is not there in live mode; SIGTERM ends with 0."""
    (tmp_path / "daraja.pem").write_bytes(certificate())
    environ = {**LIVE, "MPESA_CERTIFICATE": str(tmp_path / "daraja.pem")}
    with subprocess.Popen(
        COMMAND,
        cwd=ROOT,
        env=surroundings(tmp_path, **environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as run:
        try:
            assert run.stdout is not None
            line = run.stdout.readline()
            assert line.startswith("listening on http://127.0.0.1:")
            with httpx.Client(base_url=line.split()[-1], trust_env=False) as http:
                assert http.get("/healthz").json() == {"status": "ok"}
                for path in ("/sandbox/ledger", "/sandbox/messages"):
                    assert http.get(path).status_code == 404
                assert http.post("/sandbox/users", json={}).status_code == 404
        finally:
            run.send_signal(signal.SIGTERM)
        assert run.wait(STARTS_WITHIN_S) == 0
    assert not (tmp_path / "data" / "postgres" / "postmaster.pid").exists()
    said = complaint(start(tmp_path))
    assert said.endswith("holds the data of APP_MODE=live, not sandbox")
