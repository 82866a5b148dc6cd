"""The pages at the root, as the server has them."""

import httpx
import pytest

from assembly.options import read_options
from assembly.pages import pages_app
from tests.protocols.transport.support import Bed


@pytest.mark.parametrize(
    ("method", "path", "status", "error"),
    [
        ("GET", "/nothing", 404, "not found"),
        ("GET", "/sandbox/nothing", 404, "not found"),
        ("POST", "/", 405, "method not allowed"),
    ],
)
async def test_a_refusal_at_the_root_is_json(method: str, path: str, status: int, error: str):
    """X-C21: never a framework's own HTML page."""
    bed = Bed()
    bed.options["fallback_app"] = pages_app(read_options({}))
    async with (
        bed.running() as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client,
    ):
        answer = await client.request(method, path)
    assert (answer.status_code, answer.json()) == (status, {"error": error})
