"""The system, modes, platforms, keys and errors, with a real client (FA-05, FA-07, FA-11)."""

from typing import Any

import pytest

from tests.protocols.amarktai.house import GOOD_KEYS, REQUESTS_PER_MINUTE, House, refused

NOT_CONFIGURED = {
    "status": "not_configured",
    "has_keys": False,
    "keys_valid": None,
    "last_check": None,
}


async def test_public_endpoints_need_no_token(house: House) -> None:
    """FA-11, AMKT-037, AMKT-C12, AMKT-C43."""
    ping = (await house.get("/system/ping")).json()
    assert set(ping) == {"status", "timestamp"}
    assert ping["status"] == "ok"
    platforms = (await house.get("/system/platforms")).json()
    assert set(platforms) == {"platforms", "total_count", "default", "timestamp"}
    assert platforms["platforms"][0] == {
        "id": "luno",
        "name": "Luno",
        "display_name": "Luno",
        "enabled": True,
        "bot_limit": 5,
        "supports_paper": True,
        "supports_live": True,
        "icon": "🇿🇦",
        "color": "#3861FB",
        "region": "ZA",
    }
    assert (platforms["total_count"], platforms["default"]) == (5, "all")
    assert len(platforms["platforms"]) == 5
    providers = (await house.get("/providers")).json()
    assert providers["success"] is True
    assert providers["providers"][0] == {
        "id": "luno",
        "type": "exchange",
        "display_name": "Luno",
        "required_fields": ["api_key", "api_secret"],
        "icon": "luno.svg",
        "description": "Luno cryptocurrency exchange",
    }
    kucoin = next(one for one in providers["providers"] if one["id"] == "kucoin")
    assert kucoin["required_fields"] == ["api_key", "api_secret", "passphrase"]


async def test_status_counts_the_callers_bots(house: House) -> None:
    """AMKT-C10."""
    person, other = await house.person(), await house.person()
    await other.bot()
    bot_id = await person.bot()
    await person.post(f"/bots/{bot_id}/pause")
    status = (await person.get("/system/status")).json()
    assert set(status) == {"success", "status", "timestamp"}
    assert status["status"] == {
        "database": "connected",
        "websocket": "active",
        "sse": "active",
        "api": "operational",
        "bots_active": 0,
        "bots_total": 1,
    }


@pytest.mark.parametrize(
    ("mode", "flag"),
    [("testing", "paper_trading"), ("live_trading", "live_trading"), ("autopilot", "autopilot")],
)
async def test_a_mode_is_what_the_next_get_returns(house: House, mode: str, flag: str) -> None:
    """FA-05, AMKT-C11, AMKT-060."""
    person, other = await house.person(), await house.person()
    answer = await person.post("/system/mode", {"mode": mode})
    assert answer.json() == {"success": True, "mode": mode}
    flags = dict.fromkeys(("paper_trading", "live_trading", "autopilot"), False)
    expected = {"success": True, "mode": mode} | flags | {flag: True}
    assert (await person.get("/system/mode")).json() == expected
    assert (await other.get("/system/mode")).json()["mode"] == "testing"


@pytest.mark.parametrize("mode", ["x", "", "LIVE_TRADING", None, 1, True])
async def test_another_mode_is_refused(house: House, mode: Any) -> None:
    """AMKT-059."""
    person = await house.person()
    refused(await person.post("/system/mode", {"mode": mode}), 422, "VALIDATION_ERROR")
    assert (await person.get("/system/mode")).json()["mode"] == "testing"


async def test_good_keys_are_kept_and_bad_ones_change_nothing(house: House) -> None:
    """FA-07, AMKT-C13, C14, AMKT-091."""
    person = await house.person()
    health = (await person.get("/platforms/health")).json()
    assert health["platforms"] == dict.fromkeys(
        ("luno", "binance", "kucoin", "ovex", "valr"), NOT_CONFIGURED
    )
    answer = await person.post("/keys/test", GOOD_KEYS)
    assert answer.status_code == 200, answer.text
    assert {"success": True, "message": "API keys are valid", "provider": "luno"}.items() <= (
        answer.json().items()
    )
    bad = GOOD_KEYS | {"api_key": "wrong"}
    text = refused(await person.post("/keys/test", bad), 400, "PROVIDER_ERROR")
    assert text == "Invalid API credentials"
    health = (await person.get("/platforms/health")).json()["platforms"]
    luno = health.pop("luno")
    assert luno["status"] == "operational"
    assert (luno["has_keys"], luno["keys_valid"]) == (True, True)
    assert type(luno["api_latency_ms"]) is int
    assert luno["last_check"].endswith("Z")
    assert all(one == NOT_CONFIGURED for one in health.values())


@pytest.mark.parametrize("provider", ["luno", "binance", "kucoin", "ovex", "valr"])
async def test_every_exchange_tells_good_keys_from_bad_ones(house: House, provider: str) -> None:
    """AMKT-187..197."""
    person = await house.person()
    keys = GOOD_KEYS | {"provider": provider, "passphrase": "passphrase"}
    assert (await person.post("/keys/test", keys)).status_code == 200
    bad = await person.post("/keys/test", keys | {"api_key": "forged"})
    assert refused(bad, 400, "PROVIDER_ERROR") == "Invalid API credentials"


@pytest.mark.parametrize(
    "change",
    [
        {"provider": "kucoin", "passphrase": ""},
        {"provider": "kucoin", "passphrase": None},
        {"provider": "nope"},
        {"provider": None},
        {"api_key": ""},
        {"api_key": 7},
        {"api_secret": ""},
        {"passphrase": {}},
    ],
)
async def test_keys_with_a_wrong_member_are_422(house: House, change: Any) -> None:
    """AMKT-C15."""
    person = await house.person()
    answer = await person.post("/keys/test", GOOD_KEYS | change)
    refused(answer, 422, "VALIDATION_ERROR")
    assert "secret" not in answer.text.replace("api_secret", "")


@pytest.mark.parametrize("text", ["é", "k" * 513, "a\r\nX: b"])
async def test_keys_no_exchange_gives_out_are_just_invalid(house: House, text: str) -> None:
    """A forged key reaches neither a header nor a log."""
    person = await house.person()
    answer = await person.post("/keys/test", GOOD_KEYS | {"api_key": text})
    refused(answer, 400, "PROVIDER_ERROR")


async def test_an_exchange_that_is_down_is_an_error_of_the_provider(house: House) -> None:
    """AMKT-C41."""
    person = await house.person()
    await person.post("/keys/test", GOOD_KEYS)
    await house.sandbox("faults", {"target": "exchange", "fault": "down", "seconds": 3})
    answer = await person.post("/keys/test", GOOD_KEYS)
    refused(answer, 502, "PROVIDER_ERROR")
    await house.advance(5)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "NOT_FOUND"),
        ("GET", "/bots/1/2/3", 404, "NOT_FOUND"),
        ("PUT", "/bots", 405, "VALIDATION_ERROR"),
        ("GET", "/ws", 426, "VALIDATION_ERROR"),
    ],
)
async def test_errors_of_the_framework_have_the_documented_shape(
    house: House, method: str, path: str, status: int, code: str
) -> None:
    """X-C21."""
    answer = await house.http.request(method, f"/amarktai/api{path}")
    refused(answer, status, code)


async def test_a_body_beyond_its_limit_has_the_documented_shape(house: House) -> None:
    """X-C21."""
    person = await house.person()
    answer = await person.post("/ai/chat", {"message": "x" * 100_000})
    refused(answer, 413, "VALIDATION_ERROR")


async def test_a_person_has_so_many_requests_a_minute(house: House) -> None:
    """AMKT-C40, X-C20."""
    person, other = await house.person(), await house.person()
    for _ in range(REQUESTS_PER_MINUTE):
        assert (await person.get("/system/mode")).status_code == 200
    answer = await person.get("/system/mode")
    refused(answer, 429, "RATE_LIMIT")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert (await other.get("/system/mode")).status_code == 200
    await house.advance(60)
    assert (await person.get("/system/mode")).status_code == 200
