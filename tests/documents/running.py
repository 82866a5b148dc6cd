"""A server, and everything that these tests want to know of it."""

import json
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx

from assembly.options import read_options
from assembly.server import running
from protocols.http import Request
from protocols.server import Server
from protocols.web import Route
from providers.trust import authorities


@dataclass(frozen=True)
class Snapshot:
    """`pages` are answers by path: the pages, and everything that they refer to. `calls` are
    answers of a few endpoints by method and path template."""

    server: Server
    openapi: dict[str, Any]
    asyncapi: dict[str, Any]
    pages: dict[str, httpx.Response]
    calls: dict[tuple[str, str], httpx.Response]

    def route(self, method: str, path: str) -> Route:
        """The route that answers a path."""
        endpoint = self.server.router.find(Request(method, path)).endpoint
        assert endpoint is not None, path
        return endpoint.routes[method]


async def taken(dsn: str, folder: Path) -> Snapshot:
    """Start a sandbox server, ask it, and stop it."""
    options = read_options({"DATABASE_URL": dsn, "DATA_DIR": str(folder), "APP_PORT": "0"})
    async with running(options) as server:
        base = f"http://127.0.0.1:{server.port}"
        async with httpx.AsyncClient(
            base_url=base, timeout=60, verify=authorities(), trust_env=False
        ) as http:
            openapi = (await http.get("/openapi.json")).json()
            asyncapi = (await http.get("/asyncapi.json")).json()
            pages = await _pages(http)
            return Snapshot(server, openapi, asyncapi, pages, await _calls(http))


async def _pages(http: httpx.AsyncClient) -> dict[str, httpx.Response]:
    found = {path: await http.get(path) for path in ("/docs", "/docs/sockets", "/")}
    for page in list(found.values()):
        for reference in references(page.text):
            if reference.startswith("#"):
                continue
            found[reference] = await http.get(reference)
    etag = found["/docs"].headers["etag"]
    found["/docs again"] = await http.get("/docs", headers={"If-None-Match": etag})
    return found


async def _calls(http: httpx.AsyncClient) -> dict[tuple[str, str], httpx.Response]:
    person = await http.post("/sandbox/users", json={"balances": {"USD": "10"}})
    token = {"Authorization": f"Bearer {person.json()['token']}"}
    events = "/nexuspay/api/token/tokenTransferEvents"
    address = {"address": person.json()["wallet_address"]}
    funding = {"amount": 5000, "email": "user@example.com"}
    status = "/wallet/api/wallet/otp/status"
    return {
        ("post", "/sandbox/users"): person,
        ("get", "/sandbox/ledger"): await http.get("/sandbox/ledger"),
        ("get", "/sandbox/messages"): await http.get("/sandbox/messages"),
        ("post", "/sandbox/clock"): await http.post("/sandbox/clock", json={}),
        ("post", "/sandbox/token"): await http.post("/sandbox/token", json={"user": "nobody"}),
        ("get", "/healthz"): await http.get("/healthz"),
        ("get", "/ops/reviews"): await http.get("/ops/reviews", headers=token),
        ("get", events): await http.get(events, headers=token, params=address),
        ("post", "/wallet/api/wallet/fund"): await http.post(
            "/wallet/api/wallet/fund", headers=token, json=funding
        ),
        ("get", status): await http.get(status, params={"purpose": "other"}, headers=token),
    }


class _References(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attrs if name in ("src", "href") and value]


def references(page: str) -> list[str]:
    """Whatever the page refers to."""
    parser = _References()
    parser.feed(page)
    return parser.found


def load(path: Path) -> Any:
    """A JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))
