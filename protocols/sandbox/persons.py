"""Making sandbox people: verified, funded from the sandbox's own account by ordinary journals."""

import secrets
from collections.abc import Mapping
from decimal import Decimal, InvalidOperation

import pyotp
from msgspec import UNSET

from actors.account import Account
from actors.ledger import Ledger
from actors.people import NewPerson
from domain.chains.table import CHAINS
from domain.identity import Agent, Profile, Refused, Role
from domain.identity.contact import normalise_email, normalise_phone
from domain.ledger import AccountKey, Intent, Posting, Refusal, SystemPurpose, system
from domain.money import ASSETS, AmountError, units_from
from domain.trading.records import PLATFORMS
from protocols.sandbox.service import Sandbox
from protocols.sandbox.wire import AccountRow, NewUser, UserMade

_DEFAULT_AGENT_PHONE = "+254700001234"


class BadRequest(ValueError):
    """What is wrong with the request, for its answer."""


async def make_user(sandbox: Sandbox, body: NewUser) -> UserMade:
    """Create, fund and describe one person."""
    keys = {account_key(0, name): units(name, text) for name, text in body.balances.items()}
    secret = pyotp.random_base32() if body.totp else None
    profile = await _create(sandbox, body, secret)
    if body.agent is not None:
        await _make_agent(sandbox, profile, body)
        profile = await sandbox.people.profile(profile.user_id) or profile
    await fund(sandbox.ledger, profile.user_id, keys)
    owned = await sandbox.accounts.owned_by(profile.user_id)
    return UserMade(
        user_id=str(profile.user_id),
        object_id=profile.object_id,
        email=profile.email,
        phone=profile.phone,
        first_name=profile.first_name,
        token=sandbox.people.issue_token(profile, ("pwd", "otp")),
        totp_secret=secret,
        wallet_address=profile.wallet_address,
        accounts=[_row(account) for account in owned],
    )


async def _create(sandbox: Sandbox, body: NewUser, totp_secret: str | None) -> Profile:
    email, phone = _email(body), _phone(body)
    password_hash = None
    if body.password is not None:
        hashed = await sandbox.people.passwords.hash(body.password)
        if isinstance(hashed, Refused):
            raise BadRequest(hashed.reason.value)
        password_hash = hashed
    made = await sandbox.people.create(
        NewPerson(
            email=email,
            email_verified=email is not None,
            phone=phone,
            phone_verified=phone is not None,
            first_name=body.first_name,
            password_hash=password_hash,
            role=Role.ADMIN if body.admin else Role.USER,
            totp_secret=totp_secret,
        )
    )
    if isinstance(made, Refused):
        raise BadRequest(made.reason.value)
    return made


async def _make_agent(sandbox: Sandbox, profile: Profile, body: NewUser) -> None:
    assert body.agent is not None
    phone = profile.phone or _DEFAULT_AGENT_PHONE
    agent = Agent(body.agent.agent_id, profile.user_id, body.agent.name, phone)
    saved = await sandbox.people.save_agent(agent)
    if isinstance(saved, Refused):
        raise BadRequest(saved.reason.value)


def _email(body: NewUser) -> str | None:
    if body.email is UNSET:
        return f"user-{secrets.token_hex(5)}@example.com"
    if body.email is None:
        return None
    email = normalise_email(str(body.email))
    if email is None:
        raise BadRequest("invalid email")
    return email


def _phone(body: NewUser) -> str | None:
    if body.phone is UNSET:
        return f"+2547{secrets.randbelow(10**8):08d}"
    if body.phone is None:
        return None
    phone = normalise_phone(str(body.phone))
    if phone is None:
        raise BadRequest("invalid phone")
    return phone


def account_key(user_id: int, name: str) -> AccountKey:
    """`USD`, `DEMO:USD`, `arbitrum:USDC`, `binance:USDT` (for trading there), and `ZAR`, which is
    kept at luno for trading."""
    place, _, asset = name.rpartition(":")
    if asset not in ASSETS:
        raise BadRequest(f"unknown currency {name!r}")
    if place == "DEMO":
        return AccountKey(user_id, asset, mode="DEMO")
    if asset == "ZAR" or place in PLATFORMS:
        return AccountKey(user_id, asset, "TRADING", provider=place or "luno")
    if place and place not in CHAINS:
        raise BadRequest(f"unknown chain {place!r}")
    return AccountKey(user_id, asset, chain=place)


def units(name: str, text: str) -> int:
    """Units of a balance given as text; BadRequest for what is no amount of its currency."""
    asset = ASSETS[name.rpartition(":")[2]]
    try:
        amount = units_from(Decimal(text), asset.decimals)
    except InvalidOperation:
        amount = AmountError.NOT_A_NUMBER
    if isinstance(amount, AmountError) or amount < 0:
        raise BadRequest(f"balance of {name!r} is not an amount")
    return amount


async def fund(ledger: Ledger, user_id: int, amounts: Mapping[AccountKey, int]) -> None:
    """Credit accounts from the sandbox's funding account, opening them; one journal."""
    postings = []
    for template, amount in amounts.items():
        key = template._replace(owner=user_id)
        if amount:
            demo = key.mode == "DEMO"
            purpose = SystemPurpose.DEMO_FUNDING if demo else SystemPurpose.SANDBOX_FUNDING
            source = system(key.asset, purpose, key.mode)
            postings.append(Posting(source, key, amount, "Sandbox funding"))
        else:
            await ledger.accounts.open(key)
    if postings:
        recorded = await ledger.record(
            Intent(kind="FUNDING", postings=tuple(postings), description="Sandbox funding")
        )
        if isinstance(recorded, Refusal):
            raise BadRequest(recorded.value)


def _row(account: Account) -> AccountRow:
    return AccountRow(
        account_number=account.number,
        currency=account.key.asset,
        account_type=account.key.mode,
        chain=account.key.chain or None,
    )
