"""The two servers under comparison as processes: ours and the conventional one."""

import http.client
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import jwt

from benchmarks.load import Target

ROOT = Path(__file__).parent.parent
SOCKET_PATH = "/cashier/api/v1/cashier/svc/ws"
BALANCE = "1000000.00"
START_S = 60.0
STOP_S = 30.0


class ServerProcess:
    """A server started from a command line that prints "listening on http://…" once it serves."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        self._log = log
        started = time.monotonic()
        with open(log, "ab") as stderr:
            self.process = subprocess.Popen(
                command,
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=subprocess.PIPE,
                stderr=stderr,
                text=True,
            )
        self._wait_until_listening()
        self.start_s = time.monotonic() - started

    @property
    def pid(self) -> int:
        """The server's process number."""
        return self.process.pid

    def _wait_until_listening(self) -> None:
        assert self.process.stdout
        for line in self.process.stdout:
            if line.startswith("listening on"):
                return
        self.process.wait()
        raise RuntimeError(f"the server did not start:\n{self._log.read_text()[-2000:]}")

    def wait_until_logged(self, text: str, within_s: float) -> None:
        """Wait for a line with `text` in what the server writes beside."""
        give_up = time.monotonic() + within_s
        while text not in self._log.read_text():
            if time.monotonic() > give_up:
                raise RuntimeError(f"the server has not logged {text!r} in {within_s} s")
            time.sleep(0.1)

    def stop(self) -> None:
        """SIGTERM, and wait for the drain; killed only when that takes longer than it may."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"the server did not stop within {STOP_S} s") from None


def free_port() -> int:
    """A port nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


@contextmanager
def ours(
    data_dir: Path, database: str, port: int, secret: str, **settings: str
) -> Iterator[ServerProcess]:
    """`app.py serve` in sandbox mode, with the defaults a user has but for `settings`."""
    data_dir.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "app.py", "serve", "--port", str(port)]
    command += ["--data-dir", str(data_dir), "--database-url", database]
    # A closed loop sends far more than 60 messages a second on one connection, which the
    # surface's limit (X-C20) would refuse. The limit stays in the path; only its number is high.
    environment = {"CASHIER_MESSAGES_PER_SECOND": "1000000", "JWT_SECRET": secret}
    environment |= {"LOG_LEVEL": "WARNING", **settings}
    server = ServerProcess(command, data_dir / "server.log", environment)
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def conventional(
    database: str, port: int, pool: int, secret: str, log: Path
) -> Iterator[ServerProcess]:
    """The conventional server with `pool` database connections."""
    command = [sys.executable, "-m", "benchmarks.peers.conventional", "--port", str(port)]
    command += ["--database", database, "--pool", str(pool), "--secret", secret]
    server = ServerProcess(command, log, {})
    try:
        yield server
    finally:
        server.stop()


@contextmanager
def rest_peer(database: str, port: int, secret: str, log: Path) -> Iterator[ServerProcess]:
    """The conventional REST server."""
    command = [sys.executable, "-m", "benchmarks.peers.rest", "--port", str(port)]
    server = ServerProcess([*command, "--database", database, "--secret", secret], log, {})
    try:
        yield server
    finally:
        server.stop()


def our_target(port: int, users: int) -> Target:
    """Create `users` funded sandbox users on our running server; all of them can be paid."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        body = {"balances": {"USD": BALANCE}, "phone": None}
        made = [_post(connection, "/sandbox/users", body) for _ in range(users)]
    return Target(
        name="daftari",
        port=port,
        path=SOCKET_PATH,
        credentials=[(user["token"], user["user_id"]) for user in made],
        recipients=[user["user_id"] for user in made],
    )


def conventional_target(port: int, users: int, secret: str) -> Target:
    """The conventional server's users 1 to `users`, with tokens signed by its secret."""
    names = [str(number) for number in range(1, users + 1)]
    tokens = [jwt.encode({"sub": name}, secret, algorithm="HS256") for name in names]
    return Target(
        name="conventional",
        port=port,
        path=SOCKET_PATH,
        credentials=list(zip(tokens, names, strict=True)),
        recipients=names,
    )


def new_secret() -> str:
    """A JWT secret for one run."""
    return secrets.token_hex(32)


def existing_target(port: int, payers: list[str], recipients: list[str]) -> Target:
    """Users our running server has already: tokens for `payers`, who may pay `recipients`."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        tokens = [_post(connection, "/sandbox/token", {"user": user})["token"] for user in payers]
    return Target(
        name="daftari",
        port=port,
        path=SOCKET_PATH,
        credentials=list(zip(tokens, payers, strict=True)),
        recipients=recipients,
    )


def post(port: int, path: str, body: Any) -> dict[str, Any]:
    """One request to our running server; raises unless it is answered 200."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        return _post(connection, path, body)


def _post(connection: http.client.HTTPConnection, path: str, body: Any) -> dict[str, Any]:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    text = response.read()
    if response.status != 200:
        raise RuntimeError(f"POST {path}: {response.status} {text[:200]!r}")
    answer: dict[str, Any] = json.loads(text)
    return answer
