"""What is served at the root: the page that says what runs here, health, metrics."""

from typing import Any, Literal, Protocol

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from quart import Quart
from quart_trio import QuartTrio

from assembly.core import Core
from assembly.options import Options
from protocols.http import Request, Response, json_response
from protocols.web import ErrorKind, Route

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>daftari</title>
<style>body{font:16px/1.5 system-ui,sans-serif;max-width:44rem;margin:3rem auto;padding:0 1rem}
code{background:#f2f2f2;padding:.1em .3em;border-radius:3px}td{padding:.2rem 1rem .2rem 0}</style>
</head><body><h1>daftari</h1>
<p>Money APIs on one identity store and one double-entry journal. Mode: <b>MODE</b>.</p>
<table>
<tr><td>cashier</td><td><code>/cashier/api/v1/cashier/svc/ws</code> (WebSocket)</td></tr>
<tr><td>M-Pesa callbacks</td><td><code>/mpesa/api/v1/mpesa/…</code></td></tr>
<tr><td>NexusPay</td><td><code>/nexuspay/api/…</code>, <code>/nexuspay/ws</code></td></tr>
<tr><td>wallet</td><td><code>/wallet/api/wallet/…</code></td></tr>
<tr><td>Amarktai</td><td><code>/amarktai/api/…</code>, <code>/amarktai/api/ws</code>,
<code>/amarktai/api/realtime/events</code></td></tr>
<tr><td>operators</td><td><code>/ops/reviews</code></td></tr>
<tr><td>documents</td><td><a href="/docs">endpoints</a>, <a href="/docs/sockets">sockets</a>,
<a href="/openapi.json"><code>/openapi.json</code></a>,
<a href="/asyncapi.json"><code>/asyncapi.json</code></a></td></tr>
<tr><td>health</td><td><a href="/healthz"><code>/healthz</code></a></td></tr>
<tr><td>metrics</td><td><a href="/metrics"><code>/metrics</code></a></td></tr>
</table></body></html>"""


class Health(msgspec.Struct, frozen=True):
    """`ok`, or `draining` with 503 while the server stops."""

    status: Literal["ok", "draining"]


class Serving(Protocol):
    """Whether the server takes work."""

    @property
    def is_serving(self) -> bool: ...


def root_routes(state: Serving, core: Core) -> tuple[Route, ...]:
    """/healthz and /metrics."""

    async def healthz(_request: Request) -> Response:
        """Whether the server takes work; 503 while it drains."""
        if state.is_serving:
            return json_response(Health("ok"), 200)
        return json_response(Health("draining"), 503)

    async def metrics(_request: Request) -> Response:
        """Prometheus text."""
        lines = (
            ("daftari_journals_total", core.ledger.journal.journals),
            ("daftari_journal_batches_total", core.ledger.journal.committed_batches),
            ("daftari_journal_commit_seconds_total", round(core.ledger.journal.commit_seconds, 6)),
            ("daftari_journal_queued", core.ledger.journal.queued),
            ("daftari_journal_available", int(core.ledger.journal.available)),
            ("daftari_accounts_resident", len(core.ledger.accounts.resident)),
        )
        own = "".join(f"{name} {value}\n" for name, value in lines)
        return Response(200, generate_latest() + own.encode(), CONTENT_TYPE_LATEST)

    return (
        Route("GET", "/healthz", healthz, response=Health),
        Route("GET", "/metrics", metrics, response="text/plain"),
    )


def pages_app(options: Options) -> Any:
    """Pages, served by Quart-Trio behind everything else."""
    app: Quart = QuartTrio("daftari")
    page = _PAGE.replace("MODE", options.app_mode)

    @app.get("/")
    async def index() -> str:
        return page

    # Never a framework's own page (X-C21).
    @app.errorhandler(404)
    async def not_found(_error: Exception) -> tuple[dict[str, str], int]:
        return {"error": ErrorKind.NOT_FOUND.value}, 404

    @app.errorhandler(405)
    async def not_allowed(_error: Exception) -> tuple[dict[str, str], int]:
        return {"error": ErrorKind.METHOD_NOT_ALLOWED.value}, 405

    return app
