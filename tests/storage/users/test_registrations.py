"""Registrations in PostgreSQL."""

import msgspec
import pytest

from domain.identity import Channel
from domain.identity.registration import Registration, VerifyWith
from storage.registrations import KEPT_US, StoredRegistrations

NOW = 1_706_400_000_000_000


@pytest.fixture
def registrations(pool):
    return StoredRegistrations(pool)


def registration(**changes):
    values = {
        "user_id": 100_000,
        "email": "user@example.com",
        "phone": "+254712345678",
        "password_hash": "$argon2id$…",
        "verify_with": VerifyWith.BOTH,
        "created_at_us": NOW,
    }
    return Registration(**values | changes)


async def test_a_registration_is_found_by_its_email_and_its_phone(registrations):
    await registrations.save(registration())
    newer = registration(user_id=100_001, email="b@example.com", created_at_us=NOW + 1)
    await registrations.save(newer)
    assert await registrations.by_email("user@example.com") == registration()
    assert await registrations.by_phone("+254712345678") == newer
    assert await registrations.by_email("x@example.com") is None


async def test_a_second_registration_of_an_email_replaces_the_first(registrations):
    await registrations.save(registration(email_proved=True))
    second = registration(user_id=100_001, phone="+254712000001", verify_with=VerifyWith.EMAIL)
    await registrations.save(second)
    assert await registrations.by_email("user@example.com") == second
    assert await registrations.prove(100_000, Channel.EMAIL) is None


async def test_proofs_add_up_until_it_is_dropped(registrations):
    await registrations.save(registration())
    first = await registrations.prove(100_000, Channel.SMS)
    assert first == registration(phone_proved=True)
    assert not first.complete
    second = await registrations.prove(100_000, Channel.EMAIL)
    assert second == msgspec.structs.replace(first, email_proved=True)
    assert second.complete
    await registrations.drop(100_000)
    assert await registrations.by_email("user@example.com") is None


async def test_registrations_of_last_week_are_forgotten(registrations):
    await registrations.save(registration())
    later = registration(user_id=2, email="b@example.com", created_at_us=NOW + KEPT_US + 1)
    await registrations.save(later)
    assert await registrations.by_email("user@example.com") is None
    assert await registrations.by_email("b@example.com") == later
