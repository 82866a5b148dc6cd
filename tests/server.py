"""A running server as its REST clients, its operators and its sandbox see it; each surface's
`house` adds what is its own."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx

from assembly.options import read_options
from assembly.server import running
from providers.trust import authorities
from tests.documents.checking import check_answers

_WITHIN_S = 60.0  # a client gives an answer up then


class Server:
    """The running server, and what its operators and its sandbox can do."""

    API: ClassVar[str] = ""  # where the surface's paths begin

    def __init__(self, http: httpx.AsyncClient, port: int) -> None:
        self.http = http
        self.port = port

    async def get(self, path: str, token: str = "", **params: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return await self.http.get(self.API + path, params=params, headers=headers)

    async def post(
        self, path: str, body: Any = None, token: str = "", **headers: str
    ) -> httpx.Response:
        """A body of bytes goes out as it is, None as nothing; `headers` with - for _."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if token:
            sent["Authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        return await self.http.post(
            self.API + path, content=b"" if body is None else content, headers=sent
        )

    async def sandbox(self, path: str, body: Any) -> Any:
        answer = await self.http.post(f"/sandbox/{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def advance(self, seconds: int) -> datetime:
        """Move the application's clock; what it says then."""
        now: str = (await self.sandbox("clock", {"advance_seconds": seconds}))["now"]
        return datetime.fromisoformat(now)

    async def messages(self, to: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/sandbox/messages", params={"to": to})
        found: list[dict[str, Any]] = answer.json()["messages"]
        return found

    async def check_books(self) -> None:
        """Every check of the ledger holds, and every currency sums to zero."""
        report = (await self.http.get("/sandbox/ledger")).json()
        assert report["balanced"], report["differences"]
        assert all(Decimal(total) == 0 for total in report["totals"].values())

    @classmethod
    @asynccontextmanager
    async def serving(cls, dsn: str, folder: Path, **environ: str) -> AsyncIterator[Self]:
        """The whole server on a database of the test's own, "" for an embedded one; a second
        time for a restart."""
        options = read_options(
            {"DATABASE_URL": dsn, "DATA_DIR": str(folder), "APP_PORT": "0"} | environ
        )
        async with running(options) as server, cls.visiting(server.port) as house:
            yield house

    @classmethod
    @asynccontextmanager
    async def visiting(cls, port: int) -> AsyncIterator[Self]:
        """A server that runs already; every answer must be as it describes itself."""
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{port}",
            timeout=_WITHIN_S,
            verify=authorities(),
            trust_env=False,
        ) as http:
            await check_answers(http)
            yield cls(http, port)
