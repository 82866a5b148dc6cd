"""Who may use a hash (MPWS-C03, MPWS-C15, FM-09)."""

from http import HTTPStatus
from types import SimpleNamespace
from typing import Any

import pytest

from actors.people import Authenticated
from protocols.http import Request
from protocols.mpesa.admission import admitted, identify, without_hash
from protocols.mpesa.errors import Code, Refused

ANN = Authenticated(7, None, 10**18, ("pwd",), 0)  # type: ignore[arg-type]  # nobody reads it
BOB = Authenticated(8, None, 10**18, ("pwd",), 0)  # type: ignore[arg-type]


class Hashes:
    """Bindings in memory."""

    def __init__(self) -> None:
        self.owners: dict[str, int] = {}

    async def owner(self, hash_: str) -> int | None:
        return self.owners.get(hash_)

    async def claim(self, hash_: str, user_id: int) -> int:
        return self.owners.setdefault(hash_, user_id)


class People:
    """Knows one token."""

    async def authenticate(self, token: str) -> object:
        return ANN if token == "good" else object()


def surface(*, anonymous: bool = True) -> Any:
    return SimpleNamespace(
        hashes=Hashes(),
        people=People(),
        random_bytes=lambda count: bytes(range(count)),
        settings=SimpleNamespace(allow_anonymous=anonymous),
    )


async def refused(*args: Any, **kwargs: Any) -> Refused:
    with pytest.raises(Refused) as found:
        await admitted(*args, **kwargs)
    return found.value


@pytest.mark.parametrize("hash_", ["", "a b", "x" * 129, "a/b", "ä", "\0"])
async def test_a_hash_of_other_characters_is_a_bad_request(hash_: str) -> None:
    error = await refused(surface(), hash_, None, pays_out=False)
    assert (error.status, error.field) == (HTTPStatus.BAD_REQUEST, "hash")


async def test_an_anonymous_hash_pushes_anywhere_and_pays_out_where_that_is_allowed() -> None:
    for anonymous in (True, False):
        caller = await admitted(surface(anonymous=anonymous), "h", None, pays_out=False)
        assert caller == ("h", None, "hash:h")
    assert (await admitted(surface(), "h", None, pays_out=True)).user_id is None


async def test_in_live_mode_a_withdrawal_needs_a_token() -> None:
    """FM-09, MPWS-C03."""
    mpesa = surface(anonymous=False)
    error = await refused(mpesa, "h", None, pays_out=True)
    assert (error.status, error.code) == (HTTPStatus.UNAUTHORIZED, Code.UNAUTHORIZED)
    assert (await admitted(mpesa, "h", ANN, pays_out=True)) == ("h", 7, "user:7")


async def test_a_hash_used_with_a_token_is_its_users_from_then_on() -> None:
    mpesa = surface()
    assert (await admitted(mpesa, "h", ANN, pays_out=False)).user_id == 7
    for pays_out in (True, False):
        assert (await admitted(mpesa, "h", ANN, pays_out=pays_out)).user_id == 7
        assert (await refused(mpesa, "h", BOB, pays_out=pays_out)).status == HTTPStatus.FORBIDDEN
        error = await refused(mpesa, "h", None, pays_out=pays_out)
        assert error.status == HTTPStatus.UNAUTHORIZED


@pytest.mark.parametrize(
    ("query", "headers"),
    [("token=good", {}), ("", {"authorization": "Bearer good"})],
)
async def test_a_token_comes_in_the_header_or_the_query(
    query: str, headers: dict[str, str]
) -> None:
    request = Request("GET", "/mpesa/stk/h", query, headers)
    assert await identify(surface(), request) is ANN


@pytest.mark.parametrize(
    ("query", "headers"),
    [
        ("token=", {}),
        ("token=bad", {}),
        ("", {"authorization": "Bearer bad"}),
        ("", {"authorization": "Basic good"}),
        ("", {"authorization": ""}),
    ],
)
async def test_a_bad_token_is_never_taken_for_none(query: str, headers: dict[str, str]) -> None:
    request = Request("GET", "/mpesa/stk/h", query, headers)
    if headers == {"authorization": ""}:
        assert await identify(surface(), request) is None
        return
    with pytest.raises(Refused) as found:
        await identify(surface(), request)
    assert found.value.code is Code.UNAUTHORIZED


async def test_a_push_without_a_hash_gets_one_nobody_can_guess() -> None:
    caller = without_hash(surface(), None, "192.0.2.1")
    assert len(caller.hash) == 40
    assert caller.scope == "client:192.0.2.1"
    assert without_hash(surface(), ANN, "192.0.2.1").scope == "user:7"
