"""Every example of document 004 against the running server: members and types, to the last one."""

import json
from typing import Any

import trio

from tests.conftest import ROOT
from tests.protocols.amarktai.house import WITHIN_S, House, Person, new_email

EXAMPLES = ROOT / "tests" / "documents" / "examples" / "amarktai"


def example(name: str) -> Any:
    return json.loads((EXAMPLES / f"{name}.json").read_text())


def assert_shaped(found: Any, documented: Any, where: str = "$") -> None:
    """Every documented member is there with its type; what is more is additive."""
    if isinstance(documented, dict):
        assert isinstance(found, dict), where
        for name, value in documented.items():
            assert name in found, f"{where}.{name} is missing"
            assert_shaped(found[name], value, f"{where}.{name}")
    elif isinstance(documented, list):
        assert isinstance(found, list), where
        for one in found:
            if documented:
                assert_shaped(one, documented[0], f"{where}[]")
    elif isinstance(documented, float):
        assert type(found) in (int, float), where
    else:
        assert type(found) is type(documented), f"{where}: {found!r}"
        if isinstance(documented, str) and documented.endswith("Z"):
            assert len(found) == len(documented), f"{where}: {found!r}"


class Reader:
    """Somebody who tries the examples as they are written."""

    def __init__(self, person: Person) -> None:
        self.person = person

    async def get(self, path: str, name: str) -> Any:
        return await self._checked(await self.person.get(path), f"{name}.response")

    async def post(self, path: str, name: str, request: str = "", status: int = 200) -> Any:
        body = example(f"{request}.request") if request else None
        answer = await self.person.post(path, body)
        assert answer.status_code == status, answer.text
        return await self._checked(answer, f"{name}.response")

    async def _checked(self, answer: Any, name: str) -> Any:
        body = answer.json()
        assert_shaped(body, example(name), name)
        return body


async def test_registration_and_login_as_documented(house: House) -> None:
    """Document 004, "Authentication"."""
    email = new_email()
    register = example("auth_register.request") | {"email": email}
    made = await house.post("/auth/register", register)
    assert_shaped(made.json(), example("auth_register.response"))
    assert made.json().keys() == example("auth_register.response").keys()
    assert made.json()["user"].keys() == example("auth_register.response")["user"].keys()
    login = example("auth_login.request") | {"email": email, "password": register["password"]}
    logged_in = await house.post("/auth/login", login)
    assert_shaped(logged_in.json(), example("auth_login.response"))
    assert logged_in.json()["user"].keys() == example("auth_login.response")["user"].keys()
    enrolled = await house.post("/auth/2fa/enroll", token=made.json()["token"])
    assert_shaped(enrolled.json(), example("auth_2fa_enroll.response"))


async def test_every_other_endpoint_as_documented(house: House) -> None:
    """Document 004, all sections with a response."""
    person = await house.person(balances={"ZAR": "20000"}, admin=True)
    reader = Reader(person)
    await reader.get("/system/ping", "system_ping")
    await reader.get("/system/status", "system_status")
    await reader.get("/system/platforms", "system_platforms")
    await reader.get("/providers", "providers")
    await reader.post("/keys/test", "keys_test", "keys_test")
    health = await reader.get("/platforms/health", "platforms_health")
    assert (
        health["platforms"]["binance"]
        == example("platforms_health.response")["platforms"]["binance"]
    )
    bot_id = (await reader.post("/bots", "bots_create", "bots_create", 201))["bot"]["id"]
    await _traded(person)
    await reader.get("/bots", "bots_list")
    await reader.get("/trades", "trades_list")
    await reader.get("/metrics", "metrics")
    await reader.post("/ai/chat", "ai_chat", "ai_chat")
    await reader.post("/chat/message", "chat_message", "chat_message")
    await reader.get("/ai/chat/history", "ai_chat_history")
    await reader.post("/ai/chat/greeting", "ai_chat_greeting")
    await reader.post("/ai/chat/clear", "ai_chat_clear")
    await reader.post("/wallet/transfer", "wallet_transfer", "wallet_transfer")
    await reader.get("/wallet/transfers", "wallet_transfers")
    balances = await person.get("/wallet/balances")
    documented = example("wallet_balances.response") | {"balances": {"luno": {"ZAR": 1.0}}}
    assert_shaped(balances.json(), documented)
    await reader.get("/admin/users", "admin_users")
    await reader.get("/admin/bots", "admin_bots")
    await reader.post(f"/admin/bot/{bot_id}/pause", "admin_bot_pause")
    await reader.post(f"/bots/{bot_id}/resume", "bots_resume")
    await reader.post(f"/bots/{bot_id}/pause", "bots_pause")
    assert_shaped((await person.delete(f"/bots/{bot_id}")).json(), example("bots_delete.response"))
    await reader.post("/system/mode", "system_mode_post", "system_mode_post")
    mode = await reader.get("/system/mode", "system_mode_get")
    assert mode == example("system_mode_get.response")
    nothing = await person.get("/nothing")
    assert nothing.json().keys() == example("error.response").keys()


async def test_every_event_as_documented(house: House) -> None:
    """Document 004, "Real-time Communication"."""
    person = await house.person()
    async with house.events(person.token) as events, house.socket(person.token) as socket:
        assert_shaped(await events.until("heartbeat"), example("sse_heartbeat.event"))
        overview = await events.until("overview_update")
        assert_shaped(overview, example("sse_overview_update.event"))
        await socket.send(example("ws_ping.request"))
        assert_shaped(await socket.until("pong"), example("ws_pong.event"))
        bot_id = await person.bot()
        assert_shaped(await events.until("bot_update"), example("sse_bot_update.event"))
        assert_shaped(await socket.until("bot_update"), example("ws_bot_update.event"))
        assert_shaped(await socket.until("trade_executed"), example("ws_trade_executed.event"))
        assert_shaped(await events.until("trade_update"), example("sse_trade_update.event"))
        admin = await house.admin()
        await admin.post(f"/admin/bot/{bot_id}/pause")
        assert_shaped(await socket.until("alert"), example("ws_alert.event"))


async def test_the_seeded_person_runs_the_money_examples(house: House) -> None:
    """contract.md: with the seeds every request example runs as written."""
    token = (await house.sandbox("token", {"user": "12345"}))["token"]
    for path, name, status in (
        ("/wallet/transfer", "wallet_transfer", 200),
        ("/bots", "bots_create", 201),
        ("/keys/test", "keys_test", 200),
        ("/ai/chat", "ai_chat", 200),
    ):
        answer = await house.post(path, example(f"{name}.request"), token)
        assert answer.status_code == status, answer.text


async def _traded(person: Person) -> None:
    with trio.fail_after(WITHIN_S):
        while not (await person.get("/trades")).json()["total"]:
            await trio.sleep(0.1)
