"""The sample configuration in a real nginx, where one is installed (AMKT-318..330, AMKT-C42)."""

import os
import shutil
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
import trio

from tests.conftest import ROOT
from tests.protocols.amarktai.house import House, refused

# NGINX names a binary that is not on the PATH.
NGINX = os.environ.get("NGINX") or shutil.which("nginx")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")
HOST = "api.amarktai.example"
_TEMPORARY = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")


def configured(folder: Path, port: int, backend: int) -> Path:
    """The sample inside a main configuration that needs no rights."""
    sample = (ROOT / "docs" / "nginx.conf").read_text()
    sample = sample.replace("127.0.0.1:3000", f"127.0.0.1:{backend}")
    sample = sample.replace("/var/log/nginx/", f"{folder}/")
    sample = sample.replace("listen 80", f"listen 127.0.0.1:{port}")
    (folder / "sample.conf").write_text(sample)
    paths = "".join(f"{name}_temp_path {folder}/{name};\n" for name in _TEMPORARY)
    main = folder / "nginx.conf"
    main.write_text(
        f"daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;\n"
        f"events {{}}\nhttp {{ access_log off;\n{paths}include {folder}/sample.conf; }}\n"
    )
    return main


@pytest.fixture
def nginx_port(base_url: str, tmp_path: Path) -> Iterator[int]:
    """Where nginx listens, in front of the server."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    main = configured(tmp_path, port, int(base_url.rpartition(":")[2]))
    process = subprocess.Popen([str(NGINX), "-p", str(tmp_path), "-c", str(main)])
    yield port
    process.terminate()
    process.wait(10)


@pytest.fixture
async def proxied(nginx_port: int) -> AsyncIterator[House]:
    """The house as it is seen through nginx."""
    base = f"http://127.0.0.1:{nginx_port}"
    async with httpx.AsyncClient(base_url=base, timeout=30, trust_env=False) as http:
        with trio.fail_after(10):
            while not await answers(http):
                await trio.sleep(0.05)
        yield House(http, nginx_port)


async def answers(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/healthz")).status_code == 200
    except httpx.ConnectError:
        return False


async def test_rest_passes(proxied: House) -> None:
    """AMKT-C42."""
    person = await proxied.person()
    assert (await person.get("/system/mode")).json()["mode"] == "testing"
    refused(await proxied.get("/bots"), 401, "AUTH_REQUIRED")


async def test_events_are_not_buffered_and_resume(proxied: House) -> None:
    """AMKT-318..325."""
    person = await proxied.person()
    async with proxied.events(person.token) as events:
        await events.until("overview_update")
        with trio.fail_after(3):
            await person.bot()
            count = await events.until("bot_update", total_bots=1)
    await person.bot(name="Beta")
    async with proxied.events(person.token, Last_Event_ID=count["id"]) as events:
        assert (await events.until("bot_update"))["total_bots"] == 2


async def test_the_socket_upgrades(proxied: House) -> None:
    """AMKT-326..330."""
    person = await proxied.person()
    async with proxied.socket(person.token) as opened:
        await opened.send({"type": "ping"})
        assert (await opened.next())["type"] == "pong"
    refused(await proxied.refused_socket("?token=x"), 401, "AUTH_INVALID")


async def test_no_token_gets_into_the_log(proxied: House, tmp_path: Path) -> None:
    """AMKT-C34: a token may stand in a query, which proxies log unless they are told not to."""
    person = await proxied.person()
    async with proxied.events("", f"?token={person.token}") as events:
        await events.until("overview_update")
    async with proxied.socket(person.token) as opened:
        await opened.send({"type": "ping"})
        await opened.next()
    log = tmp_path / "daftari.log"
    with trio.fail_after(10):
        while "/api/ws" not in log.read_text():
            await trio.sleep(0.05)
    assert "/amarktai/api/realtime/events" in log.read_text()
    assert person.token not in log.read_text()


async def test_the_documented_paths_work_by_their_host(proxied: House) -> None:
    """AMKT-C42: without the prefix, where AMARKTAI_HOSTS names the host."""
    answer = await proxied.http.get("/api/system/ping", headers={"Host": HOST})
    assert answer.json()["status"] == "ok"
