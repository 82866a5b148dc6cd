"""What the database itself holds chains to."""

import secrets

import pytest

from actors.chain_store import Cursor, Owner
from domain.chains.table import Family
from domain.chains.transfers import SignedTransaction, Withdrawal, WithdrawalState
from providers.hdwallet.wallet import HdWallet, new_mnemonic
from storage.chain_withdrawals import WithdrawalMoved
from storage.chains import PostgresChains, load_words
from storage.crypto import SecretBox, SecretUnreadable
from storage.errors import UniqueViolation
from storage.pool import Pool

NOW = 1_750_000_000_000_000


def withdrawal(ref: str) -> Withdrawal:
    return Withdrawal(
        id=ref,
        chain="arbitrum",
        token="ETH",
        address="0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        amount_raw=10**40,
        state=WithdrawalState.QUEUED,
        created_us=NOW,
    )


def signed(ref: str, *slots: str, version: int = 0) -> SignedTransaction:
    return SignedTransaction(
        withdrawal_id=ref,
        version=version,
        tx_hash=f"0x{ref}{version}",
        raw=b"raw",
        slots=slots,
        terms=b"terms",
        signed_us=NOW,
    )


async def test_two_withdrawals_never_use_one_nonce_or_coin(pool: Pool) -> None:
    """The actor chooses; the database refuses, and then nothing at all is written."""
    store = PostgresChains(pool)
    for ref in ("A", "B"):
        await store.add(withdrawal(ref))
    await store.sign("arbitrum", signed("A", "7"))
    with pytest.raises(UniqueViolation):
        await store.sign("arbitrum", signed("B", "7"))
    stored = await store.withdrawal("B")
    assert stored is not None
    assert stored.state is WithdrawalState.QUEUED
    assert len(await pool.fetch("SELECT 1 FROM chain_transactions")) == 1
    assert await store.last_slot("arbitrum") == "7"
    assert await store.used_slots("arbitrum", ["6", "7"]) == {"7"}


async def test_a_withdrawal_has_one_first_transaction(pool: Pool) -> None:
    store = PostgresChains(pool)
    await store.add(withdrawal("A"))
    await store.sign("arbitrum", signed("A", "7"))
    with pytest.raises(WithdrawalMoved):
        await store.sign("arbitrum", signed("A", "8"))
    await store.sign("arbitrum", signed("A", "7", version=1))
    [flight] = await store.flights("arbitrum")
    assert [v.version for v in flight.versions] == [0, 1]
    assert flight.versions[1].slots == ("7",)
    assert flight.withdrawal.tx_hash == "0xA1"


async def test_what_has_ended_stays_ended(pool: Pool) -> None:
    store = PostgresChains(pool)
    added = await store.add(withdrawal("A"))
    assert added.amount_raw == 10**40
    ended = Withdrawal(**{f: getattr(added, f) for f in added.__struct_fields__} | {
        "state": WithdrawalState.CONFIRMED, "block": 9})  # fmt: skip
    assert await store.settle(ended)
    assert not await store.settle(ended)
    with pytest.raises(WithdrawalMoved):
        await store.sign("arbitrum", signed("A", "7"))
    assert list(await store.flights("arbitrum")) == []
    assert [w.id for w in await store.untold_withdrawals("arbitrum", 5)] == ["A"]
    await store.told_withdrawal("A", WithdrawalState.CONFIRMED)
    assert list(await store.untold_withdrawals("arbitrum", 5)) == []


async def test_an_address_is_its_first_owners_for_ever(pool: Pool) -> None:
    store = PostgresChains(pool)
    address = "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"
    await store.register(Family.EVM, address, Owner(1, "user"), NOW)
    await store.register(Family.EVM, address, Owner(2, "user"), NOW)
    found = await store.owners(Family.EVM, [address, "0x" + "00" * 20])
    assert found == {address: Owner(1, "user")}
    assert await store.owners(Family.TRON, [address]) == {}


async def test_how_far_a_chain_was_read_is_kept(pool: Pool) -> None:
    store = PostgresChains(pool)
    assert await store.cursor("base") is None
    await store.advance("base", Cursor(5, ("a", "b")), [], NOW)
    await store.advance("base", Cursor(6, ("b", "c")), [], NOW)
    assert await store.cursor("base") == Cursor(6, ("b", "c"))


async def test_the_wallets_words_are_made_once_and_lie_sealed(pool: Pool) -> None:
    box = SecretBox(bytes(32), secrets.token_bytes)

    def make() -> str:
        return new_mnemonic(secrets.token_bytes)

    words = await load_words(pool, box, make, NOW)
    assert await load_words(pool, box, make, NOW) == words
    HdWallet(words)
    [row] = await pool.fetch("SELECT sealed FROM wallet_seeds")
    assert words.encode() not in bytes(row[0])
    with pytest.raises(SecretUnreadable):
        await load_words(pool, SecretBox(b"\1" * 32, secrets.token_bytes), make, NOW)
