"""Where the provider calls: who is let in, what is kept, what is answered (X-C14)."""

from typing import Any

import pytest

from actors.callbacks import Source
from actors.identity_store import StoreUnavailable
from protocols.http import Request
from protocols.mpesa.callbacks import alias_routes, callback_routes
from protocols.mpesa.wire import ACCEPTED, REJECTED
from providers.mpesa.urls import Sources

SAFARICOM = "196.201.214.200"


class Intake:
    """Remembers what it took."""

    def __init__(self) -> None:
        self.taken: list[tuple[Any, ...]] = []
        self.asked: list[tuple[str, bytes]] = []
        self.away = False
        self.unavailable = (StoreUnavailable,)

    async def take(self, *what: Any) -> None:
        self._reach()
        self.taken.append(what)

    def _reach(self) -> None:
        if self.away:
            raise StoreUnavailable("away")

    async def validate(self, key: str, body: bytes) -> bytes:
        self._reach()
        self.asked.append((key, body))
        return b'{"ResultCode":"0","ResultDesc":"Accepted"}'


def routes(intake: Intake) -> dict[str, Any]:
    allowed = Sources().allows
    made = (*callback_routes(intake, allowed), *alias_routes(intake, allowed))  # type: ignore[arg-type]
    return {route.path: route for route in made}


async def call(
    intake: Intake, path: str, *, hash_: str = "user123", peer: str = SAFARICOM, query: str = ""
) -> tuple[int, bytes]:
    request = Request("POST", path.replace(":hash", hash_), query, body=b"{body}", peer=peer)
    request.params = {"hash": hash_}
    response = await routes(intake)[path].handler(request)
    return response.status, response.body


PATHS = [path for path in routes(Intake()) if "validation" not in path]
VALIDATIONS = [path for path in routes(Intake()) if "validation" in path]


def test_every_kind_of_callback_has_an_address_without_a_forbidden_word() -> None:
    aliases = [path for path in PATHS if "/rails/" in path]
    assert len(aliases) == len(Source)
    assert len(VALIDATIONS) == 2


@pytest.mark.parametrize("path", PATHS)
async def test_a_callback_is_kept_raw_and_then_acknowledged(path: str) -> None:
    intake = Intake()
    assert await call(intake, path, query="key=abc") == (200, ACCEPTED)
    ((source, hash_, key, client, body),) = intake.taken
    assert isinstance(source, Source)
    assert (hash_, key, client, body) == ("user123", "abc", SAFARICOM, b"{body}")


@pytest.mark.parametrize("path", [*PATHS, *VALIDATIONS])
async def test_what_cannot_be_kept_is_not_acknowledged(path: str) -> None:
    """Issue B.1: stored before it is acknowledged; 503 in the provider's own words."""
    intake = Intake()
    intake.away = True
    assert await call(intake, path, query="key=abc") == (503, REJECTED)


@pytest.mark.parametrize("path", [*PATHS, *VALIDATIONS])
@pytest.mark.parametrize("peer", ["192.0.2.1", "127.0.0.1", "::1", "", "196.201.214.201"])
async def test_nobody_else_may_call(path: str, peer: str) -> None:
    """The allow-list: refused before anything is kept or asked."""
    intake = Intake()
    assert await call(intake, path, peer=peer, query="key=abc") == (403, REJECTED)
    assert not intake.taken
    assert not intake.asked


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("hash_", ["a b", "x" * 129, "ä"])
async def test_an_address_of_no_hash_is_a_bad_request(path: str, hash_: str) -> None:
    intake = Intake()
    assert await call(intake, path, hash_=hash_) == (400, REJECTED)
    assert not intake.taken


@pytest.mark.parametrize("path", VALIDATIONS)
async def test_a_validation_is_answered_at_once_and_not_kept(path: str) -> None:
    intake = Intake()
    status, body = await call(intake, path, query="key=abc")
    assert (status, body) == (200, b'{"ResultCode":"0","ResultDesc":"Accepted"}')
    assert intake.asked == [("abc", b"{body}")]
    assert not intake.taken


async def test_a_callback_that_cannot_be_kept_is_not_acknowledged() -> None:
    """The provider then brings it again."""

    class Away(Intake):
        async def take(self, *what: Any) -> None:
            raise ConnectionError("storage is away")

    with pytest.raises(ConnectionError):
        await call(Away(), PATHS[0])
