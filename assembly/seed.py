"""What the sandbox starts with, so that every example of the documents runs as written."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from actors.people import NewPerson, People
from assembly.core import Core
from domain.identity import Agent, Refused, Role
from domain.ledger import AccountKey, wallet
from domain.money import units_of
from protocols.sandbox.persons import fund
from storage.installation import recall, remember

_MARK: Final = "seeded"
_TEST_USER: Final = 12345
_OTHER_USER: Final = 67890
_AGENT_USER: Final = 30001
_ADMIN_USER: Final = 30002

_PERSONS: Final = (
    (
        NewPerson(
            user_id=_TEST_USER,
            email="test@example.com",
            phone="+254712345890",
            first_name="Test",
            wallet_address="0xD4732b04f997D0229a755c797Bf1e4Ce6DcC65B7",
        ),
        "TestPassword123",
    ),
    (NewPerson(user_id=_OTHER_USER, phone="+254712000002", first_name="Other"), None),
    (NewPerson(user_id=_AGENT_USER, phone="+254700001234", first_name="John"), None),
    (
        NewPerson(
            user_id=_ADMIN_USER, email="admin@example.com", first_name="Admin", role=Role.ADMIN
        ),
        "AdminPassword123",
    ),
)
_NUMBERED: Final = (
    (wallet(_TEST_USER, "USD"), "ACC-USD-12345"),
    (wallet(_TEST_USER, "BTC"), "ACC-BTC-12345"),
    (wallet(_OTHER_USER, "USD"), "ACC-USD-67890"),
)
_BALANCES: Final[Mapping[AccountKey, str]] = {
    wallet(_TEST_USER, "USD"): "1000.50",
    wallet(_TEST_USER, "BTC"): "0.05",
    AccountKey(_TEST_USER, "USDC", chain="arbitrum"): "500",
    AccountKey(_TEST_USER, "USDC", chain="polygon"): "100",
    AccountKey(_TEST_USER, "ETH", chain="ethereum"): "0.05",
    wallet(_AGENT_USER, "USD"): "10000",
}


async def seed(core: Core) -> None:
    """Once an installation. Cut off in the middle, it goes on where it stopped."""
    if await recall(core.pool, _MARK) is not None:
        return
    for person, password in _PERSONS:
        await _ensure(core.people, person, password)
    await core.people.save_agent(Agent("AGT-001", _AGENT_USER, "Agent John Doe", "+254700001234"))
    for key, number in _NUMBERED:
        await core.ledger.accounts.open(key, number)
    for key, amount in _BALANCES.items():
        account = await core.ledger.accounts.open(key)
        if account.sequence == 0:
            await fund(core.ledger, key.owner, {key: units_of(amount)})
    await remember(core.pool, _MARK, "1")


async def _ensure(people: People, person: NewPerson, password: str | None) -> None:
    assert person.user_id is not None
    if await people.profile(person.user_id) is not None:
        return
    hashed = await people.passwords.hash(password) if password is not None else None
    if isinstance(hashed, Refused):
        raise RuntimeError(f"cannot seed {person.user_id}: {hashed.reason.value}")
    fields = {
        "email_verified": person.email is not None,
        "phone_verified": person.phone is not None,
        "password_hash": hashed,
    }
    made = await people.create(replace(person, **fields))
    if isinstance(made, Refused):
        raise RuntimeError(f"cannot seed {person.user_id}: {made.reason.value}")
