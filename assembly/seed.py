"""What the sandbox starts with, so that every example of the documents runs as written."""

from collections.abc import Mapping
from typing import Final

from msgspec.structs import replace

from actors.people import NewPerson, People
from assembly.core import Core
from assembly.mode import SEEDED
from assembly.nexuspay import businesses
from domain.identity import Agent, Refused, Role
from domain.ledger import AccountKey, wallet
from domain.money import units_of
from domain.nexuspay.business import Business
from domain.nexuspay.catalogue import CHAINS, everywhere_but_celo
from domain.nexuspay.treasury import TREASURY, main_wallet
from protocols.sandbox.persons import fund
from storage.installation import recall, remember

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
    # What document 004 moves between exchanges.
    AccountKey(_TEST_USER, "ZAR", "TRADING", provider="luno"): "20000",
    wallet(_AGENT_USER, "USD"): "10000",
}
# What the platform's main wallet has on each chain that carries the token.
_FLOAT: Final[Mapping[str, str]] = {
    "USDC": "100000",
    "USDT": "100000",
    "DAI": "100000",
    "BTC": "2",
    "WBTC": "2",
    "ETH": "50",
    "WETH": "50",
    "CELO": "100000",
}
_SHOP: Final = Business(
    id="c0ffee00-0000-4000-8000-000000000001",
    user_id=_OTHER_USER,
    name="Coffee Shop",
    owner_name="John Doe",
    location="Nairobi, Kenya",
    type="retail",
    phone="+254712000002",
    created_us=0,
)


async def seed(core: Core) -> None:
    """Once an installation. Cut off in the middle, it goes on where it stopped."""
    if await recall(core.pool, SEEDED) is not None:
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
    if not await core.accounts.owned_by(TREASURY):
        await fund(core.ledger, TREASURY, _float())
    await businesses(core).ensure(_SHOP)
    await remember(core.pool, SEEDED, "1")


def _float() -> dict[AccountKey, int]:
    return {
        main_wallet(token, chain): units_of(amount)
        for chain in CHAINS
        for token, amount in _FLOAT.items()
        if everywhere_but_celo(chain, token)
    }


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
