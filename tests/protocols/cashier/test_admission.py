"""Who gets a socket, by which carrier, and what everybody else is told."""

import json

import pytest

from domain.identity import AccessTokens
from protocols.cashier.session import Session
from protocols.cashier.surface import PATH, cashier_surface, token_of
from protocols.http import Request, Response
from protocols.web import ErrorKind
from tests.protocols.cashier.books import START_US
from tests.protocols.cashier.house import USER, FakeConnection, House

NOW = START_US // 1_000_000


def request(query: str = "", **headers: str) -> Request:
    return Request("GET", PATH, query, {k.replace("_", "-"): v for k, v in headers.items()})


async def token(house: House, **changes: object) -> str:
    profile = await house.identity.people.profile(USER)
    assert profile is not None
    return house.identity.people.issue_token(profile, ("pwd",))


async def admitted(house: House, asked: Request) -> Session | Response:
    (route,) = cashier_surface(house.cashier).sockets
    answer = await route.admit(asked)
    if isinstance(answer, Response):
        return answer
    session = answer(FakeConnection())  # type: ignore[arg-type]
    assert isinstance(session, Session)
    return session


async def test_every_carrier_of_a_good_token_opens_a_socket(house: House) -> None:
    """CASH-C01."""
    good = await token(house)
    for asked in (
        request(authorization=f"Bearer {good}"),
        request(f"token={good}"),
        request(cookie=f"theme=dark; token={good}"),
        request(sec_websocket_protocol=f"bearer, {good}"),
    ):
        assert isinstance(await admitted(house, asked), Session)


@pytest.mark.parametrize(
    ("origin", "host", "origins", "opens"),
    [
        ("", "pay.example.com", (), True),
        ("https://pay.example.com", "pay.example.com", (), True),
        ("https://evil.example", "pay.example.com", (), False),
        ("null", "pay.example.com", (), False),
        ("https://pay.example.com.evil.example", "pay.example.com", (), False),
        ("https://app.example.com", "pay.example.com", ("https://app.example.com",), True),
        ("https://evil.example", "pay.example.com", ("*",), True),
    ],
)
def test_a_cookie_opens_nothing_for_the_pages_of_others(
    origin: str, host: str, origins: tuple[str, ...], opens: bool
) -> None:
    """Browsers send it along whoever opens the socket; other carriers need the token itself."""
    headers = {"cookie": "token=good", "host": host} | ({"origin": origin} if origin else {})
    assert token_of(request(**headers), origins) == ("good" if opens else "")
    assert token_of(request("token=good", **headers), origins) == "good"


def test_the_first_carrier_counts() -> None:
    """CASH-C01: header, query, cookie, subprotocol."""
    everything = {
        "authorization": "Bearer header",
        "cookie": "token=cookie",
        "sec_websocket_protocol": "bearer, offered",
    }
    assert token_of(request("token=query", **everything)) == "header"
    del everything["authorization"]
    assert token_of(request("token=query", **everything)) == "query"
    assert token_of(request(**everything)) == "cookie"
    del everything["cookie"]
    assert token_of(request(**everything)) == "offered"
    assert token_of(request(sec_websocket_protocol="bearer")) == ""
    assert token_of(request()) == ""


@pytest.mark.parametrize(
    "kind", ["none", "garbage", "other key", "alg none", "expired", "revoked", "deleted"]
)
async def test_without_a_good_token_there_is_a_401_in_the_cashier_s_shape(
    house: House, kind: str
) -> None:
    """FC-02, CASH-003."""
    sent = await token(house)
    if kind == "none":
        sent = ""
    elif kind == "garbage":
        sent = "a.b.c"
    elif kind == "other key":
        sent = AccessTokens(b"x" * 32, lambda n: b"1" * n).issue(USER, 0, ["pwd"], NOW)
    elif kind == "alg none":
        sent = "eyJhbGciOiJub25lIn0." + sent.split(".")[1] + "."
    elif kind == "expired":
        house.clock.advance(86_400)
    elif kind == "revoked":
        await house.identity.people.revoke_tokens(USER)
    else:
        await house.identity.people.set_deleted(USER, True)
    answer = await admitted(house, request(authorization=f"Bearer {sent}"))
    assert isinstance(answer, Response)
    assert (answer.status, answer.content_type) == (401, "application/json")
    assert json.loads(answer.body) == {
        "type": "error",
        "data": {"message": "unauthorized"},
        "timestamp": house.clock.now_s(),
    }


async def test_while_nobody_can_be_looked_up_the_answer_is_503(house: House) -> None:
    sent = AccessTokens(b"j" * 32, lambda n: b"1" * n).issue(4711, 0, ["pwd"], NOW)
    house.identity.disk.down = True
    answer = await admitted(house, request(authorization=f"Bearer {sent}"))
    assert isinstance(answer, Response)
    assert answer.status == 503
    assert json.loads(answer.body)["data"] == {"message": "service temporarily unavailable"}


async def test_framework_errors_have_the_cashier_s_shape(house: House) -> None:
    """X-C21."""
    surface = cashier_surface(house.cashier)
    for status, kind, text in (
        (404, ErrorKind.NOT_FOUND, "not found"),
        (426, ErrorKind.UPGRADE_REQUIRED, "upgrade required"),
        (500, ErrorKind.INTERNAL, "internal server error"),
    ):
        answer = surface.render_error(status, kind, "")
        assert json.loads(answer.body) == {
            "type": "error",
            "data": {"message": text},
            "timestamp": NOW,
        }


@pytest.mark.parametrize(
    ("query", "types"),
    [
        ("", ["connected"]),
        ("&resume_from=0", ["connected"]),
        ("&resume_from=", ["connected", "reload_required"]),
        ("&resume_from=abc", ["connected", "reload_required"]),
        ("&resume_from=" + "9" * 40, ["connected", "reload_required"]),
    ],
)
async def test_resume_from_is_an_offset_or_means_reload(
    house: House, query: str, types: list[str]
) -> None:
    session = await admitted(house, request(f"token={await token(house)}{query}"))
    assert isinstance(session, Session)
    await session.opened()
    sent = session._connection.sent  # type: ignore[attr-defined]
    assert [json.loads(frame)["type"] for frame in sent] == types
