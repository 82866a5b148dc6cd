"""Registration where invite codes are configured (AMKT-C03)."""

from types import SimpleNamespace
from typing import Any

import pytest

from protocols.amarktai.errors import Problem, Refused
from protocols.amarktai.handlers.auth import Auth
from protocols.amarktai.service import Settings
from protocols.amarktai.wire.auth import Register


class Passwords:
    """Says that hashing was reached."""

    async def hash(self, _password: str) -> str:
        raise LookupError


@pytest.mark.parametrize("code", [None, "", "other", "CODE-1 "])
async def test_an_unknown_invite_code_is_refused(code: str | None) -> None:
    with pytest.raises(Refused) as refusal:
        await register({"CODE-1"}, code)
    assert (refusal.value.problem, refusal.value.status) == (Problem.PERMISSION_DENIED, 403)


@pytest.mark.parametrize(("codes", "code"), [({"CODE-1", "CODE-2"}, "CODE-2"), (set(), "any")])
async def test_a_known_one_or_any_without_a_list_is_let_through(codes: set[str], code: str) -> None:
    with pytest.raises(LookupError):
        await register(codes, code)


async def register(codes: set[str], code: str | None) -> None:
    parts: Any = SimpleNamespace(
        settings=Settings(invite_codes=frozenset(codes)),
        people=SimpleNamespace(passwords=Passwords()),
    )
    body = Register(email="a@example.com", password="long enough", first_name="A", invite_code=code)
    request: Any = None
    await Auth(parts).register(request, body)
