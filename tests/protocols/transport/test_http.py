"""HTTP over real sockets: the fast path from bytes to a handler and back."""

import httpx

from tests.protocols.transport.support import Bed, ask, body_of, status_of


async def test_a_get_reaches_its_handler_and_comes_back_as_json():
    bed = Bed()
    async with bed.running() as server:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as client:
            response = await client.get("/echo/hello", params={"name": "Ann & Bob"})
            assert response.status_code == 200
            assert response.json() == {"hello": "Ann & Bob", "client": "127.0.0.1"}
            assert response.headers["content-type"] == "application/json"
            assert "date" in response.headers
            response = await client.post("/echo/greet", json={"name": "Ann", "times": 2})
            assert (response.status_code, response.json()) == (201, {"greeting": "Ann Ann"})
